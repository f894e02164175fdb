"""Which project a command is about: a git repository, or a plain folder with longwatch.toml."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from app.domain.errors import NotFound, Refused


def project_root(start: Path | None) -> Path:
    """The root of the project around `start` (default: the current folder).

    Raises NotFound when there is none, or no git, Refused when its path cannot be recorded, or
    nobody wants copies of it.
    """
    place = (start or Path.cwd()).absolute()
    asked = _git(place, "rev-parse", "--show-toplevel")
    if asked.returncode != 0:
        return _plain(place, asked.stderr)
    return _recorded(place, asked.stdout.removesuffix(b"\n"))


def new_root(start: Path | None) -> Path:
    """Where a project is to be begun: as `project_root`, or a folder that is in none yet."""
    from app.engine.plain_folder import check_plain, has_git

    place = (start or Path.cwd()).absolute()
    try:
        return project_root(start)
    except NotFound:
        _git(place, "--version")  # which says so when there is none
        if has_git(place) or not place.is_dir():
            raise
        check_plain(place.resolve())
        return _recorded(place, os.fsencode(place.resolve()))


def _plain(place: Path, said: bytes) -> Path:
    from app.engine.plain_folder import plain_root

    found = plain_root(place) if b"not a git repository" in said else None
    if found is None:
        raise NotFound(
            f"{place}: not in a git repository; change into one, name it with --project, make one "
            "with `git init`, or run `longwatch init` here, and agents work on copies of the folder"
        )
    return _recorded(place, os.fsencode(found))


def _recorded(place: Path, path: bytes) -> Path:
    try:
        return Path(path.decode())
    except UnicodeDecodeError:
        raise Refused(f"{place}: the path is not UTF-8 text; rename the folder") from None


def isolation(root: Path) -> str:
    """What to tell of how sessions are kept apart; empty for a git repository, where each has a
    worktree of it as usual."""
    from app.engine.plain_folder import is_plain

    if not is_plain(root):
        return ""
    return (
        f"note: {root} is no git repository: each session works on a private copy of it, and "
        "`longwatch take RUN` brings the result back"
    )


def unseen_changes(root: Path) -> str:
    """What to tell of changes that are in no commit, which agents therefore do not see; empty
    when there are none but to Longwatch's own files, which are read from the checkout."""
    ours = (":(exclude,top)longwatch.toml", ":(exclude,top).longwatch")
    asked = _git(root, "status", "--porcelain", "-z", "--no-renames", "--", ":/", *ours)
    count = asked.stdout.count(b"\0")
    if asked.returncode != 0 or count == 0:
        return ""
    what = "1 file has" if count == 1 else f"{count} files have"
    return (
        f"note: {what} changes in {root} that are not committed; agents start from the last "
        "commit and do not see them"
    )


def _git(place: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", "--no-optional-locks", "-C", str(place), *words],
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise NotFound(
            "git is not installed, and Longwatch keeps the work of agents with it; install git"
        ) from None
