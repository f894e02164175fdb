"""The folder that a migration makes or changes: what is there, looked at without following links,
and held so that nobody else moves in at the same time."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.domain.errors import Refused
from app.migrate.copying import shown

LARGEST_TEXT = 16 * 1024 * 1024  # bytes of a file that is compared as text


@dataclass(frozen=True, slots=True)
class Target:
    """A folder, as it was when it was looked at."""

    root: Path  # absolute, its parents resolved
    exists: bool
    empty: bool

    @property
    def fresh(self) -> bool:
        """Whether a whole project is to be made: nothing of anybody's is there."""
        return not self.exists or self.empty


def look_at(folder: Path) -> Target:
    """Raises Refused for what no project can be in."""
    named = folder.expanduser().absolute()
    root = named.parent.resolve() / named.name if named.name else named.resolve()
    try:
        about = os.lstat(root)
        if stat.S_ISLNK(about.st_mode):
            root = root.resolve(strict=True)
            about = os.lstat(root)
    except FileNotFoundError:
        return Target(root, exists=False, empty=True)
    except OSError as error:
        raise Refused(f"{shown(root)}: {error.strerror}") from error
    if not stat.S_ISDIR(about.st_mode):
        raise Refused(f"{shown(root)} is a file: name a folder with --to")
    names = {entry.name for entry in root.iterdir()}
    if not names:
        return Target(root, exists=True, empty=True)
    if not (root / ".git").exists() and not _only_leftovers(root, names):
        raise Refused(
            f"{shown(root)} holds files and is no git repository, on which agents could work: run"
            " `git init` there and commit what is in it, or choose another folder with --to"
        )
    return Target(root, exists=True, empty=False)


def _only_leftovers(root: Path, names: set[str]) -> bool:
    """Whether all that is there is what a migration that was cut off has left."""
    inside = root / ".longwatch"
    return names == {".longwatch"} and {entry.name for entry in inside.iterdir()} <= {"moved"}


def obstacle(root: Path, path: str) -> str:
    """What is in the way of a file at `path`, "" when nothing is."""
    here = root
    parts = path.split("/")
    for part in parts[:-1]:
        here = here / part
        try:
            mode = os.lstat(here).st_mode
        except FileNotFoundError:
            return ""
        if stat.S_ISLNK(mode):
            return f"{here.relative_to(root)} is a link, and links are not followed"
        if not stat.S_ISDIR(mode):
            return f"{here.relative_to(root)} is no folder"
    try:
        mode = os.lstat(here / parts[-1]).st_mode
    except FileNotFoundError:
        return ""
    if stat.S_ISLNK(mode):
        return "it is a link, and links are not followed"
    return "" if stat.S_ISREG(mode) else "it is no file"


def read_there(root: Path, path: str) -> bytes | None:
    """What a file of the target holds; None if it is not there. Raises Refused."""
    try:
        fd = os.open(root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Refused(f"{shown(root / path)} cannot be read: {error.strerror}") from error
    with os.fdopen(fd, "rb") as file:
        data = file.read(LARGEST_TEXT + 1)
    if len(data) > LARGEST_TEXT:
        raise Refused(f"{shown(root / path)} is larger than {LARGEST_TEXT // 2**20} MB")
    return data


@contextmanager
def held(root: Path) -> Iterator[None]:
    """Keep every other migration out of a folder, or of the place where it will be. The lock ends
    with the process. Raises Refused."""
    place = root if root.is_dir() else root.parent
    try:
        place.mkdir(parents=True, exist_ok=True)
        fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"{shown(place)} cannot be used: {error.strerror}") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(f"another migration is at work in {shown(place)}: wait for it") from None
        yield
    finally:
        os.close(fd)
