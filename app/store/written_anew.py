"""A new database file out of what is whole of a damaged one: journal, transcripts, read models."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from app.domain.errors import StoreDamaged, StoreError
from app.store.paths import StorePaths
from app.store.place import sync_folder
from app.store.projection import TABLES
from app.store.rebuild import Rows
from app.store.replay import integrity
from app.store.results_again import Again, put_back
from app.store.schema import open_for_writing

_TRUTH = ("names", "journal", "chunks")  # what cannot be made from anything else


def written_anew(paths: StorePaths, rows: Rows, texts: Sequence[Again]) -> Path:
    """Put a whole file in the database's place; returns where the damaged one is kept. Whoever is
    interrupted leaves one or the other in place. The caller holds the store's lock.

    Raises StoreError: then the database is what it was.
    """
    fresh = Path(f"{paths.database}.new")
    kept = _free(paths.database)
    try:
        _empty_wal(paths.database)
        _remove(fresh)
        _fill(fresh, paths.database, rows, texts)
        os.link(paths.database, kept)
        fresh.replace(paths.database)
        sync_folder(paths.root)
    except (OSError, sqlite3.OperationalError) as error:
        _remove(fresh)
        raise StoreError(
            f"{paths.database}: cannot be written anew ({error}); nothing was changed"
        ) from error
    except sqlite3.DatabaseError as error:
        _remove(fresh)
        raise StoreDamaged(
            f"{paths.database}: journal or transcripts cannot be read whole ({error}); nothing was "
            "changed. Put a copy of the store in its place"
        ) from error
    return kept


def _free(database: Path) -> Path:
    """A name for the damaged file that nothing has yet."""
    number = 1
    while (path := Path(f"{database}.damaged-{number}")).exists():
        number += 1
    return path


def _empty_wal(database: Path) -> None:
    """What the WAL has goes into the database: frames that are left would be applied to whatever
    file has its name."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise StoreError(f"{database}: another process reads it; end that, then rebuild")


def _fill(fresh: Path, damaged: Path, rows: Rows, texts: Sequence[Again]) -> None:
    with closing(open_for_writing(fresh)) as connection:
        connection.execute("ATTACH ? AS damaged", (os.fspath(damaged),))
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM names")
        for table in _TRUTH:
            # With a condition: without one, SQLite would copy the damaged indexes, too.
            sql = f"INSERT INTO main.{table} SELECT * FROM damaged.{table} WHERE true"
            connection.execute(sql)
        for table in TABLES:
            rows.write(connection, table)
        put_back(connection, texts)
        if problems := integrity(connection):
            raise sqlite3.DatabaseError(problems[0])
        connection.execute("COMMIT")
        connection.execute("DETACH damaged")
    # The last connection has moved the WAL into the file, and synced that.
    if (wal := Path(f"{fresh}-wal")).exists():
        raise OSError(f"{wal} is still there")


def _remove(fresh: Path) -> None:
    for end in ("", "-wal", "-shm"):
        Path(f"{fresh}{end}").unlink(missing_ok=True)
