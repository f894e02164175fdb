"""Who is at the other end of a Unix socket, as the kernel tells it."""

from __future__ import annotations

import os
import socket
import struct
import sys
from pathlib import Path

from app.domain.errors import StoreError
from app.link.words import STOP_IT

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


def silent_peer(sock: socket.socket) -> str:
    """What to say of a listener that does not say hello: which process, and whether it sleeps."""
    import psutil  # seldom needed

    try:
        pid = _peer_pid(sock)
        stopped = psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except (OSError, psutil.Error):
        return f"who listens here does not say hello; {STOP_IT}"
    if stopped:
        return f"process {pid} is stopped (Ctrl-Z, SIGSTOP): `kill -CONT {pid}` lets it go on"
    return f"process {pid} listens here and does not say hello; {STOP_IT}"


def _peer_pid(sock: socket.socket) -> int:
    if sys.platform == "darwin":
        return int(struct.unpack("i", sock.getsockopt(0, 2, 4))[0])  # LOCAL_PEERPID
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[0])


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
