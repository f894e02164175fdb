"""A walk through the whole journal: whether it is whole, and what follows from it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from msgspec import Struct

from app.domain.errors import Refused
from app.domain.events import GENESIS, chain_hash
from app.domain.text import one_line
from app.store.damage import cause
from app.store.head import Head
from app.store.projection import Projection
from app.store.rebuild import Rows, Values
from app.store.rows import HASHED_EVENT, body_of, event_of, hex_of, moment
from app.store.verify_texts import Texts

_TOLD_EVERY = 500  # events
# Is told how many events of how many the walk has come by.
Tell = Callable[[int, int], None]


class Replay:
    """The journal of one snapshot, walked through once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._projection = Projection()
        self.events = 0
        self.rows = Rows()
        self.texts = Texts()
        self.problems: list[str] = []  # of the journal itself: nothing can be made out of it then
        self.lost = ""  # the one of them that says that its end is not the one known outside

    @property
    def runs(self) -> int:
        return len(self._projection.states)

    def walk(self, witness: Head | None, tell: Tell = lambda done, total: None) -> None:
        """Check the hash chain and the head known outside, and replay. Raises sqlite3.Error."""
        seen, known = GENESIS, ""
        total = self._connection.execute("SELECT max(seq) FROM journal").fetchone()[0] or 0
        for *row, stored in self._connection.execute(f"{HASHED_EVENT} ORDER BY seq"):
            seq, digest = row[0], hex_of(stored)
            self.events += 1
            if seq != self.events:
                self.problems.append(f"event {self.events} is missing")
                break
            if digest != _expected_hash(seen, row):
                self.problems.append(f"event {seq} does not match its hash: it was changed")
            seen = digest
            if witness is not None and seq == witness.seq:
                known = digest
            self._apply(row)
            if seq % _TOLD_EVERY == 0:
                tell(seq, total)
        if witness is not None and witness.seq and known != witness.hash:
            self.lost = (
                f"event {witness.seq} was acknowledged with another content, or is gone: "
                f"the journal ends at {self.events}"
            )
            self.problems.append(self.lost)

    def _apply(self, row: Sequence[object]) -> None:
        try:
            event = event_of(row)
            self.texts.note(event)
            self.rows.follow(self._projection.apply([event]))
        except (ValueError, KeyError, Refused) as error:
            self.problems.append(f"event {row[0]} cannot be replayed: {cause(error)}")


class Difference(Struct, frozen=True):
    """The ids of a table's rows that are not what the replay gives."""

    missing: Sequence[str]
    unfounded: Sequence[str]  # no event is behind them
    changed: Sequence[str]

    @classmethod
    def between(cls, found: Mapping[str, Values], wanted: Mapping[str, Values]) -> Self:
        return cls(
            missing=[key for key in wanted if key not in found],
            unfounded=[key for key in found if key not in wanted],
            changed=[key for key in wanted if key in found and found[key] != wanted[key]],
        )


def found_in(connection: sqlite3.Connection, table: str) -> dict[str, Values]:
    """What a read model holds, also where that is no text. Raises sqlite3.Error."""
    plain = connection.text_factory
    connection.text_factory = lambda raw: raw.decode(errors="surrogateescape")
    try:
        rows = connection.execute(f"SELECT id, run_id, state, doc FROM {table} ORDER BY rowid")
        return {key: (run_id, state, doc) for key, run_id, state, doc in rows}
    finally:
        connection.text_factory = plain


def integrity(connection: sqlite3.Connection) -> list[str]:
    """What SQLite itself finds wrong with the file. Raises sqlite3.OperationalError."""
    found = []
    try:
        for (line,) in connection.execute("PRAGMA main.integrity_check"):
            if line != "ok":
                found.append(one_line(str(line), 300))
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:  # it gives up on a page that is none
        found.append(str(error))
    return found


def _expected_hash(previous: str, row: Sequence[Any]) -> str:
    """What follows from the event's row; nothing when that cannot be made out any more."""
    seq, at, run_id, trace_id, kind, body = row
    try:
        text = body_of(kind, body)
        return chain_hash(previous, seq, moment(at).isoformat(), run_id, trace_id, text)
    except ValueError:
        return ""
