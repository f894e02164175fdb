"""Taking a run's work over into a plain folder: told before and after, also when it is cut off."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from app.domain import commands as cmd
from app.domain.base import RunId
from app.domain.errors import LongwatchError, Refused
from app.domain.run import RunState, TakeOver
from app.domain.task_state import TaskState
from app.engine.mirrors import Mirrors
from app.engine.supervisor import Supervisor
from tests.support.puppet import CONFIG, WORKFLOW, PuppetDriver
from tests.support.runs import start, until
from tests.support.story import ADA
from tests.support.waiting import PATIENCE


@pytest.fixture
async def finished(supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path) -> RunId:
    """A run that has changed one file of a plain folder and made another."""
    project = tmp_path / "plain"
    (project / ".longwatch/workflows").mkdir(parents=True)
    (project / ".longwatch/workflows/change.toml").write_text(WORKFLOW)
    (project / "longwatch.toml").write_text(CONFIG)
    (project / "script.toml").write_text("")
    (project / "a.txt").write_text("old\n")
    run_id = await start(supervisor, project)
    puppet = await driver.session(1)
    place = Path(puppet.spec.workspace)
    (place / "a.txt").write_text("new\n")
    (place / "b.txt").write_text("b\n")
    puppet.done()
    await until(supervisor, run_id, lambda s: s.run.state is TaskState.DONE)
    return run_id


async def take(supervisor: Supervisor, run_id: RunId) -> str:
    return (await supervisor.execute(cmd.TakeWork(run_id=run_id, by=ADA))).message


def taken(state: RunState) -> TakeOver:
    assert state.taken is not None
    return state.taken


async def test_it_is_in_the_journal_before_and_after(
    supervisor: Supervisor, finished: RunId, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply, during = Mirrors._apply, list[TakeOver]()

    async def watched(self: Mirrors, *arguments: Any) -> None:
        during.append(taken(await supervisor.run(finished)))
        await apply(self, *arguments)

    monkeypatch.setattr(Mirrors, "_apply", watched)
    assert "2 files changed" in await take(supervisor, finished)
    assert [(one.by, one.ended_at) for one in during] == [(ADA, None)]
    state = await supervisor.run(finished)
    assert taken(state).commit == state.run.head_commit
    assert (taken(state).files, taken(state).failed) == (2, "")
    assert "has all of the work" in await take(supervisor, finished)
    assert (await supervisor.run(finished)).seq == state.seq, "what changed nothing is no event"
    assert (await supervisor.verify()).ok


async def test_why_it_failed_is_kept_and_the_next_one_is_told_apart(
    supervisor: Supervisor, finished: RunId, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(self: Mirrors, *arguments: Any) -> None:
        raise LongwatchError("a.txt cannot be written: No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(Mirrors, "_apply", full)
        with pytest.raises(Refused, match="No space left"):
            await take(supervisor, finished)
    assert "No space left" in taken(await supervisor.run(finished)).failed
    await take(supervisor, finished)
    assert taken(await supervisor.run(finished)).failed == ""


async def test_cut_off_half_way_the_same_command_makes_it_whole(
    supervisor: Supervisor,
    driver: PuppetDriver,
    finished: RunId,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    half = asyncio.Event()

    async def hanging(self: Mirrors, project: Path, *arguments: Any) -> None:
        (project / "a.txt").write_text("new\n")
        half.set()
        await asyncio.sleep(PATIENCE)

    with monkeypatch.context() as slow:
        slow.setattr(Mirrors, "_apply", hanging)
        taking = asyncio.create_task(take(supervisor, finished))
        await half.wait()
        taking.cancel()
        await asyncio.wait([taking])
    await supervisor.close()
    again = await Supervisor.open(tmp_path / "store", drivers={"scripted": driver})
    try:
        state = await again.run(finished)  # which is over, and only in the store
        assert state.taken_in_part and "makes it whole" in str(state.taken)
        assert "1 file changed" in await take(again, finished)
        assert (tmp_path / "plain/b.txt").read_text() == "b\n"
        state = await again.run(finished)
        assert (state.run.state, state.taken_in_part) == (TaskState.DONE, False)
        assert (await again.verify()).ok
    finally:
        await again.close()
