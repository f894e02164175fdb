"""Proof that a store is whole: hash chain, head, and read models equal to a replay."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator

from app.domain.errors import Refused
from app.domain.events import GENESIS, chain_hash
from app.domain.feed import VerifyReport
from app.store.head import read_head
from app.store.paths import StorePaths
from app.store.projection import TABLES, Projection
from app.store.reader import event_of
from app.store.schema import open_for_reading

_PROBLEMS = 20  # more would not be read


async def verify(paths: StorePaths) -> VerifyReport:
    """Check the store at `paths` without writing to it. Raises StoreError when there is none."""
    return await asyncio.to_thread(_verify, paths)


def _verify(paths: StorePaths) -> VerifyReport:
    connection = open_for_reading(paths.database)
    try:
        connection.execute("BEGIN")  # one consistent snapshot, also beside a live supervisor
        return _Verification(connection, paths).report()
    except sqlite3.Error as error:
        problem = f"{paths.database}: cannot be read ({error})"
        return VerifyReport(ok=False, events=0, runs=0, rows=0, checked=(), problems=(problem,))
    finally:
        connection.close()


class _Verification:
    def __init__(self, connection: sqlite3.Connection, paths: StorePaths) -> None:
        self._connection = connection
        self._paths = paths
        self._checked: list[str] = []
        self._problems: list[str] = []
        self._expected: dict[tuple[str, str], tuple[str, str, str]] = {}
        self._projection = Projection()
        self._events = 0
        self._hashes: dict[int, str] = {}

    def report(self) -> VerifyReport:
        witness = read_head(self._paths.head)  # before the walk: events may come in meanwhile
        self._integrity()
        self._chain(witness.seq if witness else 0)
        self._check_head(witness.seq if witness else 0, witness.hash if witness else "")
        rows = self._compare_rows()
        return VerifyReport(
            ok=not self._problems,
            events=self._events,
            runs=len(self._projection.states),
            rows=rows,
            checked=tuple(self._checked),
            problems=tuple(self._problems[:_PROBLEMS]),
        )

    def _integrity(self) -> None:
        for (line,) in self._connection.execute("PRAGMA integrity_check"):
            if line != "ok":
                self._problems.append(f"SQLite: {line}")
        self._checked.append("SQLite's own integrity check")

    def _chain(self, witness_seq: int) -> None:
        previous = GENESIS
        sql = "SELECT seq, at, run_id, trace_id, body, hash FROM journal ORDER BY seq"
        for seq, at, run_id, trace_id, body, digest in self._connection.execute(sql):
            self._events += 1
            if seq != self._events:
                self._problems.append(f"event {self._events} is missing")
                break
            if digest != chain_hash(previous, seq, at, run_id, trace_id, body):
                self._problems.append(f"event {seq} does not match its hash: it was changed")
            previous = digest
            if seq == witness_seq:
                self._hashes[seq] = digest
            self._replay(seq, at, run_id, trace_id, body)
        self._checked.append(f"hash chain over {self._events} events, without gaps")

    def _replay(self, seq: int, at: str, run_id: str, trace_id: str, body: str) -> None:
        try:
            event = event_of((seq, at, run_id, trace_id, body))
            rows = self._projection.apply([event])
        except (ValueError, KeyError, Refused) as error:
            self._problems.append(f"event {seq} cannot be replayed: {error}")
            return
        for row in rows:
            if row.doc is None:
                self._expected.pop((row.table, row.id), None)
            else:
                doc = row.doc.model_dump_json()
                self._expected[(row.table, row.id)] = (row.run_id, row.state, doc)

    def _check_head(self, seq: int, digest: str) -> None:
        if seq and self._hashes.get(seq) != digest:
            self._problems.append(
                f"event {seq} was acknowledged with another content, or is gone: "
                f"the journal ends at {self._events}"
            )
        self._checked.append(f"the head kept outside the database (event {seq})")

    def _compare_rows(self) -> int:
        found = dict(self._rows())
        for key in self._expected.keys() - found.keys():
            self._problems.append(f"{key[0]}: row {key[1]} is missing")
        for key in found.keys() - self._expected.keys():
            self._problems.append(f"{key[0]}: row {key[1]} has no event behind it")
        for key in found.keys() & self._expected.keys():
            if found[key] != self._expected[key]:
                self._problems.append(f"{key[0]}: row {key[1]} differs from the replay")
        self._checked.append(f"{len(found)} read-model rows against a replay of the journal")
        return len(found)

    def _rows(self) -> Iterator[tuple[tuple[str, str], tuple[str, str, str]]]:
        for table in TABLES:
            for row in self._connection.execute(f"SELECT id, run_id, state, doc FROM {table}"):
                yield (table, row[0]), (row[1], row[2], row[3])
