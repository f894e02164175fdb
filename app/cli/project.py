"""Which git repository a command is about."""

from __future__ import annotations

import subprocess
from pathlib import Path

from app.domain.errors import NotFound, Refused


def project_root(start: Path | None) -> Path:
    """The root of the git repository around `start` (default: the current folder).

    Raises NotFound when there is none, or no git, Refused when its path cannot be recorded.
    """
    place = (start or Path.cwd()).absolute()
    asked = _git(place, "rev-parse", "--show-toplevel")
    if asked.returncode != 0:
        raise NotFound(
            f"{place}: not in a git repository; change into one, name it with --project, "
            "or make one with `git init`"
        )
    try:
        return Path(asked.stdout.removesuffix(b"\n").decode())
    except UnicodeDecodeError:
        raise Refused(f"{place}: the path is not UTF-8 text; rename the folder") from None


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
        raise NotFound("git is not installed, and Longwatch works on git repositories") from None
