"""One measurement of the engine in a process of its own; prints `RESULT {json}`.

    python -m tests.benchmarks.engine_worker seq --store DIR --n 1000
    python -m tests.benchmarks.engine_worker floor --store DIR --per-step '{"commits": 1, ...}'

`bench_engine` runs these in turn with the peers'.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import queue
import resource
import sqlite3
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from app.agents.protocol import AgentEvent, Prompt, SessionSpec, TextDelta
from app.domain.base import Clock
from app.domain.session import ChunkKind, Continuity
from app.garbage import collect_seldom
from app.store.journal import Journal
from app.store.paths import StorePaths
from app.store.rows import Entry
from app.store.writer import Write, Writer
from tests.benchmarks.durable_engine import (
    NoopAgent,
    NoopDriver,
    chained,
    finished,
    looping,
    opened,
    start,
)

_WARMING = 3  # steps


def emit(**values: object) -> None:
    """One result, as the peers' scripts print theirs."""
    print("RESULT " + json.dumps(values), flush=True)


def peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def size_of(store: Path) -> int:
    """Bytes of the database after its WAL has been moved into it."""
    database = StorePaths(store).database
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return database.stat().st_size


class Load(Struct):
    """What a store wrote: for the floor to write the same."""

    commits: int = 0
    inserts: int = 0
    insert_bytes: int = 0
    upserts: int = 0
    upsert_bytes: int = 0


_NAMES = (1000, 1000, 10)  # numbers that stand for names: a run, a trace, a kind


def _size(*values: int | str | bytes) -> int:
    """Bytes of values in a row of SQLite's."""
    return sum(
        (value.bit_length() + 8) // 8
        if isinstance(value, int)
        else len(value if isinstance(value, bytes) else value.encode())
        for value in values
    )


class CountingWriter(Writer):
    """The writer, which also counts what it writes."""

    load = Load()

    def _commit(self, batch: Sequence[Write], entries: Sequence[Entry]) -> None:
        load, before = self.load, self._connection.total_changes
        super()._commit(batch, entries)
        changes = self._connection.total_changes - before
        chunks = [chunk for write in batch for chunk in write.chunks]
        load.commits += 1
        load.inserts += len(entries) + len(chunks)
        load.insert_bytes += sum(
            _size(at, *_NAMES, digest, body) for _, at, *_, digest, body in entries
        )
        load.insert_bytes += sum(
            _size(chunk.ordinal, *_NAMES, chunk.item_id, self._packer.pack(chunk.text))
            for chunk in chunks
        )
        load.upserts += changes - len(entries) - len(chunks)


def _upsert_bytes(store: Path) -> int:
    """The mean size of a read-model row, in bytes."""
    with sqlite3.connect(StorePaths(store).database) as connection:
        sizes = [
            connection.execute(
                f"SELECT count(*), coalesce(sum(length(doc)), 0) FROM {t}"
            ).fetchone()
            for t in ("runs", "approvals", "reviews")
        ]
    connection.close()
    return int(sum(size for _, size in sizes) / max(1, sum(count for count, _ in sizes)))


async def counting_journal(paths: StorePaths, clock: Clock) -> Journal:
    return await Journal.open(paths, clock, writer=CountingWriter)


async def steps(store: Path, runs: int, count: int, *, loop: bool, counted: bool) -> None:
    """`runs` runs at once of `count` no-op steps each.

    A short run before it loads what is loaded at first use, as the peers' scripts have loaded
    theirs before they look at the clock: a supervisor lives for days.
    """
    driver = NoopDriver()
    supervisor = await opened(store, driver, counting_journal if counted else Journal.open)
    await finished(supervisor, await start(supervisor, looping(_WARMING), 1))
    CountingWriter.load = Load()
    idle = peak_mb()
    began, of_loop, of_all = time.perf_counter(), time.thread_time(), time.process_time()
    recipe = looping(count) if loop else chained(count)
    await finished(supervisor, await start(supervisor, recipe, runs))
    taken = time.perf_counter() - began
    of_loop, of_all = time.thread_time() - of_loop, time.process_time() - of_all
    await supervisor.close()
    load = CountingWriter.load
    load.upsert_bytes = _upsert_bytes(store) * load.upserts
    total = runs * count
    emit(
        steps_s=total / taken,
        us_loop=of_loop / total * 1e6,  # CPU time of the event loop's thread, for a step
        us_others=(of_all - of_loop) / total * 1e6,  # and of the others: the journal's writer
        prompts=driver.prompts - _WARMING,
        rss=peak_mb(),
        rss_idle=idle,
        bytes_step=size_of(store) / (total + _WARMING),
        per_step={name: value / total for name, value in asdict(load).items()} if counted else None,
    )


