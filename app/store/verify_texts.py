"""Proof that transcripts hold what was said: they are outside the chain, but the journal has the
hash of every item that was finished."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby

from msgspec import Struct

from app.domain.base import SessionId
from app.domain.events import Event, ItemFinished
from app.domain.session import Chunk
from app.domain.text import one_line
from app.store.damage import cause
from app.store.rows import CHUNK, chunk_of

_ID = 200  # characters of an item's id that its event has


class Lost(Struct, frozen=True):
    """A text that is not what it was, in a sentence; and the event that is about it, if one is."""

    problem: str
    seq: int = 0
    item: ItemFinished | None = None


def id_in_event(item_id: str) -> str:
    """An item's id as its event has it."""
    return one_line(item_id, _ID)


class Texts:
    """Gathers what the journal says of texts, to be held against the texts."""

    def __init__(self) -> None:
        self._finished: dict[SessionId, list[tuple[int, ItemFinished]]] = {}
        self.count = 0

    def note(self, event: Event) -> None:
        if isinstance(event.payload, ItemFinished):
            self._finished.setdefault(event.payload.session_id, []).append(
                (event.seq, event.payload)
            )
            self.count += 1

    def lost(self, connection: sqlite3.Connection) -> Iterator[Lost]:
        """What is not as it was when it was written. Raises sqlite3.Error."""
        rows = connection.execute(f"{CHUNK} ORDER BY chunks.session, ordinal")
        for name, own in groupby(rows, lambda row: row[0]):
            try:
                chunks = [chunk_of(row) for row in own]
            except ValueError as error:
                yield Lost(f"a text of session {name} cannot be read: {cause(error)}")
                self._finished.pop(name, None)
                continue
            yield from _missing(chunks, self._finished.pop(name, []))
        for finished in self._finished.values():
            yield from _missing([], finished)


def _missing(
    chunks: Sequence[Chunk], finished: Sequence[tuple[int, ItemFinished]]
) -> Iterator[Lost]:
    pieces: dict[str, list[bytes]] = {}
    for chunk in chunks:
        pieces.setdefault(id_in_event(chunk.item_id), []).append(chunk.text.encode())
    for seq, item in finished:
        if not _is_in(pieces.get(item.item_id, []), item):
            yield Lost(
                f"session {item.session_id}: the text that event {seq} is about was changed, or "
                "is gone",
                seq,
                item,
            )


def _is_in(pieces: Sequence[bytes], item: ItemFinished) -> bool:
    """Whether neighbours among the pieces make up the item's text. Mostly all of them do; but an
    agent that was started anew may use an id again, and one that was cut off has finished none."""
    first = size = 0
    for last, piece in enumerate(pieces):
        size += len(piece)
        while size > item.size:
            size -= len(pieces[first])
            first += 1
        if size == item.size:
            text = b"".join(pieces[first : last + 1])
            if hashlib.sha256(text).hexdigest() == item.sha256:
                return True
    return item.size == 0
