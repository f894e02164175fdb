"""Opening the database: settings of the durability contract, and migrations."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from app.domain.errors import Refused, StoreDamaged, StoreError
from app.store.packing import unpack
from app.store.place import said_of
from app.store.rebuild import rebuild

APPLICATION_ID = 0x4C4F4E47  # "LONG": tells our database from any other SQLite file
_BUSY_SECONDS = 5.0
_SMALL_ROWS = 6  # the schema whose tables are filled from those of the one before


def migrations() -> list[str]:
    """The migration scripts in order; the n-th brings the schema to version n."""
    return [script.read_text(encoding="utf-8") for script in _scripts()]


def _scripts() -> list[Path]:
    return sorted(Path(__file__).with_name("migrations").glob("*.sql"))


def open_for_writing(path: Path) -> sqlite3.Connection:
    """The one writing connection, migrated to the newest schema. Raises StoreError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        path.chmod(0o600)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"{path}: cannot be opened for writing ({said_of(error, path)})"
        ) from error
    try:
        _configure(connection)
        _migrate(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        kind = StoreError if isinstance(error, sqlite3.OperationalError) else StoreDamaged
        raise kind(
            f"{path}: cannot be used as a store ({said_of(error, path)}); nothing was changed in it"
        ) from error
    except StoreError:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A read-only connection, on which SQL can call `unpacked(body)`. Raises StoreError when there
    is no store."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        connection.create_function("unpacked", 1, unpack, deterministic=True)
        return connection
    except sqlite3.Error as error:
        raise StoreError(f"{path}: cannot be read ({said_of(error, path)})") from error


def is_outdated(path: Path) -> bool:
    """Whether a store of an older schema is here: it is brought up to date when it is opened for
    writing, which takes minutes for one with millions of events."""
    if not path.is_file():
        return False
    try:
        with closing(open_for_reading(path)) as connection:
            version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    except (StoreError, sqlite3.Error):
        return False  # who opens it says what is wrong
    return 0 < version < len(migrations())


def _configure(connection: sqlite3.Connection) -> None:
    # FULL: NORMAL was seen to lose acknowledged rows at power loss.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    newest = len(_scripts())
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if not empty and application != APPLICATION_ID:
        raise StoreError(f"{path}: is a database of another program; choose another --store")
    if version > newest:
        raise StoreError(
            f"{path}: was written by a newer Longwatch (schema {version}, this one knows "
            f"{newest}); upgrade Longwatch, or choose another --store"
        )
    if version == newest:
        return
    from app.store.small_rows import make_small  # older and new stores only

    connection.execute("BEGIN IMMEDIATE")
    try:
        for number, script in enumerate(migrations()[version:], start=version + 1):
            _run(connection, script)
            if number == _SMALL_ROWS:
                make_small(connection)
        if version:
            rebuild(connection)
    except (ValueError, KeyError, Refused) as error:
        connection.execute("ROLLBACK")
        raise StoreDamaged(f"{path}: its journal cannot be replayed ({error})") from error
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={newest}")
    connection.execute("COMMIT")


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Each statement of a script, inside the open transaction (`executescript` would end it)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
