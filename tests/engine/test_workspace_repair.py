"""Worktrees that a crash, an agent or an operator has left in an odd state."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from app.domain.base import RunId
from app.engine import git as git_module
from app.engine.processes import ProcessRegistry
from app.engine.workspaces import Workspace, WorkspaceError, Workspaces
from tests.support.repositories import a_repository, commit_all, git, head

RUN = RunId("run-1")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return a_repository(tmp_path / "project")


@pytest.fixture
def workspaces(tmp_path: Path, processes: ProcessRegistry) -> Workspaces:
    return Workspaces(tmp_path / "worktrees", processes)


@pytest.fixture
async def worked(workspaces: Workspaces, project: Path) -> Workspace:
    """A workspace with a commit on its branch and something not committed."""
    workspace = await workspaces.create(project, RUN, "plan", head(project), "plan")
    (workspace.path / "work.txt").write_text("work")
    await workspaces.snapshot(workspace.path, "work")
    (workspace.path / "unsaved.txt").write_text("unsaved")
    return workspace


async def again(workspaces: Workspaces, project: Path) -> Workspace:
    """What a restarted supervisor asks for."""
    return await workspaces.create(project, RUN, "plan", head(project), "plan")


def metadata_of(project: Path, workspace: Workspace) -> Path:
    return Path(git(workspace.path, "rev-parse", "--absolute-git-dir"))


def kept(workspace: Workspace) -> list[Path]:
    return sorted(workspace.path.parent.glob("*.kept-*"))


async def test_a_deleted_folder_is_made_again_with_its_commits(
    workspaces: Workspaces, project: Path, worked: Workspace
) -> None:
    tip = head(project, worked.git_branch)
    shutil.rmtree(worked.path)
    assert await again(workspaces, project) == worked
    assert head(worked.path) == tip
    assert (worked.path / "work.txt").read_text() == "work"
    assert git(worked.path, "status", "--porcelain") == ""


async def test_a_deleted_folder_of_a_locked_worktree_is_made_again(
    workspaces: Workspaces, project: Path, worked: Workspace
) -> None:
    git(project, "worktree", "lock", str(worked.path))
    shutil.rmtree(worked.path)
    await again(workspaces, project)
    assert (worked.path / "work.txt").exists()


async def test_a_locked_worktree_is_used_as_it_stands(
    workspaces: Workspaces, project: Path, worked: Workspace
) -> None:
    git(project, "worktree", "lock", str(worked.path))
    await again(workspaces, project)
    assert (worked.path / "unsaved.txt").exists()
    assert "locked" in git(project, "worktree", "list", "--porcelain")


async def test_a_branch_without_a_worktree_is_taken_up(
    workspaces: Workspaces, project: Path, worked: Workspace
) -> None:
    tip = head(project, worked.git_branch)
    git(project, "worktree", "remove", "--force", str(worked.path))
    await again(workspaces, project)
    assert head(worked.path) == tip


async def test_a_folder_without_metadata_is_moved_aside(
    workspaces: Workspaces, project: Path, worked: Workspace
) -> None:
    tip = head(project, worked.git_branch)
    shutil.rmtree(metadata_of(project, worked))
    await again(workspaces, project)
    assert head(worked.path) == tip
    assert not (worked.path / "unsaved.txt").exists()
    assert [(folder / "unsaved.txt").read_text() for folder in kept(worked)] == ["unsaved"]


async def test_a_lost_git_file_is_written_again(
    workspaces: Workspaces, project: Path, worked: Workspace
) -> None:
    (worked.path / ".git").unlink()
    await again(workspaces, project)
    assert (worked.path / "unsaved.txt").read_text() == "unsaved"
    assert git(worked.path, "branch", "--show-current") == worked.git_branch
    assert kept(worked) == []


async def test_a_half_made_worktree_is_made_anew(workspaces: Workspaces, project: Path) -> None:
    path = (await again(workspaces, project)).path
    metadata = Path(git(path, "rev-parse", "--absolute-git-dir"))
    (metadata / "locked").write_text("initializing\n")
    (metadata / "index").unlink()
    (path / "a.txt").unlink()
    workspace = await again(workspaces, project)
    assert (path / "a.txt").exists()
    assert git(path, "status", "--porcelain") == ""
    assert not (Path(git(path, "rev-parse", "--absolute-git-dir")) / "locked").exists()
    assert kept(workspace) == []


@pytest.mark.parametrize("kind", ["foreign", "file", "folder", "link"])
async def test_what_stands_at_its_place_is_moved_aside(
    workspaces: Workspaces, project: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "worktrees/run-1/plan"
    path.parent.mkdir(parents=True)
    if kind == "foreign":
        a_repository(path)
    elif kind == "folder":
        path.mkdir()
        (path / "mine").touch()
    elif kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to(project)
    workspace = await again(workspaces, project)
    assert git(path, "branch", "--show-current") == workspace.git_branch
    assert not path.is_symlink()
    assert len(kept(workspace)) == 1


async def test_an_empty_folder_is_used(
    workspaces: Workspaces, project: Path, tmp_path: Path
) -> None:
    (tmp_path / "worktrees/run-1/plan").mkdir(parents=True)
    workspace = await again(workspaces, project)
    assert (workspace.path / "a.txt").exists()
    assert kept(workspace) == []


async def test_locks_of_a_killed_git_are_removed(
    workspaces: Workspaces, project: Path, worked: Workspace
) -> None:
    (metadata_of(project, worked) / "index.lock").touch()
    await again(workspaces, project)
    assert await workspaces.snapshot(worked.path, "more") == head(worked.path)


async def test_a_lock_that_nobody_holds_is_removed_after_a_while(
    workspaces: Workspaces, project: Path, worked: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_module, "_LOCK_PATIENCE_SECONDS", 0.3)
    lock = metadata_of(project, worked) / "index.lock"
    lock.touch()
    await workspaces.snapshot(worked.path, "more")
    assert not lock.exists()


async def test_a_lock_of_the_operators_own_git_is_respected(
    workspaces: Workspaces, project: Path, worked: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_module, "_LOCK_PATIENCE_SECONDS", 0.3)
    git(project, "branch", "-f", "other")
    lock = project / ".git/packed-refs.lock"
    lock.touch()
    git(worked.path, "checkout", "-q", "--detach", "main")
    await workspaces.snapshot(worked.path, "more")
    assert lock.exists()


async def test_a_worktree_on_another_branch_keeps_it(
    workspaces: Workspaces, project: Path, worked: Workspace
) -> None:
    git(worked.path, "checkout", "-q", "-b", "agents-own")
    await again(workspaces, project)
    assert git(worked.path, "branch", "--show-current") == "agents-own"
    assert (worked.path / "unsaved.txt").exists()


async def test_a_worktree_that_was_led_elsewhere_is_not_worked_in(
    workspaces: Workspaces, project: Path, worked: Workspace, tmp_path: Path
) -> None:
    """An agent can write the .git file; settings of what it names would run programs for us."""
    foreign = a_repository(tmp_path / "foreign")
    (worked.path / ".git").write_text(f"gitdir: {foreign / '.git'}\n")
    before = head(foreign)
    with pytest.raises(WorkspaceError, match="no longer belongs to"):
        await workspaces.snapshot(worked.path, "stolen")
    with pytest.raises(WorkspaceError, match="no longer belongs to"):
        await workspaces.advance(worked.path, before)
    with pytest.raises(WorkspaceError, match="no longer belongs to"):
        await workspaces.working_diff(worked.path, before)
    assert head(foreign) == before
    await again(workspaces, project)
    assert await workspaces.snapshot(worked.path, "work") == head(project, worked.git_branch)


async def test_a_folder_that_is_gone_is_said_in_one_sentence(
    workspaces: Workspaces, project: Path, worked: Workspace
) -> None:
    shutil.rmtree(worked.path)
    with pytest.raises(WorkspaceError, match="no longer belongs to"):
        await workspaces.snapshot(worked.path, "work")
    assert (await workspaces.release(project, worked)).branch_kept


async def test_commits_survive_every_repair(workspaces: Workspaces, project: Path) -> None:
    tips = list[str]()
    for number in range(3):
        workspace = await again(workspaces, project)
        (workspace.path / f"{number}.txt").write_text("work")
        tips.append(head(commit_all(workspace.path)))
        metadata = metadata_of(project, workspace)
        if number == 0:
            shutil.rmtree(metadata)
        elif number == 1:
            (metadata / "HEAD").write_text("")
        else:
            (metadata / "gitdir").unlink()
    workspace = await again(workspaces, project)
    held = git(workspace.path, "rev-list", "HEAD").splitlines()
    assert set(tips) <= set(held)
