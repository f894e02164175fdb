"""Texts of transcripts that the journal has whole, too: what became a step's result."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from app.domain.events import ItemFinished, OutputProduced
from app.domain.session import Chunk, ChunkKind
from app.store.names import NUMBER, NUMBER_OF, Names
from app.store.packing import Packer
from app.store.rows import EVENT, event_of, insert_chunks
from app.store.verify_texts import Lost, id_in_event

_RESULTS = f"{EVENT} WHERE kind = {NUMBER_OF.format('output_produced')}"
_FINISHED = f"""
{EVENT} WHERE run IN (SELECT run FROM journal WHERE seq = ?)
  AND kind = {NUMBER_OF.format("item_finished")} ORDER BY seq
"""
_PLACES = f"SELECT ordinal, item_id FROM chunks WHERE session = {NUMBER} ORDER BY ordinal"


class Again(Struct, frozen=True):
    """A text to be put where it was, in place of what is left of it."""

    lost: Lost
    chunk: Chunk
    gone: Sequence[int]  # ordinals


def again(connection: sqlite3.Connection, lost: Sequence[Lost]) -> list[Again]:
    """Those of the lost texts that can be had again, and their places. Raises sqlite3.Error."""
    wanted = {one.item.sha256 for one in lost if one.item is not None}
    known: dict[str, str] = {}
    for event in map(event_of, connection.execute(_RESULTS) if wanted else ()):
        if isinstance(event.payload, OutputProduced):
            digest = hashlib.sha256(event.payload.output.encode()).hexdigest()
            if digest in wanted:
                known[digest] = event.payload.output
    found: list[Again] = []
    for one in lost:
        if (text := _placed(connection, one, known, found)) is not None:
            found.append(text)
    return found


def put_back(connection: sqlite3.Connection, texts: Sequence[Again]) -> None:
    """Write them, in the caller's transaction."""
    for one in texts:
        for ordinal in one.gone:
            connection.execute(
                f"DELETE FROM chunks WHERE session = {NUMBER} AND ordinal = ?",
                (one.chunk.session_id, ordinal),
            )
    insert_chunks(connection, Names(connection), Packer(), [one.chunk for one in texts])


def _placed(
    connection: sqlite3.Connection, lost: Lost, known: dict[str, str], others: Sequence[Again]
) -> Again | None:
    item = lost.item
    if item is None or item.sha256 not in known or item.kind not in list(ChunkKind):
        return None
    events = [event_of(row) for row in connection.execute(_FINISHED, (lost.seq,))]
    own = [e for e in events if _of(e.payload, item)]
    ids = [e.payload.item_id for e in own if isinstance(e.payload, ItemFinished)]
    if Counter(ids)[item.item_id] != 1:
        return None  # an agent that was started anew has used it again: whose piece is whose?
    places = connection.execute(_PLACES, (item.session_id,)).fetchall()
    there = [one.chunk for one in others if one.chunk.session_id == item.session_id]
    places += [(chunk.ordinal, chunk.item_id) for chunk in there]
    left = [ordinal for ordinal, name in places if id_in_event(name) == item.item_id]
    ordinal = left[0] if left else _gap(places, ids, item.item_id)
    if not ordinal:
        return None
    chunk = Chunk(
        session_id=item.session_id,
        ordinal=ordinal,
        kind=ChunkKind(item.kind),
        item_id=item.item_id,
        text=known[item.sha256],
        end=True,
        at=next(e.at for e in own if e.seq == lost.seq),
    )
    return Again(lost, chunk, left)


def _of(payload: object, item: ItemFinished) -> bool:
    return isinstance(payload, ItemFinished) and payload.session_id == item.session_id


def _gap(places: Sequence[tuple[int, str]], ids: Sequence[str], item_id: str) -> int:
    """A number that is missing between the items finished before and after it; 0: there is none.
    A session's numbers have no gaps."""
    index = ids.index(item_id)
    taken = {ordinal for ordinal, _ in places}
    before = [o for o, name in places if id_in_event(name) in ids[:index]]
    after = [o for o, name in places if id_in_event(name) in ids[index + 1 :]]
    first = max(before, default=0) + 1
    end = min(after, default=max(taken, default=0) + 2)
    return next((o for o in range(first, end) if o not in taken), 0)
