"""Killed before and after every change that a migration makes to the disk: `python -m` this with a
folder and "new" or "project". Prints how many instants were tried, and what was wrong after any."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.domain.errors import NotFound
from app.domain.migration import MigrationPlan
from app.migrate import stage
from app.migrate.apply import apply
from app.migrate.disk import Disk
from app.migrate.undo import undo
from tests.support.moving import CONFIG, a_plan, a_project, a_source, fingerprint

_CHANGES = (
    "make_folder",
    "write_new",
    "write_durably",
    "rename",
    "rename_new",
    "exchange",
    "remove_tree",
    "remove_folder",
    "set_times",
    "sync_all",
)


class Dying(Disk):
    """Kills this process at the nth instant: before or after one of the changes."""

    def __init__(self, last: int) -> None:
        self.last, self.seen = last, 0

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return self._watched(found) if name in _CHANGES else found

    def _watched(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any) -> Any:
            self._instant()
            result = change(*arguments)
            self._instant()
            return result

        return watched

    def _instant(self) -> None:
        self.seen += 1
        if self.seen == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


def killed(work: Callable[[Disk], object], at: int) -> bool:
    """Whether a child died in its work; False when it came to the end before."""
    child = os.fork()
    if child == 0:
        work(Dying(at))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def main(folder: Path, kind: str) -> int:
    stage._WORKERS = 1  # the same order each time
    # A kill loses nothing that was written: waiting for the disk would only take long.
    Disk.sync_all = lambda self, path: None  # type: ignore[method-assign]
    os.fsync = lambda fd: None
    home = a_source(folder)
    first, later = a_plan(home), a_plan(home, soul="New.\n", config=CONFIG.replace("llama", "l2"))
    base, target = folder / "base", folder / "target"
    if kind == "project":
        a_project(base)
        apply(first, base)  # so that files are added, replaced and taken away
        gone = home / "sessions/s1.jsonl"
        gone.unlink()
        later = later.model_copy(
            update={"copies": tuple(c for c in later.copies if c.source != str(gone))}
        )
    wrong = list[str]()
    for deed in ("apply", "undo"):
        tried = _all_instants(deed, base, target, later, wrong)
        print(deed, tried)
    print(*wrong[:20], sep="\n")
    return 1 if wrong else 0


def _all_instants(
    deed: str, base: Path, target: Path, plan: MigrationPlan, wrong: list[str]
) -> int:
    # Every instant with LONGWATCH_BOUNDARIES=all, else every third.
    step = 1 if os.environ.get("LONGWATCH_BOUNDARIES") == "all" else 3
    at = 1 - step
    while True:
        at += step
        _fresh(base, target)
        before = fingerprint(target, folder_times=False)
        if deed == "undo":
            apply(plan, target)
        make = (lambda disk: apply(plan, target, disk=disk)) if deed == "apply" else (
            lambda disk: undo(target, disk=disk)
        )  # fmt: skip
        if not killed(make, at):
            return at
        if at % 2:  # what the next command is makes no difference
            apply(plan, target)
            if not apply(plan, target).unchanged:
                wrong.append(f"{deed} {at}: not whole after the next one")
            undo(target)
        else:
            with suppress(NotFound):
                undo(target)
        # An undo of what was there before the crash goes one further back.
        after = fingerprint(target, folder_times=False)
        if after != before and not _earlier(after, base):
            differing = [k for k in before.keys() | after.keys() if before.get(k) != after.get(k)]
            wrong.append(f"{deed} {at}: not as it was: {sorted(differing)[:6]}")
        left = [p.name for p in target.parent.iterdir() if p.name.startswith(".target")]
        if left:
            wrong.append(f"{deed} {at}: left behind: {left}")


def _earlier(after: dict[str, str], base: Path) -> bool:
    """Whether it is the project as it was before any migration."""
    return base.exists() and "longwatch.toml" in after and ".longwatch/moved" not in after


def _fresh(base: Path, target: Path) -> None:
    if target.exists():
        shutil.rmtree(target)
    if base.exists():
        shutil.copytree(base, target, symlinks=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
