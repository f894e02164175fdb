"""Copying a file out of the source: in pieces, with known secrets taken out on the way, and never
through a link."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Self
from urllib.parse import quote

from ahocorasick_rs import BytesAhoCorasick, MatchKind

from app.domain.errors import Refused
from app.domain.migration import PlannedCopy
from app.domain.redact import MIN_SECRET, REDACTED
from app.domain.text import one_line
from app.migrate.disk import Disk, write_all

CHUNK = 1024 * 1024  # bytes in memory at once, for each file that is being copied
_MOST_OPEN = 128  # folders
_NO_RANGE = (errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF, errno.EIO)


@dataclass(frozen=True, slots=True)
class Copied:
    """What was written, and the file's times in the source."""

    size: int
    sha256: str
    source_mtime_ns: int


class Scrubber:
    """Replaces known secrets in a stream of bytes, also one that two pieces share."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in forms_of(secret)}
        self._longest = max(map(len, forms), default=0)
        self._known = (
            BytesAhoCorasick(sorted(forms), matchkind=MatchKind.LeftmostLongest) if forms else None
        )

    def stream(self) -> Callable[[bytes, bool], bytes]:
        """A function for one file: pieces in, what may be written out; True with the last."""
        if self._known is None:
            return lambda piece, last: piece
        held = b""

        def feed(piece: bytes, last: bool) -> bytes:
            nonlocal held
            data = held + piece
            end = len(data) if last else max(len(data) - self._longest + 1, 0)
            clean, used = self._clean(data, end)
            held = data[used:]
            return clean

        return feed

    def clean(self, data: bytes) -> bytes:
        """All of it at once."""
        return self._clean(data, len(data))[0]

    def _clean(self, data: bytes, end: int) -> tuple[bytes, int]:
        """The start of the data, cleaned up to `end` or the end of a secret that begins before
        it; how much of the data that was."""
        assert self._known is not None or end == len(data)
        found = self._known.find_matches_as_indexes(data) if self._known is not None else []
        parts, at = list[bytes](), 0
        for _, first, after in found:
            if first >= end:
                break
            parts += [data[at:first], REDACTED.encode()]
            at = after
        if at < end:
            parts.append(data[at:end])
            at = end
        return b"".join(parts), at


def forms_of(secret: str) -> set[bytes]:
    """How a secret may stand in a file: as it is, in JSON, in an address."""
    plain = secret.strip()
    if len(plain) < MIN_SECRET or plain in REDACTED:
        return set()
    written = {plain, quote(plain, safe="")}
    for ascii_only in (True, False):
        once = json.dumps(plain, ensure_ascii=ascii_only)[1:-1]
        # Arguments of tool calls are JSON in a text of JSON.
        written |= {once, json.dumps(once, ensure_ascii=ascii_only)[1:-1]}
    lines = {line for line in plain.splitlines() if len(line.strip()) >= 16}
    return {form.encode("utf-8", "surrogatepass") for form in written | lines}


class SourceTree:
    """Opens files below a folder without following any link. The folders that it went through
    stay open, so that ten thousand files of one folder cost one walk. For several threads."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._folders: dict[str, int] = {}
        self._lock = Lock()

    def __enter__(self) -> Self:
        self._folders[""] = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._folders.values():
            os.close(fd)
        self._folders.clear()

    def open(self, path: str) -> int:
        """A descriptor of a regular file. Raises Refused."""
        head = self._root.rstrip("/") + "/"
        inside = path.removeprefix(head)
        if not path.startswith(head):
            raise Refused(f"{shown(Path(path))} is outside of {shown(Path(self._root))}")
        if not all(inside.split("/")) or {".", ".."} & set(inside.split("/")):
            raise Refused(f"{shown(Path(path))} is no file inside {shown(Path(self._root))}")
        folder, _, name = inside.rpartition("/")
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            with self._lock:  # no other thread may close the folder meanwhile
                fd = os.open(name, flags, dir_fd=self._folder(folder))
        except OSError as error:
            raise Refused(f"{shown(Path(path))}: {_why(error)}") from error
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise Refused(f"{shown(Path(path))} is not a file any more")
        return fd

    def _folder(self, path: str) -> int:
        found = self._folders.get(path)
        if found is None:
            outer, _, name = path.rpartition("/")
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            if len(self._folders) >= _MOST_OPEN:
                self._make_room(but=outer)
            found = self._folders[path] = os.open(name, flags, dir_fd=self._folder(outer))
        return found

    def _make_room(self, *, but: str) -> None:
        """Make room: what was opened last stays, and the way to `but`."""
        for old in list(self._folders)[: -_MOST_OPEN // 2]:
            if old and not f"{but}/".startswith(f"{old}/"):
                os.close(self._folders.pop(old))


def copy_file(
    disk: Disk,
    source: SourceTree,
    planned: PlannedCopy,
    to: Path,
    scrubber: Scrubber,
    wrote: Callable[[int], None],
) -> Copied:
    """Copy one file; `wrote` is told of each piece, and may stop it by raising.

    Raises Refused when the source is not what was looked at, OSError when it cannot be written.
    """
    path = Path(planned.source)
    fd = source.open(planned.source)
    try:
        about = os.fstat(fd)
        if about.st_size != planned.size:
            raise _moving(path, planned.size, about.st_size)
        mode = 0o600 if planned.private else (0o755 if about.st_mode & stat.S_IXUSR else 0o644)
        with disk.open_new(to, mode) as out:
            if planned.redact:
                size, digest = _scrubbed(fd, out, scrubber.stream(), _bounded(planned, wrote))
            else:
                size, digest = _as_it_is(fd, out, to, _bounded(planned, wrote))
            os.utime(out, ns=(about.st_atime_ns, about.st_mtime_ns))
        after = os.fstat(fd)
        if (after.st_size, after.st_mtime_ns) != (about.st_size, about.st_mtime_ns):
            raise _moving(path, about.st_size, after.st_size)
        return Copied(size, digest, about.st_mtime_ns)
    finally:
        os.close(fd)


def _bounded(planned: PlannedCopy, wrote: Callable[[int], None]) -> Callable[[int], None]:
    """Stops at a file that grows as fast as it is copied."""
    read = 0

    def count(size: int) -> None:
        nonlocal read
        read += size
        if read > planned.size:
            raise _moving(Path(planned.source), planned.size, read)
        wrote(size)

    return count


def _scrubbed(
    fd: int, out: int, clean: Callable[[bytes, bool], bytes], wrote: Callable[[int], None]
) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    last = False
    while not last:
        piece = os.read(fd, CHUNK)
        last = not piece
        data = clean(piece, last)
        write_all(out, data)
        digest.update(data)
        size += len(data)
        wrote(len(piece))
    return size, digest.hexdigest()


def _as_it_is(fd: int, out: int, to: Path, wrote: Callable[[int], None]) -> tuple[int, str]:
    """By the kernel where it can (it shares the blocks where the file system can), and hashed
    from what was written."""
    try:
        while copied := os.copy_file_range(fd, out, CHUNK * 8):
            wrote(copied)
    except (OSError, AttributeError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_RANGE:
            raise
        while piece := os.read(fd, CHUNK):
            write_all(out, piece)
            wrote(len(piece))
    return os.fstat(out).st_size, file_sha256(to)


def file_sha256(path: Path) -> str:
    """Of a file that is not a link; in pieces. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    digest = hashlib.sha256()
    try:
        while piece := os.read(fd, CHUNK):
            digest.update(piece)
    finally:
        os.close(fd)
    return digest.hexdigest()


def shown(path: Path) -> str:
    """A path for a message: printable, in one line, cut at 300 characters."""
    return one_line(str(path), 300)


def _moving(path: Path, before: int, now: int) -> Refused:
    what = f"{before:,} to {now:,} bytes" if before != now else "while it was copied"
    return Refused(
        f"{shown(path)} has changed ({what}): stop what writes there, then run this again"
    )


def _why(error: OSError) -> str:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "there is a link or a file where a folder was: it is not followed"
    if error.errno == errno.ENOENT:
        return "it is gone since it was looked at: run this again"
    return error.strerror or str(error)
