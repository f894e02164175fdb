"""Mending a store whose read models do not follow from its journal, which is whole itself.

All of it is one transaction: what is interrupted has changed nothing. Where the file is so
damaged that its tables cannot even be emptied, what is whole of it goes into a new file, which
then takes its place; the damaged one is kept beside it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing

from msgspec import Struct

from app.domain.errors import StoreDamaged, StoreError
from app.domain.rebuild_report import RebuildReport, TableDifference
from app.store.head import read_head, refuse_emptied
from app.store.lock import StoreBusy, StoreLock
from app.store.paths import StorePaths
from app.store.place import passes, said_of
from app.store.projection import TABLES
from app.store.rebuild import Rows
from app.store.replay import Difference, Replay, Tell, found_in, integrity
from app.store.results_again import Again, again, put_back
from app.store.schema import migrations, open_for_reading, open_for_writing
from app.store.written_anew import written_anew


def mend(paths: StorePaths, *, dry_run: bool, tell: Tell) -> RebuildReport:
    """Make the read models that differ anew (blocking). Raises StoreError: the store is held, is
    not there, or its journal is damaged; then nothing was changed."""
    if not paths.database.exists() and not paths.head.exists():
        raise StoreError(f"{paths.root}: there is no store here")
    if dry_run:
        return _look(paths, tell).report.model_copy(update={"dry_run": True})
    lock = StoreLock(paths.lock)
    try:
        lock.acquire()
    except StoreBusy as busy:
        who = f"process {busy.owner.pid}" if busy.owner else "another process"
        raise StoreError(
            f"{paths.root}: {who} works on this store; end it (`longwatch down` stops a "
            "supervisor), then rebuild"
        ) from busy
    try:
        found = _look(paths, tell)
        return _mended(paths, found) if found.report.differs else found.report
    finally:
        lock.release()


class _Found(Struct, frozen=True):
    report: RebuildReport
    rows: Rows  # as they are to be
    texts: Sequence[Again]


def _look(paths: StorePaths, tell: Tell) -> _Found:
    witness = read_head(paths.head)  # before the snapshot: events may come in meanwhile
    refuse_emptied(paths.database, paths.head, witness)
    try:
        with closing(open_for_reading(paths.database)) as connection:
            connection.execute("BEGIN")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != len(migrations()):
                raise StoreError(
                    f"{paths.database}: is of another schema ({version}); the next start of the "
                    "Longwatch that fits makes its read models anew by itself"
                )
            replay = Replay(connection)
            replay.walk(witness, tell)
            if replay.problems:
                only_lost = replay.problems == [replay.lost]
                raise _broken(paths, replay.problems, only_lost=only_lost)
            lost = list(replay.texts.lost(connection))
            texts = again(connection, lost)
            kept = {one.lost.problem for one in texts}
            beyond = tuple(one.problem for one in lost if one.problem not in kept)
            report = _report(paths, connection, replay, len(texts), beyond)
            return _Found(report, replay.rows, texts)
    except sqlite3.Error as error:
        if passes(error):
            said = said_of(error, paths.database)
            raise StoreError(f"{paths.database}: cannot be read ({said})") from error
        raise _broken(paths, [f"SQLite cannot read it: {error}"]) from error


def _broken(paths: StorePaths, problems: Sequence[str], *, only_lost: bool = False) -> StoreDamaged:
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    return StoreDamaged(
        f"{paths.database}: the journal itself is damaged ({problems[0]}{more}), and read models "
        "can be made from a whole one only; nothing was changed. Put a copy of the store in its "
        f"place{f', or move {paths.head} away to accept the loss' if only_lost else ''}"
    )


def _report(
    paths: StorePaths,
    connection: sqlite3.Connection,
    replay: Replay,
    texts: int,
    beyond: tuple[str, ...],
) -> RebuildReport:
    differences = [_difference(connection, table, replay.rows) for table in TABLES]
    return RebuildReport(
        store=str(paths.root),
        dry_run=False,
        events=replay.events,
        rows=sum(map(len, replay.rows.tables.values())),
        differences=tuple(found for found in differences if found is not None),
        indexes=bool(integrity(connection)),
        texts=texts,
        beyond=beyond,
    )


def _difference(
    connection: sqlite3.Connection, table: str, expected: Rows
) -> TableDifference | None:
    try:
        found = found_in(connection, table)
    except sqlite3.Error:
        return TableDifference(table=table, unreadable=True)
    differs = Difference.between(found, expected.tables[table])
    if not (differs.missing or differs.unfounded or differs.changed):
        return None
    return TableDifference(
        table=table,
        missing=len(differs.missing),
        unfounded=len(differs.unfounded),
        changed=len(differs.changed),
    )


def _mended(paths: StorePaths, found: _Found) -> RebuildReport:
    """Write what is to be there, in one transaction if SQLite can do it."""
    if _mended_in_place(paths, found):
        return found.report
    kept = written_anew(paths, found.rows, found.texts)
    return found.report.model_copy(update={"kept": str(kept)})


def _mended_in_place(paths: StorePaths, found: _Found) -> bool:
    """False: the file is too damaged for that, and is what it was."""
    with closing(open_for_writing(paths.database)) as connection:  # closing it rolls back
        try:
            connection.execute("BEGIN IMMEDIATE")
            for difference in found.report.differences:
                found.rows.write(connection, difference.table)
            put_back(connection, found.texts)
            if found.report.indexes:
                connection.execute("REINDEX")
            if integrity(connection):
                return False
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"{paths.database}: cannot be written ({error}); nothing was changed"
            ) from error
        except sqlite3.DatabaseError:
            return False
    return True
