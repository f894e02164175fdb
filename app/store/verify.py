"""Proof that a store is whole: hash chain, head, read models equal to a replay, and texts."""

from __future__ import annotations

import asyncio
import sqlite3

from app.domain.feed import VerifyReport
from app.domain.text import one_line
from app.store.head import Head, read_head
from app.store.paths import StorePaths
from app.store.place import said_of
from app.store.projection import TABLES
from app.store.rebuild import Rows
from app.store.replay import Difference, Replay, found_in, integrity
from app.store.schema import migrations, open_for_reading

_PROBLEMS = 20  # more would not be read


async def verify(paths: StorePaths) -> VerifyReport:
    """Check the store at `paths` without writing to it. Raises StoreError when there is none."""
    return await asyncio.to_thread(_verify, paths)


def _verify(paths: StorePaths) -> VerifyReport:
    witness = read_head(paths.head)  # before the snapshot: events may come in meanwhile
    connection = open_for_reading(paths.database)
    try:
        connection.execute("BEGIN")  # one consistent snapshot, also beside a live supervisor
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        newest = len(migrations())
        if version and version != newest:
            return _unknown(
                f"{paths.database}: is of schema {version}, and this Longwatch checks schema "
                f"{newest}: an older store is brought up to date by its next start"
            )
        return _Verification(connection).report(witness)
    except sqlite3.Error as error:
        return _unknown(f"{paths.database}: cannot be read ({said_of(error, paths.database)})")
    finally:
        connection.close()


def _unknown(problem: str) -> VerifyReport:
    return VerifyReport(ok=False, events=0, runs=0, rows=0, checked=(), problems=(problem,))


class _Verification:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._checked: list[str] = []
        self._problems: list[str] = []

    def report(self, witness: Head | None) -> VerifyReport:
        self._problems += [f"SQLite: {line}" for line in integrity(self._connection)]
        self._checked.append("SQLite's own integrity check")
        replay = Replay(self._connection)
        replay.walk(witness)
        self._problems += replay.problems
        self._checked.append(f"hash chain over {replay.events} events, without gaps")
        seq = witness.seq if witness else 0
        self._checked.append(f"the head kept outside the database (event {seq})")
        rows = self._compare_rows(replay.rows)
        mendable = bool(self._problems) and not replay.problems
        self._problems += [lost.problem for lost in replay.texts.lost(self._connection)]
        self._checked.append(f"{replay.texts.count} texts of transcripts against their hashes")
        return VerifyReport(
            ok=not self._problems,
            events=replay.events,
            runs=replay.runs,
            rows=rows,
            checked=tuple(self._checked),
            problems=tuple(self._problems[:_PROBLEMS]),
            mendable=mendable,
        )

    def _compare_rows(self, expected: Rows) -> int:
        count = 0
        for table in TABLES:
            try:
                found = found_in(self._connection, table)
            except sqlite3.Error as error:
                self._problems.append(f"{table}: cannot be read ({error})")
                continue
            count += len(found)
            differs = Difference.between(found, expected.tables[table])
            for keys, what in (
                (differs.missing, "is missing"),
                (differs.unfounded, "has no event behind it"),
                (differs.changed, "differs from the replay"),
            ):
                self._problems += [f"{table}: row {_shown(key)} {what}" for key in keys]
        self._checked.append(f"{count} read-model rows against a replay of the journal")
        return count


def _shown(key: str) -> str:
    return one_line(key.encode(errors="replace").decode(), 80)
