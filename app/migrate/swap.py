"""Putting staged files in place, and taking them back: each change can be repeated, so that who was
interrupted is finished by whoever comes next."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from app.migrate.copying import file_sha256
from app.migrate.disk import Disk
from app.migrate.intent import (
    BACKUP,
    BEGUN,
    NEW,
    OLD,
    UNDOING,
    WORK,
    Intent,
    Op,
    folders,
    put_back_times,
    read_intent,
    state_of,
)


def recover(disk: Disk, root: Path) -> str:
    """Finish or take back what a crash has left in a target; a sentence on what that was, "" when
    there was nothing. Raises Refused, OSError."""
    said = ""
    for work in folders(root, WORK):
        intent = read_intent(work)
        if intent is None:
            take_back_begun(disk, root, work)
            said = "a migration that was cut off before its end was taken back first"
        else:
            put_in_place(disk, root, work, intent)
            said = "a migration that was cut off at its end was finished first"
    for undoing in folders(root, UNDOING):
        intent = read_intent(undoing)
        if intent is None:
            clear_away(disk, root, undoing, Intent(system="", source=""))
        else:
            take_back(disk, root, undoing, intent)
        said = "an undo that was cut off was finished first"
    return said


def put_in_place(disk: Disk, root: Path, work: Path, intent: Intent) -> Path:
    """Carry a written intent out; the working folder, which has become the backup."""
    for op in intent.ops:
        _do(disk, root, work, op)
    backup = work.with_name(work.name.replace(WORK, BACKUP, 1))
    disk.sync_all(root)
    disk.rename(work, backup)
    disk.sync_folder(backup.parent)
    return backup


def _do(disk: Disk, root: Path, work: Path, op: Op) -> None:
    place, new, old = root / op.path, work / NEW / op.path, work / OLD / op.path
    if op.kind == "add":
        if os.path.lexists(new):
            disk.rename_new(new, place)
        return
    _make_parents(disk, work / OLD, old.parent)
    if op.kind == "remove":
        if os.path.lexists(place) and not os.path.lexists(old):
            disk.rename(place, old)
        return
    if not _is(place, op.sha256):
        if os.path.lexists(old):  # the first of two renames was done
            disk.rename(new, place)
            return
        if not disk.exchange(new, place):
            disk.rename(place, old)
            disk.rename(new, place)
            return
    if os.path.lexists(new) and not os.path.lexists(old):  # exchanged: it is the old one
        disk.rename(new, old)


def take_back(disk: Disk, root: Path, undoing: Path, intent: Intent) -> None:
    """The reverse of `put_in_place`, from the backup."""
    for op in reversed(intent.ops):
        place, new, old = root / op.path, undoing / NEW / op.path, undoing / OLD / op.path
        if op.kind == "add":
            if os.path.lexists(place) and not os.path.lexists(new):
                _make_parents(disk, undoing / NEW, new.parent)
                disk.rename(place, new)
        elif os.path.lexists(old):
            disk.rename(old, place)
        elif op.kind == "replace" and os.path.lexists(new) and _is(place, op.sha256):
            disk.rename(new, place)  # they had changed places, and no more was done
    disk.sync_all(root)
    clear_away(disk, root, undoing, intent)


def take_back_begun(disk: Disk, root: Path, work: Path) -> None:
    """Nothing was put in place yet: remove what was staged."""
    begun = read_intent(work, BEGUN)
    clear_away(disk, root, work, begun or Intent(system="", source=""))


def clear_away(disk: Disk, root: Path, work: Path, intent: Intent) -> None:
    """Remove a working folder, and the folders that were made for it."""
    put_back_times(disk, root, intent)  # a crash from here on costs the times of few folders
    disk.remove_tree(work)
    made = intent.made_folders or (".longwatch", ".longwatch/moved")
    for path in reversed(made):
        with suppress(OSError):  # others have something in it
            disk.remove_folder(root / path)
    put_back_times(disk, root, intent)
    if state_of(root).is_dir():
        disk.sync_folder(state_of(root))


def _make_parents(disk: Disk, top: Path, folder: Path) -> None:
    missing = list[Path]()
    while folder != top.parent and not os.path.lexists(folder):
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        disk.make_folder(path, 0o700)


def _is(path: Path, sha256: str) -> bool:
    try:
        return file_sha256(path) == sha256
    except OSError:
        return False
