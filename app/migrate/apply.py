"""Carrying a migration out: looked at, staged beside its place, put in place at once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from app.domain.errors import Refused
from app.domain.migration import MigrationPlan
from app.domain.moving import Compared, FileState, MoveReport, Progress, Standing, Tell
from app.domain.text import one_line
from app.migrate.compare import Comparison, compare
from app.migrate.copying import file_sha256, shown
from app.migrate.disk import Disk, told
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
    next_name,
    state_of,
    times_of,
    write_intent,
)
from app.migrate.manifest import (
    STATE,
    MadeFile,
    Manifest,
    manifest_path,
    origin_key,
    text_sha256,
)
from app.migrate.prepare import Prepared, prepare
from app.migrate.report import make_report, markdown
from app.migrate.repository import has_commit, make_repository
from app.migrate.stage import Staging
from app.migrate.swap import put_in_place, recover, take_back, take_back_begun
from app.migrate.target import held, look_at


def nothing(progress: Progress) -> None:
    """Nobody is told."""


def never() -> bool:
    """Nobody stops it."""
    return False


def look(plan: MigrationPlan, folder: Path) -> Compared:
    """What an apply would do (blocking). Writes nothing. Raises Refused, ConfigError."""
    target = look_at(folder)
    if folders(target.root, WORK) or folders(target.root, UNDOING):
        raise Refused(
            f"a migration was cut off in {shown(target.root)}: run it without --dry-run, or"
            " `longwatch migrate undo`, which puts that right first"
        )
    return compare(prepare(plan, target)).compared


def dry_run(plan: MigrationPlan, folder: Path) -> MoveReport:
    """What an apply would report (blocking). Raises Refused, ConfigError."""
    return make_report(plan, look(plan, folder), dry_run=True)


def apply(
    plan: MigrationPlan,
    folder: Path,
    *,
    tell: Tell = nothing,
    canceled: Callable[[], bool] = never,
    disk: Disk | None = None,
) -> MoveReport:
    """Make it so (blocking); a second time with the same source changes nothing.

    Raises Refused or ConfigError, and then nothing is changed.
    """
    disk = disk or Disk()
    root = look_at(folder).root
    with held(root):
        with told("what an earlier migration has left could not be put right"):
            put_right(disk, root)
        made = prepare(plan, look_at(root))
        comparison = compare(made)
        if blocked := comparison.compared.in_the_way:
            raise Refused(_in_the_way(blocked, root))
        if not comparison.compared.changes:
            report = make_report(plan, comparison.compared, dry_run=False)
            return _with_place(report, plan, root)
        return _Apply(made, comparison, tell, canceled, disk).carry_out()


def put_right(disk: Disk, root: Path) -> str:
    """Finish what a crash has cut off; what that was, in a sentence. The target is held."""
    for kind in ("moving", "undone"):
        for beside in root.parent.glob(f".{_escaped(root.name)}.{kind}-*"):
            disk.remove_tree(beside)
    return recover(disk, root)


def _escaped(name: str) -> str:
    import glob

    return glob.escape(name)


def beside(root: Path, kind: str) -> Path:
    """A hidden place beside the target that is not taken."""
    number = 1
    while os.path.lexists(place := root.with_name(f".{root.name}.{kind}-{number}")):
        number += 1
    return place


def _in_the_way(blocked: tuple[FileState, ...], root: Path) -> str:
    first, more = blocked[0], len(blocked) - 1
    rest = f" (and {more} more, see --dry-run)" if more else ""
    return f"{shown(root / first.path)}: {first.note}{rest}; nothing was changed"


def _report_path(plan: MigrationPlan) -> str:
    return f"{STATE}/{origin_key(plan.system, plan.source)}.md"


def _with_place(report: MoveReport, plan: MigrationPlan, root: Path) -> MoveReport:
    path = _report_path(plan)
    return report.model_copy(update={"report_file": path}) if (root / path).exists() else report


class _Apply:
    def __init__(
        self,
        made: Prepared,
        comparison: Comparison,
        tell: Tell,
        canceled: Callable[[], bool],
        disk: Disk,
    ) -> None:
        self._made, self._plan, self._root = made, made.plan, made.target.root
        self._comparison, self._files = comparison, comparison.compared.files
        self._tell, self._canceled, self._disk = tell, canceled, disk
        report = make_report(self._plan, comparison.compared, dry_run=False)
        steps = report.next_steps
        if not made.target.fresh and not has_commit(self._root):
            steps = ("commit something: agents start from the last commit", *steps)
        self._report = report.model_copy(
            update={"report_file": _report_path(self._plan), "next_steps": steps}
        )

    def carry_out(self) -> MoveReport:
        if self._made.target.exists:
            self._into()
        else:
            self._whole()
        self._tell(Progress("done"))
        return self._report

    # ---- a target that does not exist: one rename of a whole folder

    def _whole(self) -> None:
        place = beside(self._root, "moving")
        with told(f"nothing was made in {shown(place.parent)}"):
            self._disk.make_folder(place, 0o755)
        try:
            files = self._stage(place)
            backup = place / STATE / f"{BACKUP}-0001"
            with told("nothing was made"):
                self._bookkeeping(place, files)
                commit = make_repository(place, self._message())
                self._disk.make_folder(backup, 0o700)
                intent = self._intent(whole_folder=True, commit=commit)
                write_intent(self._disk, backup, intent)
                self._tell(Progress("putting in place"))
                self._disk.sync_all(place)
                self._disk.rename_new(place, self._root)
                self._disk.sync_folder(self._root.parent)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise

    # ---- a target that is there: its files change places with staged ones

    def _into(self) -> None:
        state = state_of(self._root)
        made_folders = tuple(
            path for path in (".longwatch", STATE) if not (self._root / path).is_dir()
        )
        paths = [file.path for file in self._comparison.compared.changes]
        touched = {folder for path in paths for folder in _folders_of(path)}
        begun = self._intent(
            made_folders=made_folders,
            times=times_of(self._root, {"", ".longwatch", STATE, *touched}),
        )
        work = state / f"{WORK}-{next_name(self._root)}"
        with told(f"nothing was changed in {shown(self._root)}"):
            for folder in made_folders:
                self._disk.make_folder(self._root / folder, 0o700 if folder == STATE else 0o755)
            self._disk.make_folder(work, 0o700)
        try:
            intent = self._staged(work, begun)
        except BaseException:
            with suppress(OSError):
                take_back_begun(self._disk, self._root, work)
            raise
        self._tell(Progress("putting in place"))
        with told(f"nothing was changed in {shown(self._root)}"):
            try:
                put_in_place(self._disk, self._root, work, intent)
            except OSError:
                take_back(self._disk, self._root, work, intent)
                raise

    def _staged(self, work: Path, begun: Intent) -> Intent:
        """All of it on the disk, and the intent as the last; from then on there is no way back
        but an undo."""
        top = work / NEW
        with told(f"nothing was changed in {shown(self._root)}"):
            write_intent(self._disk, work, begun, BEGUN)
            self._disk.make_folder(top, 0o700)
            self._disk.make_folder(work / OLD, 0o700)
        files = self._stage(top)
        with told(f"nothing was changed in {shown(self._root)}"):
            self._bookkeeping(top, files)
            commit = ""
            if self._made.target.fresh:
                commit = make_repository(top, self._message())
            ops = tuple(self._ops(top, files, git=bool(commit)))
            self._writable(ops)
            intent = begun.model_copy(update={"ops": ops, "commit": commit})
            self._disk.sync_all(top)
            write_intent(self._disk, work, intent)
        return intent

    def _ops(self, top: Path, files: dict[str, MadeFile], *, git: bool) -> Iterable[Op]:
        added = set[str]()
        names = [".git"] if git else []
        state = [p for p in self._state_paths() if (top / p).exists()]
        digests = {path: file.sha256 for path, file in files.items()}
        for path in [*names, *sorted(files), *state]:
            unit = self._missing(path)
            if unit is None:
                sha = digests.get(path) or text_sha256((top / path).read_bytes())
                if file_sha256(self._root / path) != sha:
                    yield Op(kind="replace", path=path, sha256=sha)
            elif unit not in added:
                added.add(unit)
                yield Op(kind="add", path=unit, sha256=digests.get(unit, ""))
        for file in self._files:
            if file.standing is Standing.REMOVED:
                yield Op(kind="remove", path=file.path)

    def _missing(self, path: str) -> str | None:
        """The outermost part of a path that is not there; None if all of it is."""
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            part = "/".join(parts[:end])
            if not os.path.lexists(self._root / part):
                return part
        return None

    def _writable(self, ops: tuple[Op, ...]) -> None:
        for folder in {(self._root / op.path).parent for op in ops}:
            if not os.access(folder, os.W_OK | os.X_OK):
                raise Refused(f"{shown(folder)} cannot be written; nothing was changed")

    # ---- both

    def _stage(self, top: Path) -> dict[str, MadeFile]:
        self._tell(Progress("copying"))
        return Staging(self._disk, self._made, top, self._tell, self._canceled).stage(self._files)

    def _state_paths(self) -> tuple[str, ...]:
        report = _report_path(self._plan)
        manifest = manifest_path(self._plan.system, self._plan.source)
        return manifest, report, report.removesuffix(".md") + "-report.json"

    def _bookkeeping(self, top: Path, files: dict[str, MadeFile]) -> None:
        """The manifest and the reports."""
        plan, made = self._plan, self._made
        kept = {p: f for p, f in self._comparison.kept.items() if p not in files}
        manifest = Manifest(
            system=plan.system,
            source=plan.source,
            scrubbed_by=made.scrubbed_by,
            files=tuple(file for _, file in sorted({**kept, **files}.items())),
            entries=made.entries,
            variables=made.variables,
        )
        texts = (
            manifest.model_dump_json(indent=1),
            markdown(self._report),
            self._report.model_dump_json(indent=1),
        )
        folder = top
        for part in STATE.split("/"):
            folder = folder / part
            if not folder.is_dir():
                self._disk.make_folder(folder, 0o700 if part == "moved" else 0o755)
        for path, text in zip(self._state_paths(), texts, strict=True):
            self._disk.write_new(top / path, text.encode("utf-8", "replace"), 0o600)

    def _intent(
        self,
        *,
        made_folders: tuple[str, ...] = (),
        times: tuple[object, ...] = (),
        whole_folder: bool = False,
        commit: str = "",
    ) -> Intent:
        return Intent.model_validate(
            {
                "system": self._plan.system,
                "source": self._plan.source,
                "made_folders": made_folders,
                "times": times,
                "whole_folder": whole_folder,
                "commit": commit,
            }
        )

    def _message(self) -> str:
        return f"Move in from {self._plan.system} ({one_line(self._plan.source, 200)})"


def _folders_of(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]
