"""Workspaces in an operator's repository: its hooks, settings, locks and worktrees are its own."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from app.domain.base import RunId
from app.engine.processes import ProcessRegistry
from app.engine.workspaces import Workspace, Workspaces
from tests.support.children import orphans


def git(folder: Path, *words: str) -> str:
    """What a git command prints."""
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    done = subprocess.run(
        ["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "a.txt").write_text("one\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


@pytest.fixture
def spaces(processes: ProcessRegistry, tmp_path: Path) -> Workspaces:
    return Workspaces(tmp_path / "store" / "workspaces", processes)


async def make(spaces: Workspaces, project: Path) -> Workspace:
    return await spaces.create(project, RunId("run-1"), "plan", await spaces.head(project), "plan")


async def test_other_worktrees_of_the_operator_are_left_alone(
    spaces: Workspaces, project: Path, tmp_path: Path
) -> None:
    git(project, "worktree", "add", "-q", "-b", "mine", str(tmp_path / "mine"))
    (tmp_path / "mine").rename(tmp_path / "unplugged")
    workspace = await make(spaces, project)
    shutil.rmtree(workspace.path)
    await make(spaces, project)
    (tmp_path / "unplugged").rename(tmp_path / "mine")
    assert git(tmp_path / "mine", "branch", "--show-current") == "mine"


async def test_metadata_emptied_by_a_power_loss_is_made_anew_and_the_files_are_kept(
    spaces: Workspaces, project: Path
) -> None:
    workspace = await make(spaces, project)
    (workspace.path / "b.txt").write_text("unfinished\n")
    for name in ("HEAD", "commondir"):
        (project / ".git/worktrees/plan" / name).write_text("")
    assert await make(spaces, project) == workspace
    assert git(workspace.path, "status", "--porcelain") == ""
    assert git(workspace.path, "branch", "--show-current") == workspace.git_branch
    aside = workspace.path.with_name("plan.kept-1")
    assert (aside / "b.txt").read_text() == "unfinished\n"


async def test_a_cancelled_creation_is_made_whole_the_next_time(
    spaces: Workspaces, project: Path, store_id: str
) -> None:
    for delay in (0.005, 0.01, 0.02, 0.03, 0.05):
        making = asyncio.create_task(make(spaces, project))
        await asyncio.sleep(delay)
        making.cancel()
        await asyncio.wait([making])
        assert orphans(store_id) == []
    workspace = await make(spaces, project)
    assert (workspace.path / "a.txt").read_text() == "one\n"
    assert git(workspace.path, "status", "--porcelain") == ""


async def test_a_lock_in_the_operators_refs_is_left_alone(
    spaces: Workspaces, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.engine.git._LOCK_PATIENCE_SECONDS", 0.5)
    workspace = await make(spaces, project)
    lock = project / ".git/packed-refs.lock"
    lock.touch()
    released = await spaces.release(project, workspace)
    assert (released.removed, released.branch_kept) == (True, True)
    assert lock.exists()


async def test_a_diff_is_the_same_whatever_the_operator_configured(
    spaces: Workspaces, project: Path
) -> None:
    for key, value in (
        ("diff.noprefix", "true"),
        ("diff.external", "false"),
        ("color.ui", "always"),
        ("diff.mnemonicPrefix", "true"),
    ):
        git(project, "config", key, value)
    path = (await make(spaces, project)).path
    (path / "a.txt").write_text("one\n\033[31mtwo\033]0;x\a\n")
    base = await spaces.head(project)
    commit = await spaces.snapshot(path, "made")
    assert commit is not None
    lines = (await spaces.diff(project, base, commit)).splitlines()
    assert lines[0] == "diff --git a/a.txt b/a.txt"
    assert lines[-3:] == ["@@ -1 +1,2 @@", " one", "+two␛]0;x␇"]


async def test_a_foreign_folder_is_never_released(
    spaces: Workspaces, project: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    released = await spaces.release(project, Workspace(tmp_path / "other", "main"))
    assert "is not a worktree of this project" in released.why
    assert (await spaces.release(project, Workspace(project, "main"))).removed is False
    assert git(project, "branch", "--show-current") == "main"