class Bare:
    """sqlite3 in a thread, WAL, synchronous=FULL: a transaction per call, acknowledged after."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._connection = sqlite3.connect(
            folder / "bare.db", isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        for table in ("journal", "doc"):
            self._connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, body TEXT)")
        self._queue: queue.SimpleQueue[
            tuple[list[str], list[tuple[int, str]], asyncio.Future[None]] | None
        ]
        self._queue = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        execute, many = self._connection.execute, self._connection.executemany
        while (job := self._queue.get()) is not None:
            inserts, upserts, future = job
            execute("BEGIN IMMEDIATE")
            many("INSERT INTO journal (body) VALUES (?)", [(body,) for body in inserts])
            many(
                "INSERT INTO doc VALUES (?,?) ON CONFLICT(id) DO UPDATE SET body=excluded.body",
                upserts,
            )
            execute("COMMIT")
            self._loop.call_soon_threadsafe(future.set_result, None)

    async def write(self, inserts: list[str], upserts: list[tuple[int, str]]) -> None:
        future: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((inserts, upserts, future))
        await future

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()
        self._connection.close()


async def floor(store: Path, count: int, per_step: dict[str, float]) -> None:
    """As many transactions, rows and bytes as `count` steps of ours, and nothing else."""
    bare = Bare(store)
    load = {name: value * count for name, value in per_step.items()}
    commits = max(1, round(load["commits"]))
    body = "x" * round(load["insert_bytes"] / max(1, load["inserts"]))
    doc = "x" * round(load["upsert_bytes"] / max(1, load["upserts"]))
    inserted = upserted = 0
    began = time.perf_counter()
    for number in range(1, commits + 1):
        inserts = round(load["inserts"] * number / commits) - inserted
        upserts = round(load["upserts"] * number / commits) - upserted
        rows = [(upserted + index, doc) for index in range(upserts)]
        inserted, upserted = inserted + inserts, upserted + upserts
        await bare.write([body] * inserts, rows)
    taken = time.perf_counter() - began
    bare.close()
    emit(steps_s=count / taken, rss=peak_mb())


class NotingDriver(NoopDriver):
    """Notes each effect in a file, with the time, as the peers' scripts do."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def effect(self, session_id: str, turn: int) -> None:
        os.write(self._fd, f"{session_id} {turn} {time.monotonic_ns()}\n".encode())


async def crash(store: Path, effects: Path, runs: int, count: int) -> None:
    """Go on for as long as nobody kills this; take up what a killed one has left."""
    supervisor = await opened(store, NotingDriver(effects))
    emit(opened_at=time.monotonic_ns())
    states = supervisor._journal.projection.states
    left = [run_id for run_id, state in states.items() if not state.run.state.terminal]
    await finished(supervisor, left or await start(supervisor, looping(count), runs))
    await supervisor.close()


class TalkingDriver(NoopDriver):
    """Agents that say something at a given rate and never finish."""

    def __init__(self, per_second: float) -> None:
        super().__init__()
        self.pause = 1 / per_second if per_second else 0.0
        self.said = 0

    async def open(self, spec: SessionSpec) -> NoopAgent:
        return TalkingAgent(self, spec, spec.session_id, Continuity.FRESH)


class TalkingAgent(NoopAgent):
    """One of them."""

    async def prompt(self, prompt: Prompt) -> AsyncIterator[AgentEvent]:
        driver = self.driver
        assert isinstance(driver, TalkingDriver)
        line = "a line of what agents say while they are at work\n"
        while True:
            await asyncio.sleep(driver.pause or 3600)
            driver.said += 1
            yield TextDelta("i", ChunkKind.OUTPUT, line)


async def live(store: Path, sessions: int, per_second: float, seconds: float) -> None:
    """`sessions` agents in a turn: what the supervisor costs, in CPU time."""
    driver = TalkingDriver(per_second)
    supervisor = await opened(store, driver)
    before = peak_mb()
    await start(supervisor, chained(1), sessions)
    await asyncio.sleep(2)
    said, cpu, began = driver.said, time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    said, cpu = driver.said - said, time.process_time() - cpu
    emit(
        events_s=said / (time.perf_counter() - began),
        cpu=cpu / (time.perf_counter() - began),
        us_event=cpu / said * 1e6 if said else None,
        rss=peak_mb(),
        rss_session=(peak_mb() - before) / sessions,
    )
    os._exit(0)  # they never finish


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "what", choices=["seq", "chain", "conc", "sessions", "floor", "crash", "live"]
    )
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--effects", type=Path)
    parser.add_argument("--per-step", type=json.loads, default={})
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--counted", action="store_true")
    a = parser.parse_args(words)
    jobs: dict[str, Callable[[], Awaitable[None]]] = {
        "seq": lambda: steps(a.store, 1, a.n, loop=True, counted=a.counted),
        "chain": lambda: steps(a.store, 1, a.n, loop=False, counted=a.counted),
        "conc": lambda: steps(a.store, a.runs, a.n, loop=True, counted=a.counted),
        "sessions": lambda: steps(a.store, a.runs, a.n, loop=False, counted=a.counted),
        "floor": lambda: floor(a.store, a.n, a.per_step),
        "crash": lambda: crash(a.store, a.effects, a.runs, a.n),
        "live": lambda: live(a.store, a.runs, a.rate, 5.0),
    }

    async def run() -> None:
        await jobs[a.what]()

    collect_seldom()  # as the program does
    asyncio.run(run())


if __name__ == "__main__":
    main(sys.argv[1:])
