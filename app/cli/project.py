"""Which git repository a command is about."""

from __future__ import annotations

import subprocess
from pathlib import Path

from app.domain.errors import NotFound


def project_root(start: Path | None) -> Path:
    """The root of the git repository around `start` (default: the current folder).

    Raises NotFound when there is none, or no git.
    """
    place = (start or Path.cwd()).absolute()
    try:
        asked = subprocess.run(
            ["git", "-C", str(place), "rev-parse", "--show-toplevel"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise NotFound("git is not installed, and Longwatch works on git repositories") from None
    if asked.returncode != 0:
        raise NotFound(
            f"{place}: not in a git repository; change into one, name it with --project, "
            "or make one with `git init`"
        )
    return Path(asked.stdout.rstrip("\n"))
