"""A store that an earlier version left, in the middle of a run, is taken up by this one."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path

import pytest

from app.domain.attention import AttentionKind, attention
from app.domain.run import AttemptState
from app.domain.task_state import TaskState
from app.store.journal import Journal
from app.store.paths import StorePaths
from app.store.schema import migrations
from app.store.verify import verify
from tests.support.story import START, FixedClock

_DUMP = Path(__file__).parent / "fixtures" / "schema_2.sql.gz"


@pytest.fixture
def old(tmp_path: Path) -> StorePaths:
    paths = StorePaths(tmp_path)
    connection = sqlite3.connect(paths.database)
    connection.executescript(gzip.decompress(_DUMP.read_bytes()).decode())
    connection.close()
    return paths


async def test_a_store_of_schema_2_is_whole_after_the_upgrade(old: StorePaths) -> None:
    journal = await Journal.open(old, FixedClock())
    await journal.close()
    with sqlite3.connect(old.database) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(migrations())
    connection.close()
    report = await verify(old)
    # Texts of transcripts were left out when the store was kept for this.
    assert not [problem for problem in report.problems if "the text that event" not in problem]


async def test_its_run_stands_where_it_stood(old: StorePaths) -> None:
    journal = await Journal.open(old, FixedClock())
    (state,) = journal.projection.states.values()
    await journal.close()
    assert state.run.state is TaskState.IN_PROGRESS
    assert state.run.current_step == "plan-review"
    assert [item.kind for item in attention(state, START)] == [AttentionKind.REVIEW]
    assert state.rejects == {"plan-review": 1}
    assert [a.state for a in state.attempts.values() if a.step == "plan"] == [
        AttemptState.REJECTED,
        AttemptState.PASSED,
    ]
