"""What the tests of migrations share."""

from __future__ import annotations

import pytest

from app.migrate.disk import Disk


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here pulls a plug: waiting for all that others write would only take long."""
    monkeypatch.setattr(Disk, "sync_all", lambda self, path: None)
