"""Where a database is: whether there is room, whose it is, its names on the disk. SQLite tells of
none of these."""

from __future__ import annotations

import os
import pwd
import sqlite3
from pathlib import Path

from app.domain.errors import StoreError

_LITTLE = 64 * 1024  # bytes: SQLite's shared memory alone takes half of it


def is_full(folder: Path) -> bool:
    """Whether nothing can be written there for want of room, as far as anybody can tell."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _LITTLE


def check_file(path: Path, what: str) -> None:
    """Raises StoreError for what is there and no file: a pipe would never end."""
    if os.path.lexists(path) and not path.is_file():
        raise StoreError(
            f"{path}: {what} is a file, and this is none; make it usable, or move it away"
        )


def sync_folder(folder: Path) -> None:
    """Put the names in a folder to the disk, after one was made or replaced. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def owner_of(path: Path) -> str:
    """Who owns what is there, if that is somebody else; nothing otherwise."""
    try:
        uid = path.stat().st_uid
    except OSError:
        return ""
    if uid == os.geteuid():
        return ""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def passes(error: sqlite3.Error) -> bool:
    """Whether it says something of the disk or of who else is there, and nothing of what the file
    holds: that may be whole."""
    name = getattr(error, "sqlite_errorname", "") or ""
    return name.startswith(("SQLITE_IOERR", "SQLITE_FULL", "SQLITE_BUSY", "SQLITE_CANTOPEN"))


def said_of(error: sqlite3.Error | OSError, database: Path) -> str:
    """The error's words, and what they may come from."""
    said = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    if isinstance(error, sqlite3.Error) and not passes(error):
        return said
    if owner := owner_of(database):
        return f"{said}: it belongs to {owner}"
    return f"{said}: the disk is full" if is_full(database.parent) else said
