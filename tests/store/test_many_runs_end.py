"""More runs that end at once than finished ones are kept in memory."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from tests.benchmarks.durable_engine import NoopDriver, chained, finished, opened, start


@pytest.mark.parametrize("patience", ["waits", "closes at once"])
async def test_their_sessions_are_all_closed_or_resumable(tmp_path: Path, patience: str) -> None:
    supervisor = await opened(tmp_path, NoopDriver())
    runs = await start(supervisor, chained(2), 70)
    await finished(supervisor, runs)
    if patience == "waits":
        await asyncio.gather(*supervisor._runs._tasks.values())
    await supervisor.close()
    with sqlite3.connect(tmp_path / "longwatch.db") as connection:
        states = {row[0] for row in connection.execute("SELECT state FROM sessions")}
        done = connection.execute("SELECT count(*) FROM runs WHERE state='done'").fetchone()[0]
    connection.close()
    assert done == 70
    assert states <= {"closed", "lost"}
    assert patience == "closes at once" or states == {"closed"}
