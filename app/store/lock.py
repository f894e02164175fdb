"""One supervisor per store: an OS lock held by descriptor, with its owner written inside."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from pathlib import Path

import msgspec

from app.domain.errors import StoreError
from app.store.place import check_file


class Owner(msgspec.Struct, frozen=True):
    """Who holds a store."""

    pid: int
    host: str


class StoreBusy(StoreError):
    """Another process holds the store; `owner` says which, where that is known."""

    def __init__(self, path: Path, owner: Owner | None) -> None:
        self.owner = owner
        who = f"process {owner.pid} on {owner.host}" if owner else "another process"
        super().__init__(f"{path.parent}: the store is held by {who}; stop it or attach to it")


class StoreLock:
    """Exclusive right to write to a store, for as long as the descriptor is open.

    The descriptor is close-on-exec (Python's default), so no child inherits the lock and
    outlives its owner with it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock or raise StoreBusy; a folder that cannot be written raises StoreError."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            check_file(self._path, "the supervisor's lock")
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"{self._path.parent}: the store cannot be written ({error.strerror}); "
                "choose another with --store"
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise StoreBusy(self._path, read_owner(self._path)) from error
        owner = Owner(pid=os.getpid(), host=socket.gethostname())
        os.ftruncate(fd, 0)
        with contextlib.suppress(OSError):  # a full disk: the lock is ours, without a name in it
            os.pwrite(fd, msgspec.json.encode(owner), 0)
        self._fd = fd

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def is_held(path: Path) -> bool:
    """Whether a process holds the lock at this instant; looks without taking it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def read_owner(path: Path) -> Owner | None:
    """Who wrote the lock file last; None when that cannot be told."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Owner)
    except (OSError, msgspec.DecodeError):
        return None
