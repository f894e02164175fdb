"""Small git repositories for tests, and git as a person would use it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from app.domain.base import RunId
from app.engine.workspaces import Workspace, Workspaces

RUN = RunId("run-abc")


def git(folder: Path, *words: str) -> str:
    """What a git command prints."""
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    done = subprocess.run(
        ["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def a_project(folder: Path) -> Path:
    """A repository with one commit on `main`; `*.tmp` is ignored."""
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "a.txt").write_text("one\n")
    (folder / ".gitignore").write_text("*.tmp\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


async def make(spaces: Workspaces, project: Path, name: str = "plan") -> Workspace:
    """A workspace at the project's head."""
    return await spaces.create(project, RUN, name, await spaces.head(project), name)
