"""Where git keeps a linked worktree's metadata, and what state a crash has left it in.

Layout: gitrepository-layout(5), "worktrees". Everything here blocks on the file system: call
it in a thread.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_NAME_LIMIT = 80
# `git worktree add` holds this lock until the checkout is complete.
_INITIALISING = "initializing"


class Metadata(Struct, frozen=True):
    """The folder under .git/worktrees that belongs to a worktree."""

    folder: Path
    half_made: bool  # git was ended while it was making the worktree


def find_metadata(common: Path, worktree: Path) -> Metadata | None:
    """The metadata of the worktree at this path, None if git knows of none."""
    wanted = os.path.realpath(worktree / ".git")
    for folder in sorted((common / "worktrees").glob("*")):
        if (points_to := _read(folder / "gitdir")) is None:
            continue
        # Since git 2.48 the path may be relative to the metadata.
        if os.path.realpath(folder / points_to.strip()) == wanted:
            lock = _read(folder / "locked")
            half_made = lock is not None and lock.strip() == _INITIALISING
            return Metadata(folder, half_made)
    return None


def _read(file: Path) -> str | None:
    try:
        return file.read_text("utf-8", "surrogateescape")
    except OSError:
        return None


def forget(metadata: Metadata) -> None:
    """Remove the metadata of a worktree that is not there, or not usable; the branch stays."""
    shutil.rmtree(metadata.folder)
    with suppress(OSError):  # others are still in it
        metadata.folder.parent.rmdir()


def remove_locks(metadata: Metadata) -> None:
    """Remove what a killed git has left in a worktree that nobody works in now."""
    for name in ("index.lock", "HEAD.lock"):
        (metadata.folder / name).unlink(missing_ok=True)


def is_empty(folder: Path) -> bool:
    """Whether there is nothing at this path, or a folder without content."""
    if folder.is_symlink():
        return False
    try:
        return not any(folder.iterdir())
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        return False


def discard(folder: Path) -> None:
    """Remove a folder that only a half-made checkout can have filled."""
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink(missing_ok=True)
    else:
        shutil.rmtree(folder)


def move_aside(folder: Path) -> Path:
    """Rename what is in the way, since it may be somebody's work; returns where it is now."""
    number = 1
    while os.path.lexists(aside := folder.with_name(f"{folder.name}.kept-{number}")):
        number += 1
    return folder.rename(aside)


def safe_name(name: str) -> str:
    """A name that is one plain path component and part of a branch name.

    What had to be changed ends in a piece of hash, so that two names never become one.
    """
    safe = _UNSAFE.sub("-", name).strip("-")[:_NAME_LIMIT]
    if safe == name and safe:
        return safe
    return f"{safe or 'x'}-{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
