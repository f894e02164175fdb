"""The git repository of a project that a migration makes: agents work in worktrees of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from app.domain.errors import Refused
from app.domain.text import one_line

_SECONDS = 300.0
_WHO = "Longwatch"


def make_repository(folder: Path, message: str) -> str:
    """Make a repository of a folder and commit what is not ignored in it (blocking); the commit.
    Raises Refused."""
    _git(folder, "init", "--quiet", "--template=")
    _git(folder, "symbolic-ref", "HEAD", "refs/heads/main")
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--allow-empty", "--no-verify", "--message", message)
    return _git(folder, "rev-parse", "HEAD").strip()


def changed_since(folder: Path, commit: str) -> bool:
    """Whether anything was committed, or made a branch of, since the first commit (blocking)."""
    try:
        refs = _git(folder, "for-each-ref", "--format=%(objectname)").split()
    except Refused:
        return True
    return refs != [commit]


def has_commit(folder: Path) -> bool:
    """Whether a repository has something that agents could start from (blocking)."""
    try:
        _git(folder, "rev-parse", "--quiet", "--verify", "HEAD^{commit}")
    except Refused:
        return False
    return True


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise Refused("git is not installed, and Longwatch works on git repositories") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"git {words[0]} in {folder} did not work: {error}") from error
    if done.returncode != 0:
        said = one_line(done.stderr, 300) or f"exit code {done.returncode}"
        raise Refused(f"git {words[0]} in {folder} failed: {said}")
    return done.stdout


def _environment() -> dict[str, str]:
    """Deaf to the machine's configuration: no hooks, no signing, no other repository."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
    for role in ("AUTHOR", "COMMITTER"):
        own[f"GIT_{role}_NAME"] = _WHO
        own[f"GIT_{role}_EMAIL"] = "longwatch@localhost"
    return kept | own
