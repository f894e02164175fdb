"""Whether a disk has room: SQLite says no more than "disk I/O error" where a file cannot grow."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

_LITTLE = 64 * 1024  # bytes: SQLite's shared memory alone takes half of it


def is_full(folder: Path) -> bool:
    """Whether nothing can be written there for want of room, as far as anybody can tell."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _LITTLE


def passes(error: sqlite3.Error) -> bool:
    """Whether it says something of the disk or of who else is there, and nothing of what the file
    holds: that may be whole."""
    name = getattr(error, "sqlite_errorname", "") or ""
    return name.startswith(("SQLITE_IOERR", "SQLITE_FULL", "SQLITE_BUSY", "SQLITE_CANTOPEN"))


def said_of(error: sqlite3.Error, database: Path) -> str:
    """The error's words, and what they may come from."""
    full = passes(error) and is_full(database.parent)
    return f"{error}: the disk is full" if full else str(error)
