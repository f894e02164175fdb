"""Transcripts: streamed text, made safe, gathered into chunks a few times a second."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.domain.base import Clock, SessionId
from app.domain.session import Chunk, ChunkKind
from app.domain.text import printable

_GATHER_SECONDS = 0.15
_MAX_CHUNK = 64 * 1024  # characters: a flood becomes several chunks, not one huge row


@dataclass(slots=True)
class _Open:
    """Text that has come in but is not in a chunk yet."""

    kind: ChunkKind
    item_id: str
    parts: list[str] = field(default_factory=list)
    size: int = 0


@dataclass(slots=True)
class _Item:
    """The whole item so far, for its hash."""

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
        self._open: _Open | None = None
        self._items: dict[str, _Item] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, kind: ChunkKind, text: str, item_id: str = "", *, more: bool = True) -> None:
        """A piece of streamed text; `more`: it may wait for what follows."""
        if not text:
            return
        text = self._clean(printable(text))
        if item_id:
            item = self._items.setdefault(item_id, _Item())
            item.digest.update(text.encode())
            item.size += len(text.encode())
        current = self._open
        if current is not None and (current.kind, current.item_id) != (kind, item_id):
            self.flush()
            current = None
        if current is None:
            current = self._open = _Open(kind, item_id)
        current.parts.append(text)
        current.size += len(text)
        if current.size >= _MAX_CHUNK:
            self.flush()
        elif more and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_GATHER_SECONDS, self.flush)

    def finish(self, kind: ChunkKind, item_id: str, text: str) -> tuple[str, int]:
        """An item is complete; if nothing of it was streamed, all of it is added now.
        Returns hash and size in bytes of what the transcript holds of it."""
        if item_id not in self._items:
            self.add(kind, text, item_id)
        self.flush(end=True)
        item = self._items.pop(item_id, _Item())
        return item.digest.hexdigest(), item.size

    def say(self, kind: ChunkKind, text: str) -> None:
        """One complete line or paragraph."""
        self.add(kind, text, more=False)
        self.flush(end=True)

    def flush(self, end: bool = False) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        current, self._open = self._open, None
        if current is None:
            return
        self._ordinal += 1
        chunk = Chunk(
            session_id=self._session_id,
            ordinal=self._ordinal,
            kind=current.kind,
            item_id=current.item_id,
            text="".join(current.parts),
            end=end,
            at=self._clock.now(),
        )
        self._write([chunk])
