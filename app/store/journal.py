"""The journal: append events, and know when they are on disk.

`append` moves the states in memory on at once and hands the events to the writer thread; the
future it returns is done when they are committed. Effects wait for that future. All of it is
called from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.domain.base import Clock, RunId
from app.domain.errors import StoreDamaged, StoreError
from app.domain.events import GENESIS, Event, Payload
from app.domain.run import RunState
from app.domain.session import Chunk
from app.store.head import Head, HeadFile, read_head
from app.store.paths import StorePaths
from app.store.projection import Projection
from app.store.reader import Reader
from app.store.schema import open_for_writing
from app.store.writer import Write, Writer

_FINISHED_IN_MEMORY = 50


@dataclass(frozen=True, slots=True)
class Draft:
    """An event before it has a number: what happened, to which run."""

    payload: Payload
    run: RunState | None = None
    run_id: RunId | None = None
    trace_id: str = ""


Listener = Callable[[Sequence[Event], Sequence[Chunk]], None]


class Journal:
    """Append-only, hash-chained; the only way to change anything in a store."""

    def __init__(
        self, paths: StorePaths, clock: Clock, reader: Callable[[Path], Reader] = Reader
    ) -> None:
        self._paths = paths
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._pending: dict[int, tuple[asyncio.Future[None], Sequence[Event], Sequence[Chunk]]] = {}
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
        await asyncio.to_thread(_refuse_emptied, paths)
        journal = cls(paths, clock, reader)
        connection = await asyncio.to_thread(open_for_writing, paths.database)
        try:
            await journal._load()
        except BaseException:
            connection.close()
            await journal.reader.close()
            raise
        head = journal._head
        journal._writer = writer(
            connection,
            HeadFile(paths.head),
            head,
            lambda tokens: journal._call(journal._done, tokens),
            lambda text: journal._call(journal._set_problem, text),
        )
        journal._writer.start()
        return journal

    async def _load(self) -> None:
        await self.reader.open()
        head = await self.reader.head() or Head(0, GENESIS)
        witness = await asyncio.to_thread(read_head, self._paths.head)
        if witness is not None and witness.seq > 0:
            known = await self.reader.hash_at(witness.seq)
            if known != witness.hash:
                raise StoreDamaged(
                    f"{self._paths.database}: the journal ends at event {head.seq} but event "
                    f"{witness.seq} was acknowledged: the database or its WAL was damaged or "
                    "replaced. Restore it, or run `longwatch verify` and then move "
                    f"{self._paths.head} away to accept the loss"
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
        """Number the events, apply them, and write them in one transaction.

        Raises Refused when they do not fit the state, StoreError when the store is closed;
        then nothing has changed. The future is done when they are on disk.
        """
        if self._closed or self._writer is None:
            raise StoreError(f"{self._paths.database}: the store is closed")
        at = self._clock.now()
        events = tuple(
            Event(
                seq=self._seq + number,
                at=at,
                run_id=draft.run.run.run_id if draft.run else draft.run_id or "",
                trace_id=draft.run.run.trace_id if draft.run else draft.trace_id,
                payload=draft.payload,
            )
            for number, draft in enumerate(drafts, start=1)
        )
        rows = self.projection.apply(events)
        self._seq += len(events)
        self._token += 1
        future: asyncio.Future[None] = self._loop.create_future()
        self._pending[self._token] = (future, events, chunks)
        self._writer.submit(Write(events, rows, chunks, self._token))
        return future

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
            future, events, chunks = self._pending.pop(token)
            if not future.done():
                future.set_result(None)
            all_events.extend(events)
            all_chunks.extend(chunks)
        if all_events:
            self.committed_seq = all_events[-1].seq
        for listener in list(self._listeners):
            listener(all_events, all_chunks)

    def _set_problem(self, text: str) -> None:
        self.problem = text
        self._on_problem(text)

    async def close(self) -> None:
        """Write what is queued and let go. Appends that cannot be written fail with StoreError."""
        if self._closed:
            return
        self._closed = True
        # Readers first: the last connection to close is the writing one, which then moves the
        # WAL into the database. One that only reads could not.
        await self.reader.close()
        if self._writer is not None:
            await asyncio.to_thread(self._writer.close)
            await asyncio.sleep(0)  # let the thread's last callbacks run
        for future, _, _ in self._pending.values():
            if not future.done():
                future.set_exception(StoreError(self.problem or "the store was closed"))
                future.exception()  # nobody need be waiting: not an unretrieved error
        self._pending.clear()


def _refuse_emptied(paths: StorePaths) -> None:
    """An empty file where a journal was must not become a new, empty store."""
    witness = read_head(paths.head)
    size = paths.database.stat().st_size if paths.database.exists() else 0
    if witness is not None and witness.seq > 0 and size == 0:
        raise StoreError(
            f"{paths.database}: the database is gone or empty, but {witness.seq} events were "
            f"acknowledged. Restore it, or move {paths.head} away to begin anew"
        )
