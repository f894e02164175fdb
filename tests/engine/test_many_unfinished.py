"""Many unfinished runs at a start: all of them go on, and a stop in the midst of it is in order."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.domain.base import RunId
from app.domain.task_state import TaskState
from app.engine.supervisor import Supervisor
from tests.benchmarks.durable_engine import NoopDriver, chained, finished, opened, start

_RUNS = 100


async def _left_unfinished(store: Path) -> list[RunId]:
    """Runs that were started when nobody carried them on."""
    supervisor = await Supervisor.open(store, run=False, drivers={})
    ids = await start(supervisor, chained(1), _RUNS)
    await supervisor.close()
    return ids


async def test_all_of_them_go_on(tmp_path: Path) -> None:
    ids = await _left_unfinished(tmp_path / "s")
    driver = NoopDriver()
    supervisor = await opened(tmp_path / "s", driver)
    await finished(supervisor, ids)
    await supervisor.close()
    assert driver.prompts == _RUNS


async def test_the_first_step_comes_before_the_last_run_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await _left_unfinished(tmp_path / "s")
    looked_at: list[int] = []

    class Noting(NoopDriver):
        def effect(self, session_id: str, turn: int) -> None:
            looked_at.append(len(supervisor._runs._tasks))

    supervisor = await opened(tmp_path / "s", Noting())
    await finished(supervisor, ids)
    await supervisor.close()
    assert looked_at[0] < _RUNS


async def test_a_stop_in_the_midst_is_in_order(tmp_path: Path) -> None:
    ids = await _left_unfinished(tmp_path / "s")
    supervisor = await opened(tmp_path / "s", NoopDriver())
    await asyncio.sleep(0)
    await supervisor.close()
    supervisor = await opened(tmp_path / "s", NoopDriver())
    await finished(supervisor, ids)
    states = [supervisor._journal.state(run_id) for run_id in ids]
    assert all(state is None or state.run.state is TaskState.DONE for state in states)
    await supervisor.close()
