"""The changes that a migration makes to a disk, each one a method: a test can stop the world
between any two of them."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.domain.errors import Refused

_AT_FDCWD = -100
_NOREPLACE, _EXCHANGE = 1, 2
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)


class Disk:
    """All paths are absolute. Raises OSError."""

    def make_folder(self, path: Path, mode: int) -> None:
        path.mkdir(mode)

    def write_new(self, path: Path, data: bytes, mode: int) -> None:
        """Make a file; its mode is its own from the first byte."""
        with self.open_new(path, mode) as fd:
            write_all(fd, data)

    @contextmanager
    def open_new(self, path: Path, mode: int) -> Iterator[int]:
        """A descriptor of a file that was not there before."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(path, flags, mode)
        try:
            yield fd
        finally:
            os.close(fd)

    def write_durably(self, path: Path, data: bytes) -> None:
        """Put a small file in place, whole or not at all, and onto the disk."""
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        with self.open_new(beside, 0o600) as fd:
            write_all(fd, data)
            os.fsync(fd)
        self.rename(beside, path)
        self.sync_folder(path.parent)

    def rename(self, old: Path, new: Path) -> None:
        """Replaces a file that has the new name."""
        old.rename(new)

    def rename_new(self, old: Path, new: Path) -> None:
        """Raises FileExistsError where the new name is taken (by an empty folder, too)."""
        try:
            _renameat2(old, new, _NOREPLACE)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            if os.path.lexists(new):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new)) from None
            old.rename(new)

    def exchange(self, one: Path, other: Path) -> bool:
        """Let two files change places at once; False where the system cannot."""
        try:
            _renameat2(one, other, _EXCHANGE)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            return False
        return True

    def remove_tree(self, path: Path) -> None:
        """A folder with all that is in it; links in it are not followed."""
        shutil.rmtree(path)

    def remove_folder(self, path: Path) -> None:
        """Raises OSError if it is not empty."""
        path.rmdir()

    def set_times(self, path: Path, atime_ns: int, mtime_ns: int) -> None:
        os.utime(path, ns=(atime_ns, mtime_ns), follow_symlinks=False)

    def sync_folder(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def sync_all(self, path: Path) -> None:
        """Everything that was written to the file system of `path`: one call instead of one for
        each of ten thousand files."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            call = getattr(_libc(), "syncfs", None)
            if call is None:
                os.sync()
            elif call(fd) != 0:
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code), str(path))
        finally:
            os.close(fd)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """`os.write` may take less than it is given."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


@contextmanager
def told(what: str) -> Iterator[None]:
    """A failure of the disk as one sentence. Raises Refused."""
    try:
        yield
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        raise Refused(f"{what}: {error.strerror or error}{place}") from error


def _renameat2(old: Path, new: Path, flags: int) -> None:
    call = getattr(_libc(), "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if call(_AT_FDCWD, os.fsencode(old), _AT_FDCWD, os.fsencode(new), flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(new))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
