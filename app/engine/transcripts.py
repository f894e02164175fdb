"""Transcripts: streamed text, made safe, gathered into chunks a few times a second."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence

from msgspec import Struct, field

from app.domain.base import Clock, SessionId
from app.domain.redact_stream import StreamCleaner
from app.domain.session import Chunk, ChunkKind
from app.domain.text import printable

_GATHER_SECONDS = 0.15
_IDLE_SECONDS = 1.0  # without more, only the last word is still held back
_OURS = (ChunkKind.PROMPT, ChunkKind.NOTICE, ChunkKind.ERROR)
_MOST = 32 * 1024 * 1024  # characters of one turn that are kept: a flood must not fill the disk
_TOO_MUCH = f"more than {_MOST // (1024 * 1024)} MB in one turn: what follows is not kept"
_MAX_CHUNK = 64 * 1024  # characters: a flood becomes several chunks, not one huge row


class _Item(Struct):
    """One item: what of it is not in a chunk yet, and the hash of all that is."""

    kind: ChunkKind
    item_id: str
    cleaner: StreamCleaner
    gathered: int = 0  # characters since the last chunk
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    size: int = 0


class Transcript:
    """One session's transcript. `write` hands finished chunks to the journal."""

    def __init__(
        self,
        session_id: SessionId,
        ordinal: int,
        clock: Clock,
        clean: Callable[[str], str],
        write: Callable[[Sequence[Chunk]], None],
    ) -> None:
        self._session_id = session_id
        self._ordinal = ordinal
        self._clock = clock
        self._clean = clean
        self._write = write
        self._items: dict[str, _Item] = {}
        self._open: _Item | None = None  # the one that speaks now
        self._timer: asyncio.TimerHandle | None = None
        self._gathering = False  # the timer is the one that writes a chunk
        self._kept = 0  # characters of this turn

    def add(self, kind: ChunkKind, text: str, item_id: str = "", *, more: bool = True) -> None:
        """A piece of streamed text; `more`: it may wait for what follows. What may be the start of
        a secret is held back."""
        if not text:
            return
        current = self._open
        if current is not None and (current.kind, current.item_id) != (kind, item_id):
            self.flush()
        item = self._items.get(item_id)
        if item is None:
            item = self._items[item_id] = _Item(kind, item_id, StreamCleaner(self._clean))
        elif item.kind is not kind:
            self._chunk(item, item.cleaner.end())
            item.kind = kind
        self._open = item
        item.cleaner.add(printable(text))
        item.gathered += len(text)
        if item.gathered >= _MAX_CHUNK:
            self.flush()
        elif more and not self._gathering:
            self._wait(_GATHER_SECONDS, self.flush)
            self._gathering = True

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, then)

    def finish(self, kind: ChunkKind, item_id: str, text: str) -> tuple[str, int]:
        """An item is complete; if nothing of it was streamed, all of it is added now.
        Returns hash and size in bytes of what the transcript holds of it."""
        item = self._items.get(item_id)
        if item is None:
            data = self._whole(kind, item_id, text).encode()
            return hashlib.sha256(data).hexdigest(), len(data)
        if self._open is not item:
            self.flush()
        self._end(item)
        return item.digest.hexdigest(), item.size

    def say(self, kind: ChunkKind, text: str) -> None:
        """One complete line or paragraph."""
        if (item := self._items.get("")) is None:
            self._whole(kind, "", text)
            return
        self.add(kind, text, more=False)
        self._end(item)

    def _whole(self, kind: ChunkKind, item_id: str, text: str) -> str:
        """An item that comes in one piece; what of it the transcript holds."""
        if self._open is not None:
            self.flush()
        if not text:
            return ""
        if self._open is not None:
            self._close_open()
        clean = self._clean(printable(text))
        return clean if self._put(kind, item_id, clean, end=True) else ""

    def flush(self) -> None:
        """Write what has come of the item that speaks now and can be shown."""
        self._stop()
        item = self._open
        if item is None:
            return
        item.gathered = 0
        self._chunk(item, item.cleaner.take())
        if item.cleaner.holds:
            self._wait(_IDLE_SECONDS, self._idle)

    def _idle(self) -> None:
        self._stop()
        if self._open is not None:
            self._chunk(self._open, self._open.cleaner.take(words=1))

    def close(self) -> None:
        """Nothing more comes of any item: the turn is over."""
        for item in list(self._items.values()):
            self._end(item)
        self._stop()
        self._kept = 0

    def _has_room(self, kind: ChunkKind, size: int) -> bool:
        """Whether this can be kept; what Longwatch itself says always is."""
        if kind in _OURS:
            return True
        before, self._kept = self._kept, self._kept + size
        if before <= _MOST < self._kept:
            self.say(ChunkKind.NOTICE, _TOO_MUCH)
        return self._kept <= _MOST

    def _stop(self) -> None:
        self._gathering = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self, item: _Item) -> None:
        self._chunk(item, item.cleaner.end(), end=True)
        self._items.pop(item.item_id, None)
        if self._open is item:
            self._close_open()

    def _close_open(self) -> None:
        """Nobody speaks now."""
        self._open = None
        self._stop()

    def _chunk(self, item: _Item, text: str, *, end: bool = False) -> None:
        if self._put(item.kind, item.item_id, text, end=end):
            data = text.encode()
            item.digest.update(data)
            item.size += len(data)

    def _put(self, kind: ChunkKind, item_id: str, text: str, *, end: bool) -> bool:
        """Write a chunk, if there is anything to write, and room for it."""
        if not text or not self._has_room(kind, len(text)):
            return False
        self._ordinal += 1
        chunk = Chunk(
            session_id=self._session_id,
            ordinal=self._ordinal,
            kind=kind,
            item_id=item_id,
            text=text,
            end=end,
            at=self._clock.now(),
        )
        self._write([chunk])
        return True
