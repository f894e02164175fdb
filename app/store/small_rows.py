"""Moving the journal and the transcripts of a store of schema 5 into the small rows of schema 6."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from app.domain.base import SessionId
from app.domain.session import Chunk, ChunkKind
from app.store.names import Names
from app.store.packing import Packer
from app.store.rows import Entry, fields_of, insert_chunks, insert_entries, microseconds, moment

_AT_ONCE = 2000
_JOURNAL = "SELECT seq, at, run_id, trace_id, type, body, hash FROM journal_5 ORDER BY seq"
_CHUNKS = 'SELECT session_id, ordinal, kind, item_id, text, "end", at FROM chunks_5'


def make_small(connection: sqlite3.Connection) -> None:
    """In the caller's transaction, and once for a store. The space of the old tables is used again
    by what comes; the file does not shrink. Raises ValueError for rows that could not be made out
    of small ones again."""
    names, packer = Names(connection), Packer()
    for rows in _some(connection.execute(_JOURNAL)):
        insert_entries(connection, names, [_entry(row, packer) for row in rows])
    for rows in _some(connection.execute(_CHUNKS)):
        insert_chunks(connection, names, packer, [_chunk(row) for row in rows])
    # What is dropped need not be overwritten: that would write all of it to the disk once more.
    (before,) = connection.execute("PRAGMA secure_delete").fetchone()
    connection.execute("PRAGMA secure_delete=FAST")
    connection.execute("DROP TABLE journal_5")
    connection.execute("DROP TABLE chunks_5")
    connection.execute(f"PRAGMA secure_delete={before}")


def _some(rows: Iterable[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    left = iter(rows)
    while found := list(islice(left, _AT_ONCE)):
        yield found


def _entry(row: Sequence[object], packer: Packer) -> Entry:
    seq, at, run_id, trace_id, kind, body, digest = row
    assert isinstance(seq, int)
    us = microseconds(datetime.fromisoformat(str(at)))
    if moment(us).isoformat() != at:
        raise ValueError(f"event {seq} is of {at}: a time that was not written by Longwatch")
    packed = packer.pack(fields_of(str(kind), str(body)))
    return seq, us, str(run_id), str(trace_id), str(kind), bytes.fromhex(str(digest)), packed


def _chunk(row: Sequence[object]) -> Chunk:
    session_id, ordinal, kind, item_id, text, end, at = row
    return Chunk(
        session_id=SessionId(str(session_id)),
        ordinal=int(str(ordinal)),
        kind=ChunkKind(str(kind)),
        item_id=str(item_id),
        text=str(text),
        end=bool(end),
        at=datetime.fromisoformat(str(at)),
    )
