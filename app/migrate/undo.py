"""Taking the newest migration of a target back: every byte, mode and time is as it was before."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

from app.domain.errors import NotFound, Refused
from app.domain.moving import Undone
from app.migrate.apply import beside, put_right
from app.migrate.copying import file_sha256, shown
from app.migrate.disk import Disk, told
from app.migrate.intent import (
    BACKUP,
    UNDOING,
    Intent,
    Op,
    folders,
    read_intent,
    write_intent,
)
from app.migrate.manifest import STATE, MadeFile, read_manifest
from app.migrate.repository import changed_since
from app.migrate.swap import take_back
from app.migrate.target import held, look_at

_SHOWN = 5
_GIT = ".git (commits or branches were made since)"


def look_back(folder: Path) -> Undone:
    """What an undo would do (blocking). Raises NotFound when there is nothing to undo."""
    root = look_at(folder).root
    return _look(root, *_newest(root), dry_run=True)


def undo(folder: Path, *, force: bool = False, disk: Disk | None = None) -> Undone:
    """Take the newest migration back (blocking). Raises NotFound; Refused when files were changed
    since, but for `force`: then these are kept aside."""
    disk = disk or Disk()
    root = look_at(folder).root
    if not root.parent.is_dir():
        raise NotFound(f"{shown(root)} is not there: there is nothing to undo")
    # A whole folder goes away by its parent's leave, and with a lock that does not go with it.
    with held(root.parent), held(root) if root.is_dir() else nullcontext():
        with told("what an earlier migration has left could not be put right"):
            put_right(disk, root)
        backup, intent = _newest(root)
        found = _look(root, backup, intent, dry_run=False)
        if found.changed and not force:
            names = ", ".join(found.changed[:_SHOWN])
            more = f" and {len(found.changed) - _SHOWN} more" if len(found.changed) > _SHOWN else ""
            raise Refused(
                f"changed since the migration: {names}{more}; --force takes it back all the same,"
                " and keeps these aside"
            )
        with told("the migration could not be taken back"):
            if intent.whole_folder:
                return _remove_whole(disk, root, found)
            kept = _keep_aside(disk, root, found.changed)
            if _GIT in found.changed:  # somebody's commits are in it
                ops = tuple(op for op in intent.ops if op.path != ".git")
                intent = intent.model_copy(update={"ops": ops})
                write_intent(disk, backup, intent)
            undoing = backup.with_name(backup.name.replace(BACKUP, UNDOING, 1))
            disk.rename(backup, undoing)
            disk.sync_folder(undoing.parent)
            take_back(disk, root, undoing, intent)
        return found.model_copy(update={"kept_in": kept})


def _newest(root: Path) -> tuple[Path, Intent]:
    backups = folders(root, BACKUP)
    intent = read_intent(backups[-1]) if backups else None
    if intent is None:
        raise NotFound(f"no migration was made in {shown(root)}: there is nothing to undo")
    return backups[-1], intent


def _look(root: Path, backup: Path, intent: Intent, *, dry_run: bool) -> Undone:
    manifest = read_manifest(root, intent.system, intent.source)
    made = manifest.by_path if manifest is not None else {}
    if intent.whole_folder:
        removed: tuple[str, ...] = ("",)
        restored: tuple[str, ...] = ()
        changed = [*_changed_in(root, root, made), *_changed_git(root, intent)]
    else:
        removed = tuple(op.path for op in intent.ops if op.kind == "add" and _ours(op.path))
        restored = tuple(op.path for op in intent.ops if op.kind != "add" and _ours(op.path))
        changed = [path for op in intent.ops for path in _changed(root, op, made, intent)]
    return Undone(
        target=str(root),
        system=intent.system,
        source=intent.source,
        dry_run=dry_run,
        removed=removed,
        restored=restored,
        changed=tuple(sorted(changed)),
        whole_folder=intent.whole_folder,
    )


def _ours(path: str) -> bool:
    return not path.startswith(f"{STATE}/")


def _changed(root: Path, op: Op, made: dict[str, MadeFile], intent: Intent) -> Iterator[str]:
    """What a change has become since: nothing where it is as it was made."""
    place = root / op.path
    if op.path == ".git":
        yield from _changed_git(root, intent)
    elif op.kind == "remove":
        if os.path.lexists(place):
            yield op.path
    elif not _ours(op.path):
        return
    elif place.is_dir() and not place.is_symlink():
        yield from _changed_in(root, place, made)
    elif not os.path.lexists(place) or not _as_made(place, op.path, made):
        yield op.path


def _changed_in(root: Path, folder: Path, made: dict[str, MadeFile]) -> Iterator[str]:
    """Files in a folder that are not as they were made, and those that nobody made."""
    prefix = "" if folder == root else f"{folder.relative_to(root).as_posix()}/"
    seen = set[str]()
    for place in _files(folder):
        path = place.relative_to(root).as_posix()
        if path.startswith((f"{STATE}/", ".git/")):
            continue
        seen.add(path)
        if not _as_made(place, path, made):
            yield path
    yield from (path for path in made if path.startswith(prefix) and path not in seen)


def _files(folder: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        else:
            yield Path(entry.path)


def _as_made(place: Path, path: str, made: dict[str, MadeFile]) -> bool:
    file = made.get(path)
    with suppress(OSError):
        about = os.lstat(place)
        regular = stat.S_ISREG(about.st_mode)
        return (
            file is not None
            and regular
            and about.st_size == file.size
            and file_sha256(place) == file.sha256
        )
    return False


def _changed_git(root: Path, intent: Intent) -> Iterator[str]:
    if intent.commit and changed_since(root, intent.commit):
        yield _GIT


def _remove_whole(disk: Disk, root: Path, found: Undone) -> Undone:
    """The folder goes away at once; one in which somebody has worked is kept under another
    name."""
    if found.changed:
        number = 1
        while os.path.lexists(kept := root.with_name(f"{root.name}.undone-{number}")):
            number += 1
        disk.rename_new(root, kept)
        disk.sync_folder(root.parent)
        return found.model_copy(update={"kept_in": str(kept)})
    aside = beside(root, "undone")
    disk.rename_new(root, aside)
    disk.sync_folder(root.parent)
    disk.remove_tree(aside)
    return found


def _keep_aside(disk: Disk, root: Path, changed: tuple[str, ...]) -> str:
    """Copies of files that were changed since; where they are, "" when there are none."""
    there = [path for path in changed if os.path.lexists(root / path)]
    if not there:
        return ""
    number = 1
    while os.path.lexists(kept := root / f"longwatch-undone-{number}"):
        number += 1
    disk.make_folder(kept, 0o700)
    for path in there:
        place = kept / path
        for folder in reversed([place.parent, *place.parent.parents]):
            if kept in folder.parents and not folder.is_dir():
                disk.make_folder(folder, 0o700)
        os.link(root / path, place, follow_symlinks=False)  # of a link the link itself
    return str(kept)


def newest_target(places: Iterator[Path]) -> Path | None:
    """The first of some folders that has a migration to undo."""
    return next((place for place in places if folders(place, BACKUP)), None)
