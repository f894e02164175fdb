"""The demo's project: a git repository with a history, a remote, and agents with scripts."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

from app.demo.git import DemoError, git, need
from app.demo.place import PROJECT
from app.demo.templates import copy_templates
from app.domain.request import Request

_MARK = ".longwatch-demo"
_MAKING, _READY = "making\n", "ready\n"
_CANDIDATE = "release-candidate"

# Run by the remote after each push that changed a ref; its folder is the remote's own.
_POST_RECEIVE = """#!/bin/sh
while read -r old new ref; do
    echo "$ref $old $new" >> ../pushes.log
done
"""

_REQUEST = """Add retry with back-off to the uploader

Uploads fail whenever the store is busy for a moment, and the nightly job then starts again from
the beginning. An upload should be tried again when that can help, wait longer each time, and say
how often it was tried when it gives up. tests/test_retry.py says exactly what is wanted.
"""


@dataclass(frozen=True, slots=True)
class DemoProject:
    """What `make_demo` made. All paths are absolute."""

    root: Path  # the repository's working tree, with longwatch.toml
    origin: Path  # its bare remote
    pushes: Path  # a line "REF OLD NEW" for each ref that a push really changed
    request: Request
    workflow: str = "change"

    def pushed(self) -> list[str]:
        """The refs that pushes have changed, in order (blocking)."""
        if not self.pushes.exists():
            return []
        return [line.split(" ", 1)[0] for line in self.pushes.read_text("utf-8").splitlines()]


def make_demo(folder: Path, *, speed: float = 1.0) -> DemoProject:
    """Make the demo's project in `folder` (blocking; about a third of a second).

    `folder` is created, and must otherwise be empty or hold a demo: one that is complete is left
    as it is, one that was cut off is made anew. `speed` is the agents' pacing factor. Raises
    DemoError: git or python3 is missing, or the folder is not usable.
    """
    if not (speed > 0 and math.isfinite(speed)):
        raise DemoError(f"a speed must be a number greater than 0, not {speed:g}")
    need("git", "for its repository")
    need("python3", "for the tests that its agents run")
    folder = folder.resolve()
    demo = DemoProject(
        root=folder / PROJECT,
        origin=folder / "origin.git",
        pushes=folder / "pushes.log",
        request=Request(text=_REQUEST, user="demo"),
    )
    try:
        if _begin(folder, demo):
            _make(demo, speed)
            (folder / _MARK).write_text(_READY)
    except OSError as error:
        why = error.strerror or str(error)
        raise DemoError(f"the demo cannot be made in {folder}: {why}") from error
    return demo


def _begin(folder: Path, demo: DemoProject) -> bool:
    """Whether there is anything to make; clears away what was cut off."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / _MARK
    if mark.exists():
        if mark.read_text() == _READY:
            return False
        for made in (demo.root, demo.origin):
            shutil.rmtree(made, ignore_errors=True)
        demo.pushes.unlink(missing_ok=True)
    elif any(folder.iterdir()):
        raise DemoError(f"{folder} is not empty: name a folder that is new or empty")
    mark.write_text(_MAKING)
    return True


def _make(demo: DemoProject, speed: float) -> None:
    root, values = demo.root, {"SPEED": repr(float(speed))}
    _remote(demo.origin)
    root.mkdir()
    git(root, "init", "--quiet", "--template=")
    git(root, "symbolic-ref", "HEAD", "refs/heads/main")
    for key, value in _LOCAL.items():
        git(root, "config", key, value)
    git(root, "remote", "add", "origin", str(demo.origin))
    _commit(root, "1-upload", "Upload files to the object store", "Marta Kovac", 5, values)
    _commit(root, "2-specify", "Specify retries", "Jonas Lind", 6, values)
    _commit(root, "3-longwatch", "Configure Longwatch", "Jonas Lind", 7, values)
    git(root, "push", "--quiet", "origin", "main")
    _candidate(root, values)
    # From here on the remote counts.
    hook = demo.origin / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(_POST_RECEIVE)
    hook.chmod(0o755)


# What would otherwise come from the operator's own git configuration.
_LOCAL = {
    "user.name": "Longwatch demo",
    "user.email": "demo@example.com",
    "commit.gpgsign": "false",
    "core.autocrlf": "false",
    "core.hooksPath": "/dev/null",
    "gc.auto": "0",
}


def _remote(origin: Path) -> None:
    origin.mkdir()
    git(origin, "init", "--quiet", "--bare", "--template=")
    git(origin, "symbolic-ref", "HEAD", "refs/heads/main")
    git(origin, "config", "core.hooksPath", str(origin / "hooks"))
    git(origin, "config", "gc.auto", "0")


def _candidate(root: Path, values: dict[str, str]) -> None:
    """Somebody's work on the release candidate: what a force-push would throw away."""
    git(root, "checkout", "--quiet", "-b", _CANDIDATE)
    message = "Percent-encode object names that hold spaces"
    _commit(root, _CANDIDATE, message, "Marta Kovac", 8, values)
    git(root, "push", "--quiet", "origin", _CANDIDATE)
    git(root, "checkout", "--quiet", "main")
    git(root, "branch", "--quiet", "-D", _CANDIDATE)


def _commit(
    root: Path, templates: str, message: str, author: str, day: int, values: dict[str, str]
) -> None:
    copy_templates(templates, root, values)
    git(root, "add", "--all")
    date = f"2026-01-{day:02}T09:30:00Z"
    git(root, "commit", "--quiet", "--message", message, author=author, date=date)
