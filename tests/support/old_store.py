"""Stores as schemas before 6 had them: one row of text for each event, written by plain SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from app.domain.events import GENESIS, Event, chain_hash, to_json
from app.domain.session import Chunk
from app.store.head import Head, HeadFile
from app.store.paths import StorePaths
from app.store.projection import Projection
from app.store.schema import APPLICATION_ID, migrations

NEWEST = 5  # of the schemas with such rows


def write_old_store(
    root: Path, events: Sequence[Event], chunks: Sequence[Chunk] = (), schema: int = NEWEST
) -> None:
    """A store of an old schema, as its last supervisor has left it."""
    connection = sqlite3.connect(StorePaths(root).database)
    for script in migrations()[:schema]:
        connection.executescript(script)
    digest = GENESIS
    for event in events:
        at, body = event.at.isoformat(), to_json(event.payload)
        digest = chain_hash(digest, event.seq, at, event.run_id, event.trace_id, body)
        names = (event.run_id, event.trace_id, event.payload.type)
        row = (event.seq, at, *names, body, digest)
        connection.execute("INSERT INTO journal VALUES (?,?,?,?,?,?,?)", row)
    for chunk in chunks:
        text = (chunk.kind, chunk.item_id, chunk.text, int(chunk.end), chunk.at.isoformat())
        values = (chunk.session_id, chunk.ordinal, *text)
        connection.execute("INSERT INTO chunks VALUES (?,?,?,?,?,?,?)", values)
    if schema == NEWEST:
        _write_rows(connection, events)
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={schema}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.commit()
    connection.close()
    head = HeadFile(StorePaths(root).head)
    head.write(Head(len(events), digest))
    head.close()


def _write_rows(connection: sqlite3.Connection, events: Sequence[Event]) -> None:
    for row in Projection().apply(events):
        if row.doc is None:
            connection.execute(f"DELETE FROM {row.table} WHERE id=?", (row.id,))
        else:
            values = (row.id, row.run_id, row.state, row.doc.model_dump_json())
            connection.execute(f"INSERT OR REPLACE INTO {row.table} VALUES (?,?,?,?)", values)
