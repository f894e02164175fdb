"""How long `longwatch metrics` counts on a store of a million events.

    .venv/bin/python -m tests.benchmarks.bench_metrics [EVENTS]

The events are those of finished runs as a talkative agent makes them: 100 a run, most of them
pieces of transcript and token counts; prompts of 2 KB, outputs of 4 KB. They are written past
the journal's class, whose fsyncs are not what is measured here.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path

from app.domain import events as ev
from app.domain.base import ReviewId
from app.domain.events import to_fields
from app.domain.run import Attempt, Cause
from app.domain.session import Usage
from app.domain.task_state import TaskState
from app.store.counts import count
from app.store.names import Names
from app.store.packing import Packer
from app.store.paths import StorePaths
from app.store.rows import Entry, insert_entries, microseconds
from app.store.schema import open_for_writing
from tests.support.story import START, a_review, a_run, a_session, a_verdict, moved

ROUNDS = 5
PER_RUN = 100


def payloads() -> list[ev.Payload]:
    """A run's events: four attempts, two verdicts, one resume."""
    session = a_session().session_id
    found: list[ev.Payload] = [ev.RunCreated(run=a_run()), moved(TaskState.IN_PROGRESS)]
    for number in range(1, 5):
        cause = Cause.RETRY if number == 2 else Cause.FIRST
        attempt = Attempt(step="plan", attempt=number, cause=cause, started_at=START)
        turn = ev.TurnStarted(
            session_id=session, turn=number, step="plan", attempt=number, prompt="p" * 2000
        )
        found += [ev.AttemptStarted(attempt=attempt), turn]
        found.append(ev.OutputProduced(step="plan", attempt=number, output="o" * 4000))
    for decision in ("reject", "approve"):
        verdict = a_verdict(decision, "a reason")
        found += [ev.ReviewOpened(review=a_review())]
        found.append(ev.VerdictGiven(review_id=ReviewId("rv-1"), verdict=verdict))
    found += [moved(TaskState.BLOCKED, "stuck"), moved(TaskState.IN_PROGRESS, "retried")]
    item = ev.ItemFinished(
        session_id=session, item_id="item-1", kind="message", sha256="a" * 64, size=900
    )
    while len(found) < PER_RUN - 1:
        found += [item, ev.UsageUpdated(session_id=session, usage=Usage(total_tokens=9000))]
    return [*found[: PER_RUN - 1], moved(TaskState.DONE, "all steps are done")]


def rows(events: int) -> Iterator[Entry]:
    """Journal rows of `events` events; fifty runs at a time are under way."""
    pack = Packer().pack
    story = [(p.type, pack(to_fields(p))) for p in payloads()]
    for seq in range(events):
        batch, within = divmod(seq, 50 * PER_RUN)
        step, run = divmod(within, 50)
        kind, body = story[step]
        at = microseconds(START + timedelta(milliseconds=seq))
        name = f"{batch:05}-{run:02}"
        yield seq + 1, at, f"r-{name}", f"tr-{name}", kind, b"", body


def fill(database: Path, events: int) -> None:
    connection = open_for_writing(database)
    names = Names(connection)
    connection.execute("BEGIN")
    left = rows(events)
    while some := list(islice(left, 10_000)):
        insert_entries(connection, names, some)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        paths = StorePaths(Path(folder))
        fill(paths.database, events)
        times = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            counts = asyncio.run(count(paths))
            times.append(time.perf_counter() - start)
        size = paths.database.stat().st_size / 1e6
    print(f"{events} events, {size:.0f} MB, SQLite {sqlite3.sqlite_version}: {counts}")
    print(f"counted in {statistics.median(times):.3f} s (median), {max(times):.3f} s (slowest)")


if __name__ == "__main__":
    main()
