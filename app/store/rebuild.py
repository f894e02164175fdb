"""Making the read models anew from the journal, when a newer version knows more of a run."""

from __future__ import annotations

import sqlite3

from app.store.projection import TABLES, Projection
from app.store.rows import EVENT, event_of


def rebuild(connection: sqlite3.Connection) -> None:
    """Replay all events into the read-model tables, in the caller's transaction.

    Costs a walk through history, once for a version. Raises ValueError, KeyError or Refused for
    a journal that cannot be replayed.
    """
    found: dict[tuple[str, str], tuple[str, str, str, str]] = {}
    projection = Projection()
    for entry in connection.execute(f"{EVENT} ORDER BY seq"):
        for row in projection.apply([event_of(entry)]):
            if row.doc is None:
                found.pop((row.table, row.id), None)
            else:
                doc = row.doc.model_dump_json()
                found[(row.table, row.id)] = (row.id, row.run_id, row.state, doc)
    for table in TABLES:
        connection.execute(f"DELETE FROM {table}")
        rows = [row for (name, _), row in found.items() if name == table]
        connection.executemany(f"INSERT INTO {table} VALUES (?,?,?,?)", rows)
