"""What a migration would do to a folder, what it has done, and how far it is. Values only."""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from app.domain.base import Model
from app.domain.migration import Fate, Imported, KeyRecord, Skipped, Warned


class Standing(StrEnum):
    """How a planned file compares with what is there."""

    NEW = "new"
    CHANGED = "changed"  # it would be replaced, or merged into what is there
    SAME = "same"
    KEPT = "kept"  # a person has changed it here since: theirs stays
    REMOVED = "removed"  # an earlier migration made it, and this one does not
    IN_THE_WAY = "in the way"  # something else is there: nothing can be applied


TOUCHED = (Standing.NEW, Standing.CHANGED, Standing.REMOVED)


class FileState(Model):
    """One file of a target. `diff` is empty where its content is secret, or is no text."""

    path: str  # relative to the target
    standing: Standing
    size: int = 0  # bytes that it would have
    private: bool = False
    secret: bool = False
    diff: str = ""
    note: str = ""


class Compared(Model):
    """A plan against a target: the same for a dry run and for an apply."""

    system: str
    generation: str
    source: str
    target: str
    fresh: bool  # the target does not exist, or is empty: it becomes a git repository
    files: tuple[FileState, ...]
    warnings: tuple[Warned, ...] = ()  # of the plan, and of the merge

    @property
    def changes(self) -> tuple[FileState, ...]:
        """What an apply would touch."""
        return tuple(file for file in self.files if file.standing in TOUCHED)

    @property
    def in_the_way(self) -> tuple[FileState, ...]:
        return tuple(file for file in self.files if file.standing is Standing.IN_THE_WAY)


class KeyCounts(Model):
    """What became of the leaves of the source's configuration. The four add up to `total`."""

    total: int
    mapped: int
    archived: int
    refused: int
    secret: int


class MoveReport(Model):
    """What was, or would be, done. Holds no secret."""

    system: str
    generation: str
    source: str
    target: str
    dry_run: bool
    unchanged: bool  # everything was as it would be made: nothing was done
    imported: tuple[Imported, ...]
    changed: tuple[FileState, ...]  # without their differences
    skipped: tuple[Skipped, ...]
    unused: tuple[KeyRecord, ...]  # keys without effect here, each with the reason
    warnings: tuple[Warned, ...]
    next_steps: tuple[str, ...]
    secrets: tuple[str, ...]  # names, never values
    keys: KeyCounts
    report_file: str = ""  # where this lies as Markdown, relative to the target

    @property
    def touched(self) -> int:
        """How many files were, or would be, made, changed or taken away."""
        return sum(file.standing in TOUCHED for file in self.changed)


class Undone(Model):
    """What taking a migration back did, or would do."""

    target: str
    system: str
    source: str
    dry_run: bool
    removed: tuple[str, ...]  # made by the migration
    restored: tuple[str, ...]  # as they were before it
    changed: tuple[str, ...]  # touched since by somebody else; kept aside when it is forced
    kept_in: str = ""  # where those are
    whole_folder: bool = False


class Progress(NamedTuple):
    """How far an apply is. `done` and `total` are bytes."""

    phase: str  # "reading", "copying", "putting in place", "done"
    done: int = 0
    total: int = 0
    path: str = ""


Tell = Callable[[Progress], None]


def counts(keys: tuple[KeyRecord, ...], total: int) -> KeyCounts:
    """How many leaves met which fate."""
    number = {fate: sum(1 for key in keys if key.fate is fate) for fate in Fate}
    return KeyCounts(
        total=total,
        mapped=number[Fate.MAPPED],
        archived=number[Fate.ARCHIVED],
        refused=number[Fate.REFUSED],
        secret=number[Fate.SECRET],
    )
