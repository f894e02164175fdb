"""The journal: append events, and know when they are on disk.

`append` moves the states in memory on at once and hands the events to the writer thread; the
future it returns is done when they are committed. Effects wait for that future. `note` is for
facts that no effect waits for: they ride with the next commit, so that a step need not cost an
fsync for each of its events. What was noted is on disk before what is appended after it. All of
it is called from one event loop.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from app.domain.base import Clock, RunId
from app.domain.errors import StoreDamaged, StoreError
from app.domain.events import GENESIS, Event, Payload
from app.domain.run import RunState
from app.domain.session import Chunk
from app.store.head import Head, HeadFile, read_head, refuse_emptied
from app.store.paths import StorePaths
from app.store.projection import Projection, Row
from app.store.reader import Reader
from app.store.schema import open_for_writing
from app.store.writer import Write, Writer

_T = TypeVar("_T")
_FINISHED_IN_MEMORY = 50
_LOOK_SECONDS = 0.05  # how often a reader looks whether the store has become unwritable
_PATIENCE_SECONDS = 8.0  # that who cannot wait for ever waits for a disk to be well again
_NOTE_SECONDS = 0.005  # how long what nobody waits for may wait for company


class Draft(Struct, frozen=True):
    """An event before it has a number: what happened, to which run."""

    payload: Payload
    run: RunState | None = None
    run_id: RunId | None = None
    trace_id: str = ""


Listener = Callable[[Sequence[Event], Sequence[Chunk]], None]


class _Batch(Struct):
    """What is written in one transaction, and who waits for it."""

    events: list[Event] = []
    rows: list[Row] = []
    chunks: list[Chunk] = []
    waiting: list[asyncio.Future[None]] = []

    @property
    def holds(self) -> bool:
        """Whether there is anything to write, or somebody to tell."""
        return bool(self.events or self.chunks or self.waiting)


class Journal:
    """Append-only, hash-chained; the only way to change anything in a store."""

    def __init__(
        self, paths: StorePaths, clock: Clock, reader: Callable[[Path], Reader] = Reader
    ) -> None:
        self._paths = paths
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._gathering = _Batch()
        self._soon: asyncio.Handle | None = None  # hands over in this turn of the loop
        self._later: asyncio.Handle | None = None  # looks then whether something still waits
        self._pending: dict[int, _Batch] = {}
        self._listeners: list[Listener] = []
        self._token = 0
        self._seq = 0
        self._closed = False
        self._writer: Writer | None = None
        self._on_problem: Callable[[str], None] = lambda text: None
        self.projection = Projection()
        self.reader = reader(paths.database)
        self.committed_seq = 0
        self.problem = ""
        self._ill_since = 0.0

    @classmethod
    async def open(
        cls,
        paths: StorePaths,
        clock: Clock,
        *,
        reader: Callable[[Path], Reader] = Reader,
        writer: Callable[..., Writer] = Writer,
    ) -> Journal:
        """Open for writing; the caller holds the store's lock. Raises StoreError.

        `reader` and `writer` say how reading and writing get off the loop.
        """
        connection, witness = await asyncio.to_thread(_opened, paths)
        journal = cls(paths, clock, reader)
        try:
            await journal._load(witness)
            head_file = HeadFile(paths.head)
        except BaseException:
            connection.close()
            await journal.reader.close()
            raise
        head = journal._head
        journal._writer = writer(
            connection,
            head_file,
            head,
            lambda tokens: journal._call(journal._done, tokens),
            lambda text: journal._call(journal._set_problem, text),
        )
        journal._writer.start()
        return journal

    async def _load(self, witness: Head | None) -> None:
        await self.reader.open()
        head = await self.reader.head() or Head(0, GENESIS)
        if witness is not None and witness.seq > 0:
            known = await self.reader.hash_at(witness.seq)
            if known != witness.hash:
                what = "with another content" if known else f"and the journal ends at {head.seq}"
                raise StoreDamaged(
                    f"{self._paths.database}: event {witness.seq} was acknowledged, {what}: the "
                    "database or its WAL was damaged or replaced. Restore it, or run "
                    f"`longwatch verify` and then move {self._paths.head} away to accept the loss"
                )
        self._head, self._seq, self.committed_seq = head, head.seq, head.seq
        self.projection = await self.reader.projection(_FINISHED_IN_MEMORY)
        self.projection.keep_finished = _FINISHED_IN_MEMORY

    @property
    def seq(self) -> int:
        """The newest event's number, whether or not it is on disk yet."""
        return self._seq

    def on_problem(self, callback: Callable[[str], None]) -> None:
        """`callback("")` when the store is well again."""
        self._on_problem = callback

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` on the loop with what is on disk, in order; returns the way to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def append(self, drafts: Sequence[Draft], chunks: Sequence[Chunk] = ()) -> asyncio.Future[None]:
        """Number the events, apply them, and write them, in one transaction.

        Raises Refused when they do not fit the state, StoreError when the store is closed;
        then nothing has changed. The future is done when they are on disk; cancelling it, as
        who waits for it and is cancelled does, undoes nothing.
        """
        self._gather(drafts, chunks)
        future: asyncio.Future[None] = self._loop.create_future()
        self._gathering.waiting.append(future)
        if not self._pending:
            self._hand_over()  # the writer has nothing to do
        elif self._soon is None:
            # Whatever else this turn of the loop brings is written with it.
            self._soon = self._loop.call_soon(self._hand_over)
        return future

    def note(self, drafts: Sequence[Draft], chunks: Sequence[Chunk] = ()) -> None:
        """As `append`, for what nobody waits for. Raises as `append` does."""
        self._gather(drafts, chunks)
        # Not put off by a commit that takes it along: a timer for each would cost a step more.
        if self._later is None:
            self._later = self._loop.call_later(_NOTE_SECONDS, self._look)

    async def on_disk(self) -> bool:
        """Wait until what has been applied so far is on disk, so that nobody is shown what a crash
        would take back. False: it is not, for the store cannot be written.
        """
        if self.committed_seq >= self._seq:
            return True
        if self._closed:
            return False
        future = self.append(())
        while not future.done() and not self.problem:
            await asyncio.wait([future], timeout=_LOOK_SECONDS)
        return future.done() and not future.exception()

    async def written(
        self, work: asyncio.Future[_T], then: str, patience: float | None = None
    ) -> _T:
        """Wait for what waits for an append, but not for ever. Raises StoreError when the store
        could not be written for some seconds; `then` says what becomes of the work."""
        patience = _PATIENCE_SECONDS if patience is None else patience
        while not work.done():
            await asyncio.wait([work], timeout=_LOOK_SECONDS)
            ill = self._loop.time() - self._ill_since if self.problem else 0.0
            if ill > patience and not work.done():
                work.add_done_callback(lambda gone: gone.cancelled() or gone.exception())
                raise StoreError(f"{self._paths.database}: {self.problem}; {then}")
        return work.result()

    def _gather(self, drafts: Sequence[Draft], chunks: Sequence[Chunk]) -> None:
        if self._closed or self._writer is None:
            raise StoreError(f"{self._paths.database}: the store is closed")
        batch = self._gathering
        if drafts:
            at = self._clock.now()
            events = [_event(draft, seq, at) for seq, draft in enumerate(drafts, self._seq + 1)]
            if rows := self.projection.apply(events):
                batch.rows += rows
            self._seq += len(events)
            batch.events += events
        if chunks:
            batch.chunks += chunks

    def _look(self) -> None:
        self._later = None
        if self._gathering.holds:
            self._hand_over()

    def _hand_over(self) -> None:
        """Give the writer what has gathered."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        batch, self._gathering = self._gathering, _Batch()
        self._token += 1
        self._pending[self._token] = batch
        if self._writer is not None:
            self._writer.submit(Write(batch.events, batch.rows, batch.chunks, self._token))

    def state(self, run_id: RunId) -> RunState | None:
        """The run's state in memory: unfinished runs and the newest finished ones."""
        return self.projection.states.get(run_id)

    def _call(self, callback: Callable[..., None], argument: object) -> None:
        """From the writer thread to the loop; the loop may be gone when a process is ending."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, argument)

    def _done(self, tokens: Sequence[int]) -> None:
        all_events: list[Event] = []
        all_chunks: list[Chunk] = []
        for token in tokens:
            batch = self._pending.pop(token)
            for future in batch.waiting:
                if not future.done():
                    future.set_result(None)
            all_events.extend(batch.events)
            all_chunks.extend(batch.chunks)
        if all_events:
            self.committed_seq = all_events[-1].seq
        for listener in list(self._listeners):
            listener(all_events, all_chunks)

    def _set_problem(self, text: str) -> None:
        if not self.problem:
            self._ill_since = self._loop.time()
        self.problem = text
        self._on_problem(text)

    async def close(self) -> None:
        """Write what is queued and let go. Appends that cannot be written fail with StoreError."""
        if self._closed:
            return
        self._closed = True
        if self._later is not None:
            self._later.cancel()
        if self._gathering.holds:
            self._hand_over()
        # Readers first: the last connection to close is the writing one, which then moves the
        # WAL into the database. One that only reads could not.
        await self.reader.close()
        if self._writer is not None:
            await asyncio.to_thread(self._writer.close)
            await asyncio.sleep(0)  # let the thread's last callbacks run
        for future in [future for batch in self._pending.values() for future in batch.waiting]:
            if not future.done():
                future.set_exception(StoreError(self.problem or "the store was closed"))
                future.exception()  # nobody need be waiting: not an unretrieved error
        self._pending.clear()


def _event(draft: Draft, seq: int, at: datetime) -> Event:
    run = draft.run.run if draft.run else None
    return Event(
        seq=seq,
        at=at,
        run_id=run.run_id if run else draft.run_id or "",
        trace_id=run.trace_id if run else draft.trace_id,
        payload=draft.payload,
    )


def _opened(paths: StorePaths) -> tuple[sqlite3.Connection, Head | None]:
    """The database, for writing, and what is known of its end (blocking). Raises StoreError."""
    witness = read_head(paths.head)
    refuse_emptied(paths.database, paths.head, witness)
    return open_for_writing(paths.database), witness
