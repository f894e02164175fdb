"""Who is at the other end of a Unix socket, as the kernel tells it."""

from __future__ import annotations

import os
import socket
import struct
import sys
from pathlib import Path

from app.domain.errors import StoreError

# macOS has no SO_PEERCRED: LOCAL_PEERCRED (1) at level SOL_LOCAL (0) gives a struct xucred,
# whose second 32-bit field is the user id (sys/ucred.h).
_XUCRED_BYTES = 76


def peer_uid(sock: socket.socket) -> int:
    """User id of the process at the other end."""
    if sys.platform == "darwin":
        raw = sock.getsockopt(0, 1, _XUCRED_BYTES)
        return int(struct.unpack_from("=II", raw)[1])
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[1])


def check_folder(folder: Path) -> None:
    """Refuse a socket folder that another user could have put there (shared /tmp).

    Raises StoreError when it is a link, is not ours, or can be written by others.
    """
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return
    ours = found.st_uid == os.getuid() and not found.st_mode & 0o022
    if folder.is_symlink() or not folder.is_dir() or not ours:
        raise StoreError(
            f"{folder}: the socket's folder must be yours and not writable by others; "
            f"run `chmod go-w {folder}`, or choose another store with --store"
        )
