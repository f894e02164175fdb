"""The disk: real SQLite files, whose every statement may fail or be the last one.

Reading and writing happen in the loop, through the same SQL as in the product. A disk never
lies: what it has acknowledged is there after the machine was off. What it was writing at that
instant may be there in part.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from app.domain.errors import StoreError
from app.domain.events import Event
from app.domain.session import Chunk
from app.store.head import Head, HeadFile
from app.store.journal import Journal
from app.store.paths import StorePaths
from app.store.reader import Reader
from app.store.rows import CHUNK, EVENT, chunk_of, event_of
from app.store.schema import open_for_reading
from app.store.writer import RETRY_SECONDS, Write, Writer
from tests.simulation.world import Cut, World

_T = TypeVar("_T")
_SECTOR = 512
_ERRORS = (
    (sqlite3.OperationalError, "database or disk is full"),
    (sqlite3.OperationalError, "database is locked"),
    (sqlite3.OperationalError, "disk I/O error"),
)


class Disk:
    """One store's files, and what has been handed to them and acknowledged by them."""

    def __init__(self, world: World, paths: StorePaths) -> None:
        self.world = world
        self.paths = paths
        self.submitted: list[Event] = []  # by sequence number, from 1
        self.chunks: dict[tuple[str, int], Chunk] = {}  # acknowledged
        self.acknowledged = 0
        self.committed = 0
        self.on_commit: Callable[[Event], None] = lambda event: None
        self.torn_image: dict[Path, bytes] | None = None  # of a commit that was cut off midway
        self._connections: list[sqlite3.Connection] = []

    def journal(self, paths: StorePaths, clock: Any) -> Any:
        """`Journal.open` on this disk."""
        return Journal.open(
            paths, clock, reader=partial(InlineReader, self), writer=partial(InlineWriter, self)
        )

    def own(self, connection: sqlite3.Connection) -> None:
        self._connections.append(connection)

    @property
    def _files(self) -> list[Path]:
        database = self.paths.database
        return [database, Path(f"{database}-wal"), self.paths.head]

    def image(self) -> dict[Path, bytes]:
        """What is on the disk at this instant; without the shared memory, as after a loss of
        power."""
        return {file: file.read_bytes() for file in self._files if file.exists()}

    def after_power_loss(self, image: dict[Path, bytes]) -> None:
        """Put back what was on the disk, with no process that has it open."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        shutil.rmtree(self.paths.root)
        self.paths.root.mkdir(mode=0o700)
        for file, data in image.items():
            file.write_bytes(data)

    def torn(self, before: dict[Path, bytes], after: dict[Path, bytes]) -> dict[Path, bytes]:
        """The disk in the midst of a commit: of the log, any sectors of what was being written."""
        wal = self._files[1]
        old, new = before.get(wal, b""), after.get(wal, b"")
        chance = self.world.chance("torn")
        end = len(new) if chance.random() < 0.5 else chance.randrange(len(new) + 1)
        data = bytearray(old.ljust(len(new), b"\0"))
        for start in range(0, end, _SECTOR):
            if chance.random() < 0.8:
                data[start : start + _SECTOR] = new[start : start + _SECTOR]
        return before | {wal: bytes(data)}

    def load(self, on_disk: Callable[[], Iterable[Event]]) -> None:
        """Compare what the files hold with what was acknowledged, as a new life begins."""
        world = self.world
        rows = list(on_disk())
        if len(rows) < self.acknowledged:
            world.violate(f"{self.acknowledged} events were acknowledged, {len(rows)} are left")
        if len(rows) > len(self.submitted):
            world.violate(f"{len(rows)} events on disk, {len(self.submitted)} were ever written")
        for found, event in zip(rows, self.submitted, strict=False):
            if found != event:
                world.violate(f"event {event.seq} on disk is not what was written: {found}")
                return
        for event in self.submitted[self.committed : len(rows)]:
            self.on_commit(event)
        del self.submitted[len(rows) :]
        self.committed = self.acknowledged = len(rows)

    def rows(self) -> list[Event]:
        if not self.paths.database.exists():
            return []
        connection = open_for_reading(self.paths.database)
        try:
            found = list(map(event_of, connection.execute(f"{EVENT} ORDER BY seq")))
            self._check_chunks(connection)
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            found = []  # the machine went off before the store was made
        finally:
            connection.close()
        return found

    def _check_chunks(self, connection: sqlite3.Connection) -> None:
        found = map(chunk_of, connection.execute(CHUNK))
        there = {(str(chunk.session_id), chunk.ordinal): chunk.text for chunk in found}
        for key, chunk in self.chunks.items():
            if there.get(key) != chunk.text:
                self.world.violate(f"chunk {key} was acknowledged and is not there: {chunk.text!r}")
                return


class InlineReader(Reader):
    """The product's queries, in the loop's own thread."""

    def __init__(self, disk: Disk, path: Path) -> None:
        super().__init__(path)
        self._disk = disk
        self._inline: sqlite3.Connection | None = None

    async def open(self) -> None:
        self._inline = open_for_reading(self._path)
        self._disk.own(self._inline)

    async def close(self) -> None:
        if self._inline is not None:
            self._inline.close()
            self._inline = None

    async def all(self, sql: str, *values: object) -> Iterable[tuple[object, ...]]:
        await asyncio.sleep(self._disk.world.chance("read").choice((0, 0, 0.001, 0.02)))
        if self._inline is None:
            raise StoreError(f"{self._path}: the store is closed")
        return [tuple(row) for row in self._inline.execute(sql, values).fetchall()]

    async def _apart(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        await asyncio.sleep(self._disk.world.chance("read").choice((0, 0, 0.001, 0.02)))
        if self._inline is None:
            raise StoreError(f"{self._path}: the store is closed")
        return work(self._inline)


class InlineWriter(Writer):
    """The product's group commit, in the loop's own thread and time."""

    def __init__(
        self,
        disk: Disk,
        connection: sqlite3.Connection,
        head_file: HeadFile,
        head: Head,
        done: Callable[[Sequence[int]], None],
        problem: Callable[[str], None],
    ) -> None:
        disk.own(connection)
        faulty: Any = _Connection(disk, connection)
        witness: Any = _HeadFile(disk, head_file)
        super().__init__(faulty, witness, head, done, problem)
        self._disk = disk
        self._waiting: list[Write] = []
        self._failed: list[Write] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """There is no thread."""

    def submit(self, write: Write) -> None:
        if not self._disk.world.alive:
            raise asyncio.CancelledError
        self._disk.submitted.extend(write.events)
        self._waiting.append(write)
        if self._timer is None:
            self._later(self._disk.world.chance("write").choice((0, 0, 0.001, 0.01, 0.2)))

    def _later(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._write)

    def _write(self) -> None:
        self._timer = None
        if not self._disk.world.alive:
            return
        try:
            self._once()
        except Cut:
            return
        if self._failed is not None:
            self._later(RETRY_SECONDS)
        elif self._waiting:
            self._later(0)

    def _once(self) -> None:
        batch = self._failed
        again = batch is not None
        if batch is None:
            count = self._disk.world.chance("batch").randint(1, len(self._waiting))
            batch, self._waiting = self._waiting[:count], self._waiting[count:]
        if not self._attempt(batch, again):
            self._failed = batch
            return
        self._failed = None
        self._acknowledge(batch)

    def _acknowledge(self, batch: Sequence[Write]) -> None:
        disk = self._disk
        disk.world.boundary()
        for write in batch:
            disk.acknowledged += len(write.events)
            disk.chunks |= {(c.session_id, c.ordinal): c for c in write.chunks}
        self._done([write.token for write in batch])

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting or self._failed is not None:
            self._once()
            if self._failed is not None:
                break  # given up: it was never acknowledged
        self._connection.close()
        self._head_file.close()


class _Connection:
    """A writing connection whose statements fail by chance, and may be the machine's last."""

    def __init__(self, disk: Disk, connection: sqlite3.Connection) -> None:
        self._disk = disk
        self._real = connection
        self._chance: Random = disk.world.chance("statement")

    @property
    def in_transaction(self) -> bool:
        return self._real.in_transaction

    def execute(self, sql: str, *values: Any) -> Any:
        return self._guard(sql, partial(self._real.execute, sql, *values))

    def executemany(self, sql: str, rows: Any) -> Any:
        return self._guard(sql, partial(self._real.executemany, sql, rows))

    def close(self) -> None:
        self._real.close()

    def _guard(self, sql: str, perform: Callable[[], Any]) -> Any:
        disk = self._disk
        disk.world.boundary()
        if sql == "ROLLBACK":
            return perform()
        fails = self._chance.random() < disk.world.faults.store
        if fails and self._chance.random() < 0.7:
            self._fail()
        result = self._commit(perform) if sql == "COMMIT" else perform()
        if fails:
            self._fail()  # it was done all the same: an error says nothing
        disk.world.boundary()
        return result

    def _fail(self) -> None:
        # SQLite itself gives the transaction up after some errors, after others it does not.
        if self._real.in_transaction and self._chance.random() < 0.5:
            self._real.execute("ROLLBACK")
        kind, text = self._chance.choice(_ERRORS)
        raise kind(text)

    def _commit(self, perform: Callable[[], Any]) -> Any:
        disk = self._disk
        torn = disk.world.fuse == 1 and self._chance.random() < 0.5
        before = disk.image() if torn else {}
        result = perform()
        if torn:
            disk.world.cut()
            disk.torn_image = disk.torn(before, disk.image())
            raise Cut
        count = self._real.execute("SELECT coalesce(max(seq), 0) FROM journal").fetchone()[0]
        while disk.committed < count:
            disk.committed += 1
            disk.on_commit(disk.submitted[disk.committed - 1])
        return result


class _HeadFile:
    """The head outside of the database: its write, too, may fail or be the last thing done."""

    def __init__(self, disk: Disk, real: HeadFile) -> None:
        self._disk = disk
        self._real = real

    def write(self, head: Head) -> None:
        world = self._disk.world
        world.boundary()
        if world.happens("head", world.faults.store):
            raise OSError(28, "No space left on device")
        self._real.write(head)
        world.boundary()

    def close(self) -> None:
        self._real.close()
