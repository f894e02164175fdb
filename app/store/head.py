"""The journal's head outside the database.

A flipped bit in a WAL can make committed rows vanish while SQLite still says "ok". So the
newest sequence number and hash are also kept in a small file: if the journal at start-up ends
before it, acknowledged events are gone. The file is written after each commit and is never
ahead of the database, so it needs no fsync of its own.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from msgspec import Struct

from app.domain.errors import StoreError
from app.store.place import check_file

_SLOT = 128
_MOST = 2**63  # SQLite's whole numbers end before it
_ASIDE = "make it usable, or move it away"


class Head(Struct, frozen=True):
    """Sequence number and hash of an acknowledged event."""

    seq: int
    hash: str


class HeadFile:
    """Two slots written in turn, each with a checksum: a torn write costs one, never both."""

    def __init__(self, path: Path) -> None:
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"{path}: the journal's head cannot be written ({error.strerror}); {_ASIDE}"
            ) from error
        self._turn = 0

    def write(self, head: Head) -> None:
        body = f"{head.seq} {head.hash}"
        line = f"{body} {zlib.crc32(body.encode()):08x}\n".ljust(_SLOT)
        os.pwrite(self._fd, line.encode(), self._turn * _SLOT)
        self._turn = 1 - self._turn

    def close(self) -> None:
        os.close(self._fd)


def read_head(path: Path) -> Head | None:
    """The newest head in the file; None when there is none (a new store). Raises StoreError."""
    try:
        check_file(path, "the journal's head")
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(
            f"{path}: the journal's head cannot be read ({error.strerror}); {_ASIDE}"
        ) from error
    slots = (data[start : start + _SLOT] for start in (0, _SLOT))
    found = [head for head in map(_parse, slots) if head is not None]
    return max(found, key=lambda head: head.seq, default=None)


def _parse(slot: bytes) -> Head | None:
    parts = slot.decode("ascii", errors="replace").split()
    if len(parts) != 3 or not parts[0].isdigit():
        return None
    body = f"{parts[0]} {parts[1]}"
    if parts[2] != f"{zlib.crc32(body.encode()):08x}":
        return None
    return Head(seq, parts[1]) if (seq := int(parts[0])) < _MOST else None


def refuse_emptied(database: Path, head: Path, witness: Head | None) -> None:
    """Raises StoreError for a file that is gone or empty although events were acknowledged: it
    must not become a new, empty store. So for what is no file."""
    check_file(database, "the database")
    size = database.stat().st_size if database.exists() else 0
    if witness is not None and witness.seq > 0 and size == 0:
        raise StoreError(
            f"{database}: the database is gone or empty, but {witness.seq} events were "
            f"acknowledged. Restore it, or move {head} away to begin anew"
        )
