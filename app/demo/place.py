"""Where a demonstration lives when nobody says where: one folder, found again after a crash."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from app.demo.git import DemoError

PROJECT = "uploader"  # the repository's folder, within a demonstration's


@dataclass(frozen=True, slots=True)
class DemoPlace:
    """A temporary folder of ours. `lock` is held until the process ends: one demo at a time."""

    folder: Path
    lock: int | None


def temporary_place() -> DemoPlace:
    """The user's demonstration folder, or another one while that is in use (blocking).

    The same folder is given again after a crash, so that `longwatch demo` goes on with what it
    was doing. Raises DemoError when the temporary folder cannot be written.
    """
    folder = usual_folder()
    try:
        if not _is_ours(folder):
            return DemoPlace(_fresh(), None)
        lock = os.open(folder / "in-use", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return DemoPlace(_fresh(), None)
        return DemoPlace(folder / "demo", lock)
    except OSError as error:
        raise DemoError(
            f"{folder}: no demonstration can be made there ({error.strerror}); "
            "name a folder with --keep"
        ) from error


def usual_folder() -> Path:
    """Where the demonstration of this user is, if there is one."""
    return Path(tempfile.gettempdir()).resolve() / f"longwatch-demo-{os.getuid()}"


def interrupted() -> tuple[Path, Path] | None:
    """The store of a demonstration that was cut off, and its project, for `longwatch` to go on
    with (blocking)."""
    folder = usual_folder() / "demo"
    store = folder / "store"
    try:
        ours = usual_folder().lstat().st_uid == os.getuid()
    except OSError:
        return None
    there = ours and (store / "longwatch.db").is_file()
    return (store, folder / PROJECT) if there else None


def _is_ours(folder: Path) -> bool:
    """Make the folder; another user's folder or link of that name is not used."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _fresh() -> Path:
    return Path(tempfile.mkdtemp(prefix="longwatch-demo-")).resolve() / "demo"
