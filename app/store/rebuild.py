"""Making the read models anew from the journal, when a newer version knows more of a run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from app.store.projection import TABLES, Projection, Row
from app.store.rows import EVENT, event_of

# What a row of a read model has beside its id: run_id, state, doc.
Values = tuple[str, str, str]


class Rows:
    """What read models hold by a replay. Each table's rows are in the order of their creation,
    which is the order that lists of the newest are read in."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Values]] = {table: {} for table in TABLES}

    def follow(self, changed: Iterable[Row]) -> None:
        """Move on by what events have changed."""
        for row in changed:
            if row.doc is None:
                self.tables[row.table].pop(row.id, None)
            else:
                values = (row.run_id, row.state, row.doc.model_dump_json())
                self.tables[row.table][row.id] = values

    def write(self, connection: sqlite3.Connection, table: str) -> None:
        """Put the rows in place of those of a table, in the caller's transaction."""
        connection.execute(f"DELETE FROM {table}")
        rows = [(key, *values) for key, values in self.tables[table].items()]
        connection.executemany(f"INSERT INTO {table} VALUES (?,?,?,?)", rows)


def rebuild(connection: sqlite3.Connection) -> None:
    """Replay all events into the read-model tables, in the caller's transaction.

    Costs a walk through history, once for a version. Raises ValueError, KeyError or Refused for
    a journal that cannot be replayed.
    """
    rows, projection = Rows(), Projection()
    for entry in connection.execute(f"{EVENT} ORDER BY seq"):
        rows.follow(projection.apply([event_of(entry)]))
    for table in TABLES:
        rows.write(connection, table)
