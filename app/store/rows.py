"""How events and transcripts stand in their tables, and are made out of rows again."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain

from app.domain.base import RunId, SessionId
from app.domain.events import Event, from_json, with_type
from app.domain.session import Chunk, ChunkKind
from app.store.names import NAME, Names
from app.store.packing import Packer, unpack

# What `event_of` and `chunk_of` are given.
_EVENT = f"seq, at, {NAME.format('run')}, {NAME.format('trace')}, {NAME.format('kind')}, body"
EVENT = f"SELECT {_EVENT} FROM journal"
HASHED_EVENT = f"SELECT {_EVENT}, hash FROM journal"
CHUNK = (
    f"SELECT {NAME.format('session')}, ordinal, {NAME.format('kind')}, "
    'item_id, text, "end", at FROM chunks'
)
_SEVEN = "(?,?,?,?,?,?,?)"
_AT_ONCE = 64  # rows
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# A row of the journal, its names not yet replaced by numbers: seq, at, run id, trace id, kind, hash
# and body. No class of its own: there are thousands a second.
Entry = tuple[int, int, str, str, str, bytes, str | bytes]


def insert_entries(connection: sqlite3.Connection, names: Names, entries: Sequence[Entry]) -> None:
    """Write rows of the journal, in the caller's transaction."""
    number = names.numbers({name for entry in entries for name in entry[2:5]})
    _insert(
        connection,
        "INSERT INTO journal VALUES",
        [
            (seq, at, number[run_id], number[trace_id], number[kind], digest, body)
            for seq, at, run_id, trace_id, kind, digest, body in entries
        ],
    )


def insert_chunks(
    connection: sqlite3.Connection, names: Names, packer: Packer, chunks: Sequence[Chunk]
) -> None:
    """Write pieces of transcripts, in the caller's transaction."""
    number = names.numbers({name for chunk in chunks for name in (chunk.session_id, chunk.kind)})
    _insert(
        connection,
        "INSERT OR REPLACE INTO chunks VALUES",
        [
            (
                number[chunk.session_id],
                chunk.ordinal,
                number[chunk.kind],
                chunk.item_id,
                int(chunk.end),
                microseconds(chunk.at),
                packer.pack(chunk.text),
            )
            for chunk in chunks
        ],
    )


def _insert(connection: sqlite3.Connection, into: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Rows of seven columns, many by one statement: at each, the thread lets go of the
    interpreter, and has to wait for it as long as the loop is at work."""
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        values = ",".join([_SEVEN] * len(part))
        connection.execute(f"{into} {values}", list(chain.from_iterable(part)))


def microseconds(at: datetime) -> int:
    """A moment as the database has it."""
    return (at - _EPOCH) // _MICROSECOND


def moment(stored: int) -> datetime:
    """A moment that the database has. Its `isoformat` is what the journal's hashes are over.
    Raises ValueError."""
    try:
        return _EPOCH + timedelta(microseconds=stored)
    except OverflowError:
        raise ValueError(f"{stored} microseconds are no time") from None


def hex_of(stored: object) -> str:
    """A hash as everything but the database has it."""
    return stored.hex() if isinstance(stored, bytes) else ""


def fields_of(kind: str, body: str) -> str:
    """An event's JSON as its row has it: without the type, which is a column. What was not written
    by `to_json` stands as it is, after a blank, so that `body_of` gives every byte again."""
    begin = f'{{"type":"{kind}"'
    rest = body[len(begin) :] if body.startswith(begin) else ""
    if rest == "}":
        return "{}"
    return f"{{{rest[1:]}" if rest.startswith(",") and len(rest) > 2 else f" {body}"


def body_of(kind: str, stored: object) -> str:
    """The JSON that `fields_of` was given, out of a row. Raises ValueError."""
    fields = unpack(stored)
    if fields.startswith(" "):
        return fields[1:]
    return with_type(kind, fields)


def event_of(row: Sequence[object]) -> Event:
    """The event of a row. Raises ValueError."""
    seq, at, run_id, trace_id, kind, body = row
    if not (isinstance(seq, int) and isinstance(at, int)):
        raise ValueError("an event without a number or a time")
    return Event(
        seq=seq,
        at=moment(at),
        run_id=RunId(str(run_id)),
        trace_id=str(trace_id),
        payload=from_json(body_of(str(kind), body)),
    )


def chunk_of(row: Sequence[object]) -> Chunk:
    """The piece of transcript of a row. Raises ValueError."""
    session_id, ordinal, kind, item_id, text, end, at = row
    return Chunk(
        session_id=SessionId(str(session_id)),
        ordinal=int(str(ordinal)),
        kind=ChunkKind(str(kind)),
        item_id=str(item_id),
        text=unpack(text),
        end=bool(end),
        at=moment(int(str(at))),
    )
