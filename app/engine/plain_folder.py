"""Projects that are no git repository: a folder whose `longwatch.toml` says that it is one."""

from __future__ import annotations

import os
from pathlib import Path

from app.domain.errors import Refused
from app.domain.text import one_line

_CONFIG_FILE = "longwatch.toml"


def is_plain(project: Path) -> bool:
    """Whether a project's root is a plain folder (blocking)."""
    return not has_git(project) and project.is_dir()


def has_git(folder: Path) -> bool:
    """Whether a folder is the top of a repository, or should be (blocking)."""
    return os.path.lexists(folder / ".git")


def plain_root(place: Path) -> Path | None:
    """The plain project that a folder is in (blocking): the nearest `longwatch.toml` upwards.

    None when there is none. Raises Refused for a folder of which nobody wants copies.
    """
    here = place.resolve()
    for folder in (here, *here.parents):
        if has_git(folder):
            return None  # a repository that git does not take as one
        if (folder / _CONFIG_FILE).is_file():
            check_plain(folder)
            return folder
    return None


def check_plain(folder: Path) -> None:
    """Raises Refused when copies of the folder would hold far more than a project."""
    home = Path.home().resolve()
    if folder == home or folder in home.parents:
        whose = "your home folder" if folder == home else "a folder that holds your home folder"
        raise Refused(
            f"{one_line(str(folder), 300)} is {whose}, and every session would work on a copy of "
            "all of it: use a folder of its own for the project"
        )
