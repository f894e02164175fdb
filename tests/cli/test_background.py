"""Starting a supervisor in the background: how long it is waited for."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli import background
from app.domain.errors import StoreError
from app.store.paths import StorePaths
from app.store.schema import open_for_writing
from tests.support.old_store import write_old_store


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor that never listens."""
    started = subprocess.Popen(["sleep", "600"])
    yield started
    started.kill()
    started.wait()


async def test_who_brings_an_old_store_up_to_date_is_waited_for_and_not_ended(
    tmp_path: Path,
    child: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(background, "START_WAIT", 0.1)
    write_old_store(tmp_path, [])
    log = tmp_path / "log"
    log.write_text("")
    waiting = asyncio.create_task(background._wait(tmp_path, child, log, 0))
    await asyncio.sleep(0.3)
    assert child.poll() is None and not waiting.done()
    assert "brought up to date" in capsys.readouterr().err
    open_for_writing(StorePaths(tmp_path).database).close()
    with pytest.raises(StoreError, match="did not listen"):
        await waiting
    assert child.poll() is not None
