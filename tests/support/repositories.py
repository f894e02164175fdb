"""Real git repositories for tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_NOBODY = {
    "PATH": os.environ.get("PATH", os.defpath),
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    **{f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME",)},
    **{f"GIT_{who}_EMAIL": "test@localhost" for who in ("AUTHOR", "COMMITTER")},
    "GIT_ALLOW_PROTOCOL": "file",
}


def git(folder: Path, *words: str) -> str:
    """What a git command printed; CalledProcessError if it failed."""
    done = subprocess.run(
        ["git", *words], cwd=folder, env=_NOBODY, capture_output=True, text=True, check=True
    )
    return done.stdout.removesuffix("\n")


def a_repository(folder: Path, **files: str) -> Path:
    """A repository with one commit, that has `a.txt` and `.gitignore`."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "a.txt").write_text("one\ntwo\nthree\n")
    (folder / ".gitignore").write_text("*.log\n")
    for name, text in files.items():
        (folder / name).write_text(text)
    return commit_all(folder)


def commit_all(folder: Path, message: str = "work") -> Path:
    """Commit everything."""
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return folder


def head(folder: Path, what: str = "HEAD") -> str:
    """The commit that a name stands for."""
    return git(folder, "rev-parse", "--verify", what)


def files_of(folder: Path, commit: str) -> set[str]:
    """Names of all files in a commit."""
    return set(git(folder, "ls-tree", "-r", "--name-only", commit).splitlines())
