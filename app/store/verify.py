"""Proof that a store is whole: hash chain, head, read models equal to a replay, and texts."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from app.domain.errors import Refused
from app.domain.events import GENESIS, chain_hash
from app.domain.feed import VerifyReport
from app.domain.text import one_line
from app.store.damage import cause
from app.store.head import Head, read_head
from app.store.paths import StorePaths
from app.store.projection import TABLES, Projection
from app.store.rows import HASHED_EVENT, body_of, event_of, hex_of, moment
from app.store.schema import migrations, open_for_reading
from app.store.verify_texts import Texts

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
        return _unknown(f"{paths.database}: cannot be read ({error})")
    finally:
        connection.close()


def _unknown(problem: str) -> VerifyReport:
    return VerifyReport(ok=False, events=0, runs=0, rows=0, checked=(), problems=(problem,))


def _expected_hash(previous: str, row: Sequence[Any]) -> str:
    """What follows from the event's row; nothing when that cannot be made out any more."""
    seq, at, run_id, trace_id, kind, body = row
    try:
        text = body_of(kind, body)
        return chain_hash(previous, seq, moment(at).isoformat(), run_id, trace_id, text)
    except ValueError:
        return ""


class _Verification:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._checked: list[str] = []
        self._problems: list[str] = []
        self._expected: dict[tuple[str, str], tuple[str, str, str]] = {}
        self._projection = Projection()
        self._events = 0
        self._hashes: dict[int, str] = {}
        self._texts = Texts()

    def report(self, witness: Head | None) -> VerifyReport:
        self._integrity()
        self._chain(witness.seq if witness else 0)
        self._check_head(witness.seq if witness else 0, witness.hash if witness else "")
        rows = self._compare_rows()
        self._problems += self._texts.problems(self._connection)
        self._checked.append(f"{self._texts.count} texts of transcripts against their hashes")
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
                self._problems.append(f"SQLite: {one_line(line, 300)}")
        self._checked.append("SQLite's own integrity check")

    def _chain(self, witness_seq: int) -> None:
        previous = GENESIS
        for *row, stored in self._connection.execute(f"{HASHED_EVENT} ORDER BY seq"):
            seq, digest = row[0], hex_of(stored)
            self._events += 1
            if seq != self._events:
                self._problems.append(f"event {self._events} is missing")
                break
            if digest != _expected_hash(previous, row):
                self._problems.append(f"event {seq} does not match its hash: it was changed")
            previous = digest
            if seq == witness_seq:
                self._hashes[seq] = digest
            self._replay(row)
        self._checked.append(f"hash chain over {self._events} events, without gaps")

    def _replay(self, row: Sequence[object]) -> None:
        try:
            event = event_of(row)
            self._texts.note(event)
            rows = self._projection.apply([event])
        except (ValueError, KeyError, Refused) as error:
            self._problems.append(f"event {row[0]} cannot be replayed: {cause(error)}")
            return
        for changed in rows:
            if changed.doc is None:
                self._expected.pop((changed.table, changed.id), None)
            else:
                doc = changed.doc.model_dump_json()
                self._expected[(changed.table, changed.id)] = (changed.run_id, changed.state, doc)

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
