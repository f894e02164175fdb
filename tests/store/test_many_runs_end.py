"""More runs that end at once than finished ones are kept in memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.domain.task_state import TaskState
from app.store.reader import Reader
from tests.benchmarks.durable_engine import NoopDriver, chained, finished, opened, start


@pytest.mark.parametrize("patience", ["waits", "closes at once"])
async def test_their_sessions_are_all_closed_or_resumable(tmp_path: Path, patience: str) -> None:
    supervisor = await opened(tmp_path, NoopDriver())
    runs = await start(supervisor, chained(2), 70)
    await finished(supervisor, runs)
    if patience == "waits":
        await asyncio.gather(*supervisor._runs._tasks.values())
    await supervisor.close()
    reader = Reader(tmp_path / "longwatch.db")
    await reader.open()
    found = [await reader.run(run.run_id) for run in await reader.runs()]
    await reader.close()
    states = {session.state for state in found for session in state.sessions.values()}
    assert [state.run.state for state in found] == [TaskState.DONE] * 70
    assert states <= {"closed", "lost"}
    assert patience == "closes at once" or states == {"closed"}


async def test_a_snapshot_counts_also_those_that_it_leaves_out(tmp_path: Path) -> None:
    supervisor = await opened(tmp_path, NoopDriver())
    await finished(supervisor, await start(supervisor, chained(1), 60))
    await supervisor.close()
    again = await opened(tmp_path, NoopDriver())
    snapshot = await again._snapshot()
    await again.close()
    assert (len(snapshot.runs), snapshot.done) == (50, 60)
