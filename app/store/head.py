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

_SLOT = 128


class Head(Struct, frozen=True):
    """Sequence number and hash of an acknowledged event."""

    seq: int
    hash: str


class HeadFile:
    """Two slots written in turn, each with a checksum: a torn write costs one, never both."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._turn = 0

    def write(self, head: Head) -> None:
        body = f"{head.seq} {head.hash}"
        line = f"{body} {zlib.crc32(body.encode()):08x}\n".ljust(_SLOT)
        os.pwrite(self._fd, line.encode(), self._turn * _SLOT)
        self._turn = 1 - self._turn

    def close(self) -> None:
        os.close(self._fd)


def read_head(path: Path) -> Head | None:
    """The newest head in the file; None when there is none (a new store)."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
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
    return Head(int(parts[0]), parts[1])
