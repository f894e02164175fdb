"""The feed: a snapshot at sequence N, then everything after it, to any number of readers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from app.domain.events import Event
from app.domain.feed import Committed, Ended, FeedItem, Snapshot, Status, StatusChanged, Streamed
from app.domain.session import Chunk

_LIMIT = 20_000  # items a reader may be behind before it is dropped and must connect again


class _Reader:
    """One subscriber's queue. The supervisor never waits for it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[FeedItem] = asyncio.Queue()
        self.ended = False

    def put(self, item: FeedItem) -> None:
        if self.ended:
            return
        if self.queue.qsize() >= _LIMIT:
            item = Ended(why="this reader was too slow; connect again")
        self.ended = isinstance(item, Ended)
        self.queue.put_nowait(item)


class Broadcast:
    """Hands committed events and transcript to every reader."""

    def __init__(self) -> None:
        self._readers: set[_Reader] = set()

    def publish(self, events: Sequence[Event], chunks: Sequence[Chunk]) -> None:
        """What has just been committed; called by the journal, in order."""
        if not self._readers:
            return
        if events:
            self._put(Committed(events=tuple(events)))
        if chunks:
            self._put(Streamed(chunks=tuple(chunks)))

    def status(self, status: Status) -> None:
        self._put(StatusChanged(status=status))

    def end(self, why: str, *, handed_on: bool = False) -> None:
        self._put(Ended(why=why, handed_on=handed_on))

    def _put(self, item: FeedItem) -> None:
        for reader in self._readers:
            reader.put(item)

    async def feed(self, snapshot: Callable[[], Awaitable[Snapshot]]) -> AsyncIterator[FeedItem]:
        """`snapshot` is awaited after the reader is registered, so that nothing falls between."""
        reader = _Reader()
        self._readers.add(reader)
        try:
            first = await snapshot()
            yield first
            while True:
                item = await reader.queue.get()
                fresh = _after(item, first.seq)
                if fresh is not None:
                    yield fresh
                if isinstance(item, Ended):
                    return
        finally:
            self._readers.discard(reader)


def _after(item: FeedItem, seq: int) -> FeedItem | None:
    if not isinstance(item, Committed) or item.events[0].seq > seq:
        return item
    events = tuple(event for event in item.events if event.seq > seq)
    return Committed(events=events) if events else None
