"""Workspaces: worktrees that survive crashes, and never lose an agent's work."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from app.domain.base import RunId
from app.domain.errors import LongwatchError
from app.engine.processes import ProcessRegistry
from app.engine.workspaces import Workspace, Workspaces
from app.engine.worktrees import safe_name
from tests.support.children import orphans
from tests.support.repositories import RUN, a_project, git, make


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return a_project(tmp_path / "project")


@pytest.fixture
def spaces(processes: ProcessRegistry, tmp_path: Path) -> Workspaces:
    return Workspaces(tmp_path / "store" / "workspaces", processes)


async def test_a_folder_names_its_repository(spaces: Workspaces, project: Path) -> None:
    (project / "sub").mkdir()
    assert await spaces.repository(project / "sub") == project


async def test_what_is_no_repository_is_said_plainly(
    spaces: Workspaces, project: Path, tmp_path: Path
) -> None:
    with pytest.raises(LongwatchError, match="is not a git repository: run `git init`"):
        await spaces.repository(tmp_path)
    with pytest.raises(LongwatchError, match="nowhere is not a folder"):
        await spaces.repository(tmp_path / "nowhere")
    git(tmp_path, "init", "-q", "--bare", "bare.git")
    with pytest.raises(LongwatchError, match="is a bare repository"):
        await spaces.repository(tmp_path / "bare.git")
    git(tmp_path, "init", "-q", "empty")
    with pytest.raises(LongwatchError, match="has no commit yet"):
        await spaces.head(tmp_path / "empty")


async def test_a_workspace_is_a_worktree_on_its_own_branch(
    spaces: Workspaces, project: Path, tmp_path: Path
) -> None:
    base = git(project, "rev-parse", "HEAD")
    workspace = await make(spaces, project)
    assert workspace.path == tmp_path / "store/workspaces/run-abc/plan"
    assert workspace.git_branch == "longwatch/abc/plan"
    assert (workspace.path / "a.txt").read_text() == "one\n"
    assert git(workspace.path, "symbolic-ref", "HEAD") == "refs/heads/longwatch/abc/plan"
    assert git(workspace.path, "rev-parse", "HEAD") == base
    assert git(project, "status", "--porcelain") == ""


async def test_hooks_do_not_run(spaces: Workspaces, project: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    for name in (
        "post-checkout",
        "pre-commit",
        "commit-msg",
        "post-commit",
        "reference-transaction",
    ):
        hook = project / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\necho {name} >> {told}\nexit 1\n")
        hook.chmod(0o755)
    workspace = await make(spaces, project)
    (workspace.path / "b.txt").write_text("two\n")
    assert await spaces.snapshot(workspace.path, "made") is not None
    assert not told.exists()


async def test_creating_again_changes_nothing(spaces: Workspaces, project: Path) -> None:
    workspace = await make(spaces, project)
    (workspace.path / "b.txt").write_text("unfinished\n")
    git(workspace.path, "checkout", "-qb", "elsewhere")
    assert await make(spaces, project) == workspace
    assert (workspace.path / "b.txt").read_text() == "unfinished\n"
    assert git(workspace.path, "branch", "--show-current") == "elsewhere"


async def test_many_at_once_in_one_repository(spaces: Workspaces, project: Path) -> None:
    names = [f"branch-{n}" for n in range(6)]
    made = await asyncio.gather(*(make(spaces, project, name) for name in names))
    assert {workspace.path.name for workspace in made} == set(names)
    assert all((workspace.path / "a.txt").exists() for workspace in made)


async def test_names_never_leave_the_root(
    spaces: Workspaces, project: Path, tmp_path: Path
) -> None:
    base = await spaces.head(project)
    for name in ("../../out", "/etc", "..", "a b", "-rf", "x.lock", "ü" * 300):
        workspace = await spaces.create(project, RunId("../run"), "plan", base, name)
        assert workspace.path.parent.parent == tmp_path / "store/workspaces"
        assert workspace.path.is_dir()
    assert safe_name("a b") != safe_name("a-b") == "a-b"


async def test_an_unknown_base_is_refused(spaces: Workspaces, project: Path) -> None:
    with pytest.raises(LongwatchError, match="step plan: no workspace could be made") as caught:
        await spaces.create(project, RUN, "plan", "f" * 40, "plan")
    assert "fatal:" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def _folder_alone(project: Path, workspace: Workspace) -> None:
    shutil.rmtree(project / ".git/worktrees/plan")


def _metadata_alone(project: Path, workspace: Workspace) -> None:
    shutil.rmtree(workspace.path)


def _locked_metadata_alone(project: Path, workspace: Workspace) -> None:
    shutil.rmtree(workspace.path)
    (project / ".git/worktrees/plan/locked").write_text("gone to lunch")


def _in_the_midst_of_checkout(project: Path, workspace: Workspace) -> None:
    (project / ".git/worktrees/plan/locked").write_text("initializing")
    (project / ".git/worktrees/plan/index.lock").touch()
    (workspace.path / "a.txt").unlink()


def _before_the_first_file(project: Path, workspace: Workspace) -> None:
    (project / ".git/worktrees/plan/locked").write_text("initializing")
    (project / ".git/worktrees/plan/HEAD").unlink()
    shutil.rmtree(workspace.path)


def _branch_alone(project: Path, workspace: Workspace) -> None:
    shutil.rmtree(workspace.path)
    shutil.rmtree(project / ".git/worktrees/plan")


def _emptied_by_power_loss(project: Path, workspace: Workspace) -> None:
    for name in ("HEAD", "commondir"):
        (project / ".git/worktrees/plan" / name).write_text("")


@pytest.mark.parametrize(
    "crash",
    [
        _folder_alone,
        _metadata_alone,
        _locked_metadata_alone,
        _in_the_midst_of_checkout,
        _before_the_first_file,
        _branch_alone,
        _emptied_by_power_loss,
    ],
)
async def test_a_half_made_workspace_is_made_whole(
    spaces: Workspaces, project: Path, crash: object
) -> None:
    workspace = await make(spaces, project)
    assert callable(crash)
    crash(project, workspace)
    assert await make(spaces, project) == workspace
    assert (workspace.path / "a.txt").read_text() == "one\n"
    assert git(workspace.path, "status", "--porcelain") == ""
    assert git(workspace.path, "branch", "--show-current") == workspace.git_branch
    (workspace.path / "b.txt").write_text("two\n")
    assert await spaces.snapshot(workspace.path, "made") == git(workspace.path, "rev-parse", "HEAD")


async def test_committed_work_comes_back_with_its_branch(spaces: Workspaces, project: Path) -> None:
    workspace = await make(spaces, project)
    (workspace.path / "b.txt").write_text("two\n")
    commit = await spaces.snapshot(workspace.path, "made")
    shutil.rmtree(workspace.path)
    await make(spaces, project)
    assert git(workspace.path, "rev-parse", "HEAD") == commit
    assert (workspace.path / "b.txt").read_text() == "two\n"


async def test_a_lost_git_file_is_written_again_around_the_work(
    spaces: Workspaces, project: Path
) -> None:
    workspace = await make(spaces, project)
    (workspace.path / "b.txt").write_text("unfinished\n")
    (workspace.path / ".git").unlink()
    await make(spaces, project)
    assert (workspace.path / "b.txt").read_text() == "unfinished\n"
    assert git(workspace.path, "status", "--porcelain") == "?? b.txt"


async def test_what_is_in_the_way_is_moved_not_deleted(spaces: Workspaces, project: Path) -> None:
    workspace = await make(spaces, project)
    (workspace.path / "b.txt").write_text("unfinished\n")
    _folder_alone(project, workspace)
    await make(spaces, project)
    aside = workspace.path.with_name("plan.kept-1")
    assert (aside / "b.txt").read_text() == "unfinished\n"
    assert not (workspace.path / "b.txt").exists()


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
