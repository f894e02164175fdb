"""Numbers for names that stand in many rows: of runs, traces, sessions, and kinds of events."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

# Kinds of events by which the journal is searched. Conditions of indexes cannot look a number up:
# the schema's sixth migration has these.
RUN_CREATED = 1
RUN_STATE_CHANGED = 2
ATTEMPT_STARTED = 3
VERDICT_GIVEN = 4
SUPERVISOR_STARTED = 5

# In SQL: the number of a name that is given, of one that is known, and the name of a number.
NUMBER = "(SELECT number FROM names WHERE name = ?)"
NUMBER_OF = "(SELECT number FROM names WHERE name = '{}')"
NAME = "(SELECT name FROM names WHERE number = {})"
_KEPT = 20_000  # names: of those that are at work, there are fewer


class Names:
    """The names in a database, looked up and added through its writing connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[str, int] = {}

    def numbers(self, wanted: Iterable[str]) -> Mapping[str, int]:
        """A number for each name, in the caller's transaction: `forget` when that is undone."""
        if len(self._known) > _KEPT:
            self.forget()
        unknown = set(wanted) - self._known.keys()
        if unknown:
            self._look_up(sorted(unknown))
        return self._known

    def forget(self) -> None:
        """Look all names up again: some may never have been written."""
        self._known = {}

    def _look_up(self, names: list[str]) -> None:
        execute = self._connection.execute
        number = execute("SELECT max(number) FROM names").fetchone()[0]
        for name in names:
            found = execute("SELECT number FROM names WHERE name = ?", (name,)).fetchone()
            if found is None:
                number += 1
                execute("INSERT INTO names VALUES (?, ?)", (number, name))
                self._known[name] = number
            else:
                self._known[name] = found[0]
