"""Git for the demo's repositories, deaf to whatever git configuration the machine has."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from app.domain.errors import LongwatchError

_TIMEOUT_SECONDS = 60


class DemoError(LongwatchError):
    """The demo's project cannot be made."""


def need(program: str, what_for: str) -> None:
    """Raises DemoError unless `program` is on PATH."""
    if shutil.which(program) is None:
        raise DemoError(f"the demo needs {program} {what_for}: install it, or put it on PATH")


def git(folder: Path, *arguments: str, author: str = "", date: str = "") -> str:
    """Run git in `folder` (blocking); what it printed. Raises DemoError."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=_environment(author, date),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DemoError(f"git {arguments[0]} in {folder} did not work: {error}") from error
    if done.returncode != 0:
        said = done.stderr.strip() or f"exit code {done.returncode}"
        raise DemoError(f"git {arguments[0]} in {folder} failed: {said}")
    return done.stdout


def _environment(author: str, date: str) -> dict[str, str]:
    # GIT_DIR and its like, as inside a hook, would send the commands to another repository.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
    for role in ("AUTHOR", "COMMITTER") if author else ():
        own[f"GIT_{role}_NAME"] = author
        own[f"GIT_{role}_EMAIL"] = f"{author.lower().replace(' ', '.')}@example.com"
        own[f"GIT_{role}_DATE"] = date
    return kept | own
