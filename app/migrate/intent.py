"""What a migration is about to put in place, written down before it does: whoever comes after a
crash finishes it, or takes back what was only begun."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from app.domain.base import Model
from app.domain.errors import Refused
from app.migrate.copying import shown
from app.migrate.disk import Disk
from app.migrate.manifest import STATE

NEW, OLD = "new", "old"  # in a working folder: what is to be put in place, what was there
INTENT, BEGUN = "intent.json", "begun.json"
WORK, BACKUP, UNDOING = "work", "backup", "undoing"
_VERSION = 1


class Op(Model):
    """One change of the target: a file or a whole folder that was not there, a file that takes
    another's place, a file that is taken away."""

    kind: Literal["add", "replace", "remove"]
    path: str
    sha256: str = ""  # of the new file, where it is one


class FolderTimes(Model):
    """When a folder of the target was last read and changed, in nanoseconds."""

    path: str  # "" for the target itself
    atime_ns: int
    mtime_ns: int


class Intent(Model):
    """All of a migration's changes, in order. Doing them twice does nothing more."""

    version: int = Field(default=_VERSION, le=_VERSION)
    system: str
    source: str
    ops: tuple[Op, ...] = ()
    made_folders: tuple[str, ...] = ()  # made before the intent was written, outermost first
    times: tuple[FolderTimes, ...] = ()  # of folders that are touched, as they were before
    whole_folder: bool = False  # the target did not exist
    commit: str = ""  # the first commit of a repository that was made


def state_of(root: Path) -> Path:
    """Where a target keeps what its migrations need: working folders, backups, manifests."""
    return root / STATE


def folders(root: Path, kind: str) -> list[Path]:
    """The working folders of one kind in a target, oldest first."""
    try:
        found = [entry for entry in state_of(root).iterdir() if entry.name.startswith(f"{kind}-")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found, key=lambda entry: (len(entry.name), entry.name))


def next_name(root: Path) -> str:
    """A number that no migration of this target has had."""
    numbers = [0]
    for kind in (WORK, BACKUP, UNDOING):
        for folder in folders(root, kind):
            tail = folder.name.rpartition("-")[2]
            numbers.append(int(tail) if tail.isdigit() else 0)
    return f"{max(numbers) + 1:04d}"


def read_intent(folder: Path, name: str = INTENT) -> Intent | None:
    """None if it was not written yet. Raises Refused."""
    path = folder / name
    try:
        return Intent.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise Refused(
            f"{shown(path)} cannot be read: it says how a migration is finished or undone;"
            " restore it, or put the folder right by hand and move it away"
        ) from None


def write_intent(disk: Disk, folder: Path, intent: Intent, name: str = INTENT) -> None:
    """On the disk when it returns, and whole or not at all. Raises OSError."""
    disk.write_durably(folder / name, intent.model_dump_json(indent=1).encode())


def times_of(root: Path, paths: set[str]) -> tuple[FolderTimes, ...]:
    """Of the folders that are there."""
    found = []
    for path in sorted(paths):
        try:
            about = os.lstat(root / path if path else root)
        except FileNotFoundError:
            continue
        found.append(FolderTimes(path=path, atime_ns=about.st_atime_ns, mtime_ns=about.st_mtime_ns))
    return tuple(found)


def put_back_times(disk: Disk, root: Path, intent: Intent) -> None:
    """Innermost first; what is no longer there has none."""
    for times in reversed(intent.times):
        place = root / times.path if times.path else root
        if os.path.lexists(place):
            disk.set_times(place, times.atime_ns, times.mtime_ns)
