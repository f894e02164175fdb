"""Starting a supervisor in the background: how long it is waited for."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.cli import background
from app.domain.errors import StoreError
from tests.support.old_store import write_old_store
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "START_WAIT", 0.1)
    monkeypatch.setattr(background, "TELL_EVERY", 0.1)


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor that never listens."""
    started = subprocess.Popen(command)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


async def test_who_is_at_work_is_waited_for_and_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = itertools.count(1)
    monkeypatch.setattr(background, "_worked", lambda pid: next(work))
    write_old_store(tmp_path, [])
    log = tmp_path / "log"
    log.write_text("longwatch: it was ended")
    said = ""

    def told() -> int:
        nonlocal said
        said += capsys.readouterr().err
        return said.count(" is still starting, after ")

    with running("sleep", "600") as child:
        waiting = asyncio.create_task(background._wait(tmp_path, child, log, 0))
        await until(lambda: told() > 3 or waiting.done())
        assert child.poll() is None and not waiting.done()
        child.kill()
        with pytest.raises(StoreError, match=r"the supervisor did not start: it was ended"):
            await waiting
    assert "brought up to date" in said
    assert f"process {child.pid} is still starting, after 0 s: {log}" in said


async def test_work_is_what_the_processor_has_done() -> None:
    with running("sh", "-c", "while :; do :; done") as child:
        before = background._worked(child.pid)
        await until(lambda: background._worked(child.pid) > before)
    assert background._worked(child.pid) == 0


async def test_who_does_nothing_is_ended(tmp_path: Path) -> None:
    with running("sleep", "600") as child:
        with pytest.raises(StoreError, match="did nothing for 0 s, nor listened; see "):
            await background._wait(tmp_path, child, tmp_path / "log", 0)
        assert child.poll() is not None


def test_a_log_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "supervisor.log")
    with pytest.raises(StoreError, match=r": supervisor\.log cannot be written \("):
        background._start(tmp_path, tmp_path / "supervisor.log")
