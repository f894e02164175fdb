"""How fast the journal commits, beside bare sqlite3 with synchronous=FULL doing the same work.

    .venv/bin/python -m tests.benchmarks.bench_journal

Prints medians over rounds that alternate between ours and the floor, so that a drift of the
machine's speed hits both. A step is two events, of which one has a result of 1 KB.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from app.domain import events as ev
from app.domain.base import RunId
from app.domain.events import to_fields
from app.domain.run import Attempt
from app.domain.task_state import TaskState
from app.engine.system import SystemClock
from app.store.journal import Draft, Journal
from app.store.packing import Packer
from app.store.paths import StorePaths
from tests.support.story import START, a_run, moved

ROUNDS = 5
STEPS = 400
CALLERS = (1, 8, 64)
OUTPUT = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")[:1024]


def step(number: int) -> list[ev.Payload]:
    """A no-op step with a result of 1 KB."""
    attempt = Attempt(step="plan", attempt=number, started_at=START)
    return [
        ev.AttemptStarted(attempt=attempt),
        ev.OutputProduced(step="plan", attempt=number, output=OUTPUT),
    ]


async def ours(folder: Path, callers: int, steps: int) -> float:
    """Durable steps per second; each caller waits for its commit before its next step."""
    journal = await Journal.open(StorePaths(folder), SystemClock())

    async def caller(number: int) -> None:
        run_id = RunId(f"r-{number}")
        first: list[ev.Payload] = [ev.RunCreated(run=a_run(run_id)), moved(TaskState.IN_PROGRESS)]
        await journal.append([Draft(p, run_id=run_id) for p in first])
        for index in range(1, steps // callers + 1):
            await journal.append([Draft(p, run_id=run_id) for p in step(index)])

    start = time.perf_counter()
    await asyncio.gather(*(caller(n) for n in range(callers)))
    taken = time.perf_counter() - start
    await journal.close()
    return steps / taken


def floor(folder: Path, batch: int, steps: int) -> float:
    """The same number of commits and rows, straight through sqlite3."""
    connection = sqlite3.connect(folder / "floor.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE journal (seq INTEGER PRIMARY KEY, body BLOB)")
    pack = Packer().pack
    rows = [(None, pack(to_fields(payload))) for payload in step(1)] * batch
    start = time.perf_counter()
    for _ in range(0, steps, batch):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO journal VALUES (?, ?)", rows)
        connection.execute("COMMIT")
    taken = time.perf_counter() - start
    connection.close()
    return steps / taken


def size_of(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.glob("longwatch.db*"))


def main() -> None:
    print(f"{'callers':>8} {'steps/s':>10} {'floor':>10} {'ratio':>7}")
    for callers in CALLERS:
        steps = STEPS * (1 if callers == 1 else 8)
        mine, bare = [], []
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as name:
                mine.append(asyncio.run(ours(Path(name), callers, steps)))
                bare.append(floor(Path(name), callers, steps))
        m, b = statistics.median(mine), statistics.median(bare)
        print(f"{callers:>8} {m:>10.0f} {b:>10.0f} {m / b:>7.2f}")


if __name__ == "__main__":
    main()
