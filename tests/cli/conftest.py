"""The command line, with and without a supervisor that hosts the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine, hosting
from tests.support.supervisor import FakeSupervisor


@pytest.fixture
def longwatch(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(capsys)


@pytest.fixture
def hosted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSupervisor]:
    """A fake supervisor on the default store of this test."""
    store = tmp_path / "store"
    monkeypatch.setenv("LONGWATCH_STORE", str(store))
    monkeypatch.setenv("LONGWATCH_USER", "ada")
    with hosting(store) as supervisor:
        yield supervisor
