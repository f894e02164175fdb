"""Counting in SQL, beside a plain fold over the same events."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import events as ev
from app.domain.base import ReviewId, RunId
from app.domain.errors import Refused, StoreError
from app.domain.events import Event
from app.domain.metrics import Counts
from app.domain.run import Attempt, Cause
from app.domain.task_state import TaskState, check_transition
from app.store import counts as counting
from app.store.counts import count
from app.store.journal import Draft, Journal
from app.store.paths import StorePaths
from app.store.schema import APPLICATION_ID, migrations, open_for_reading, open_for_writing
from app.store.traces import runs_of_trace
from tests.support.old_store import write_old_store
from tests.support.story import RECIPE, START, FixedClock, a_review, a_run, a_verdict, moved

Change = TaskState | Cause | str  # a run's state, an attempt's cause, a verdict
CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.sampled_from(TaskState),
    st.sampled_from([TaskState.IN_PROGRESS, TaskState.BLOCKED, TaskState.FAILED]),
    st.sampled_from(Cause),
    st.sampled_from(["approve", "reject", "unparsable"]),
)
# Whole seconds are written without a fraction; and a clock may be set back.
STEPS = st.one_of(
    st.integers(-3, 100).map(lambda s: timedelta(seconds=s)),
    st.integers(-10, 10**9).map(lambda us: timedelta(microseconds=us)),
)


class SetClock(FixedClock):
    """A clock that stands where the test puts it."""

    def now(self) -> datetime:
        return self.time


def fold(events: Sequence[Event]) -> Counts:
    """What the counts mean, event by event."""
    found = dict.fromkeys(Counts.model_fields, 0)
    last: dict[str, tuple[TaskState, datetime]] = {}
    for event in events:
        match event.payload:
            case ev.RunCreated():
                found["runs"] += 1
            case ev.AttemptStarted(attempt=attempt):
                found["attempts"] += 1
                found["retries"] += attempt.cause is Cause.RETRY
            case ev.VerdictGiven(verdict=verdict):
                found["approves"] += verdict.decision == "approve"
                found["rejects"] += verdict.decision == "reject"
            case ev.RunStateChanged(state=state):
                before, since = last.get(event.run_id, (TaskState.PENDING, event.at))
                if state is TaskState.IN_PROGRESS and before.resumable:
                    found["resumes"] += 1
                    waited = (event.at - since) // timedelta(microseconds=1)
                    found["resume_microseconds"] += max(waited, 0)
                last[event.run_id] = (state, event.at)
    for state, _ in last.values():
        if state.value in found:
            found[state.value] += 1
    return Counts(**found)


async def written(root: Path, story: Sequence[tuple[int, Change, timedelta]]) -> list[Event]:
    """Three runs and what happens to them, through the real journal; what is on disk after."""
    clock = SetClock()
    journal = await Journal.open(StorePaths(root), clock)
    journal.append([Draft(ev.RecipeRecorded(digest=RECIPE.digest, recipe=RECIPE))])
    for number in range(3):
        opened = ev.ReviewOpened(review=a_review(1, f"r-{number}"))
        for payload in (ev.RunCreated(run=a_run(f"r-{number}")), opened):
            journal.append([Draft(payload, run_id=RunId(f"r-{number}"))])
    for at, (number, change, step) in enumerate(story, start=1):
        clock.time += step
        run_id = RunId(f"r-{number}")
        state = journal.state(run_id)
        assert state is not None
        try:
            if isinstance(change, TaskState):
                check_transition(state.run.state, change)
        except Refused:
            continue
        journal.append([Draft(payload_of(change, run_id, at), run_id=run_id)])
    await journal.append(())
    events = await journal.reader.events(limit=10_000)
    await journal.close()
    return events


def payload_of(change: Change, run_id: RunId, number: int) -> ev.Payload:
    if isinstance(change, TaskState):
        return moved(change, 'retry "retries" rejected')  # words count for nothing
    if isinstance(change, Cause):
        attempt = Attempt(step="plan", attempt=number, cause=change, started_at=START)
        return ev.AttemptStarted(attempt=attempt)
    return ev.VerdictGiven(review_id=ReviewId(f"rv-{run_id}-1"), verdict=a_verdict(change, "retry"))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), CHANGES, STEPS), max_size=60))
def test_sql_counts_what_a_fold_counts(story: list[tuple[int, Change, timedelta]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        events = asyncio.run(written(Path(folder), story))
        assert asyncio.run(count(StorePaths(Path(folder)))) == fold(events)


async def test_every_resume_counts_and_the_latest_stop_before_it(tmp_path: Path) -> None:
    second = timedelta(seconds=1)
    going, stuck, broken = TaskState.IN_PROGRESS, TaskState.BLOCKED, TaskState.FAILED
    changes = [going, stuck, going, stuck, broken, going, going, stuck]
    events = await written(tmp_path, [(0, change, second) for change in changes])
    found = await count(StorePaths(tmp_path))
    assert (found.resumes, found.resume_microseconds) == (2, 2_000_000)
    assert (found.runs, found.done, found.failed, found.canceled) == (3, 0, 0, 0)
    assert found == fold(events)


def test_every_query_uses_the_index(tmp_path: Path) -> None:
    open_for_writing(StorePaths(tmp_path).database).close()
    connection = open_for_reading(StorePaths(tmp_path).database)
    queries = (counting._RUNS, counting._CHANGES, counting._ATTEMPTS, counting._VERDICTS)
    for sql in queries:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
        assert any("journal_counted (kind=?)" in step for step in plan), plan
        assert not any("SCAN journal" in step for step in plan), plan
    connection.close()


async def test_a_store_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    events = await written(tmp_path, [(0, TaskState.CANCELED, timedelta())])
    paths = StorePaths(tmp_path / "old")
    paths.root.mkdir()
    write_old_store(paths.root, events, schema=1)
    journal = await Journal.open(paths, FixedClock())
    await journal.close()
    with sqlite3.connect(paths.database) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        indexes = connection.execute("SELECT name FROM sqlite_schema WHERE type='index'")
        assert ("journal_counted",) in indexes.fetchall()
        assert version == len(migrations())
        assert connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    connection.close()
    assert await count(paths) == fold(events)


async def test_a_store_that_cannot_be_counted_is_one_clear_sentence(tmp_path: Path) -> None:
    StorePaths(tmp_path).database.write_bytes(b"not a database " * 1000)
    with pytest.raises(StoreError, match=r"longwatch\.db: cannot be counted"):
        await count(StorePaths(tmp_path))


async def test_runs_are_found_by_the_beginning_of_their_trace(tmp_path: Path) -> None:
    await written(tmp_path, [])
    journal = await Journal.open(StorePaths(tmp_path), FixedClock())
    found = [run.run_id for run in await runs_of_trace(journal.reader, "tr-r-", 2)]
    assert found == ["r-2", "r-1"]
    assert [r.run_id for r in await runs_of_trace(journal.reader, "tr-r-0", 9)] == ["r-0"]
    assert await runs_of_trace(journal.reader, "tr-%", 9) == []
    await journal.close()
