"""Worktrees made, checkpointed, compared and released in real repositories."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from app.domain.base import RunId
from app.domain.errors import DriverError
from app.engine.processes import ProcessRegistry
from app.engine.workspaces import Workspace, WorkspaceError, Workspaces
from tests.support.repositories import a_repository, commit_all, files_of, git, head

RUN = RunId("run-1")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return a_repository(tmp_path / "project")


@pytest.fixture
def workspaces(tmp_path: Path, processes: ProcessRegistry) -> Workspaces:
    return Workspaces(tmp_path / "worktrees", processes)


@pytest.fixture
async def workspace(workspaces: Workspaces, project: Path) -> Workspace:
    return await workspaces.create(project, RUN, "plan", head(project), "plan")


async def test_a_workspace_is_a_worktree_on_its_own_branch(
    workspaces: Workspaces, project: Path, workspace: Workspace, tmp_path: Path
) -> None:
    assert workspace == Workspace(tmp_path / "worktrees/run-1/plan", "longwatch/1/plan")
    assert git(workspace.path, "branch", "--show-current") == workspace.git_branch
    assert head(workspace.path) == head(project)
    assert (workspace.path / "a.txt").read_text() == "one\ntwo\nthree\n"
    assert (workspace.path.parent.stat().st_mode & 0o077) == 0


async def test_creating_again_keeps_everything_as_it_stands(
    workspaces: Workspaces, project: Path, workspace: Workspace
) -> None:
    (workspace.path / "a.txt").write_text("changed")
    (workspace.path / "new.txt").write_text("new")
    old = head(project)
    commit_all(project, "later")
    again = await workspaces.create(project, RUN, "plan", head(project), "plan")
    assert again == workspace
    assert head(workspace.path) == old
    assert (workspace.path / "a.txt").read_text() == "changed"
    assert (workspace.path / "new.txt").exists()


async def test_many_workspaces_are_made_at_once(workspaces: Workspaces, project: Path) -> None:
    names = [f"step-{number}" for number in range(6)]
    made = await asyncio.gather(
        *(workspaces.create(project, RUN, name, head(project), name) for name in (*names, *names))
    )
    assert len({workspace.path for workspace in made}) == 6
    assert all((workspace.path / "a.txt").exists() for workspace in made)


@pytest.mark.parametrize(
    "name",
    ["../../out", "/etc", "..", ".", "", "a/b", "a.lock", "-x", "@{1}", "ü ~^:\n", "x" * 300],
)
async def test_a_name_cannot_lead_elsewhere(
    workspaces: Workspaces, project: Path, tmp_path: Path, name: str
) -> None:
    made = await workspaces.create(project, RunId(f"run-{name}"), "plan", head(project), name)
    assert made.path.resolve().parent.parent == tmp_path / "worktrees"
    assert head(project, f"refs/heads/{made.git_branch}") == head(project)


async def test_names_that_look_alike_stay_apart(workspaces: Workspaces, project: Path) -> None:
    made = [
        await workspaces.create(project, RUN, "s", head(project), name)
        for name in ("a b", "a/b", "a-b")
    ]
    assert len({workspace.path for workspace in made}) == 3


@pytest.mark.parametrize("name", ["with space", "ünïcode", "new\nline", "quo'te\"s", " lead", "-d"])
async def test_a_repository_may_have_any_path(
    processes: ProcessRegistry, tmp_path: Path, name: str
) -> None:
    project = a_repository(tmp_path / name)
    workspaces = Workspaces(tmp_path / name / ".git" / "work\ntrees", processes)
    assert await workspaces.repository(project) == project
    for _ in range(2):
        workspace = await workspaces.create(project, RUN, "plan", head(project), "plan")
        (workspace.path / "new.txt").write_text("new")
    commit = await workspaces.snapshot(workspace.path, "work")
    assert commit is not None
    assert "+new" in await workspaces.diff(project, head(project), commit)
    assert (await workspaces.release(project, workspace)).removed


async def test_the_repository_is_found_from_a_folder_within(
    workspaces: Workspaces, project: Path, workspace: Workspace
) -> None:
    (project / "sub").mkdir()
    assert await workspaces.repository(project / "sub") == project
    assert await workspaces.repository(workspace.path) == workspace.path
    second = await workspaces.create(workspace.path, RUN, "s", head(project), "from-worktree")
    assert git(second.path, "rev-parse", "--git-common-dir") == str(project / ".git")


async def test_places_without_work_to_do_are_refused_in_one_sentence(
    workspaces: Workspaces, tmp_path: Path
) -> None:
    (plain := tmp_path / "plain").mkdir()
    (bare := tmp_path / "bare").mkdir()
    git(bare, "init", "-q", "--bare")
    (empty := tmp_path / "empty").mkdir()
    git(empty, "init", "-q")
    with pytest.raises(WorkspaceError, match="plain is not a git repository: run `git init`"):
        await workspaces.repository(plain)
    with pytest.raises(WorkspaceError, match="bare is a bare repository"):
        await workspaces.repository(bare)
    with pytest.raises(WorkspaceError, match="missing is not a folder"):
        await workspaces.repository(tmp_path / "missing")
    assert await workspaces.repository(empty) == empty
    with pytest.raises(WorkspaceError, match="empty has no commit yet: commit something"):
        await workspaces.head(empty)


async def test_a_path_that_cannot_be_recorded_is_refused(
    workspaces: Workspaces, tmp_path: Path
) -> None:
    project = a_repository(tmp_path / os.fsdecode(b"bad\xff"))
    with pytest.raises(WorkspaceError, match="its path is not valid UTF-8: rename"):
        await workspaces.repository(project)


async def test_a_missing_git_is_said_in_one_sentence(
    workspaces: Workspaces, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DriverError, match="git was not found on PATH: install it") as caught:
        await workspaces.repository(project)
    assert len(str(caught.value).splitlines()) == 1


async def test_a_commit_that_is_not_there_stops_the_step(
    workspaces: Workspaces, project: Path, tmp_path: Path
) -> None:
    with pytest.raises(WorkspaceError, match="step plan: no workspace could be made"):
        await workspaces.create(project, RUN, "plan", "1" * 40, "plan")
    assert not (tmp_path / "worktrees/run-1/plan").exists()
    made = await workspaces.create(project, RUN, "plan", head(project), "plan")
    assert (made.path / "a.txt").exists()


async def test_a_branch_that_is_in_use_elsewhere_stops_the_step(
    workspaces: Workspaces, project: Path
) -> None:
    git(project, "checkout", "-q", "-b", "longwatch/1/plan")
    with pytest.raises(WorkspaceError, match=r"step plan: .*already checked out"):
        await workspaces.create(project, RUN, "plan", head(project), "plan")


async def test_a_snapshot_has_all_changes_but_ignored_files(
    workspaces: Workspaces, project: Path, workspace: Workspace
) -> None:
    path = workspace.path
    (path / "new.txt").write_text("new")
    (path / "debug.log").write_text("noise")
    (path / "a.txt").unlink()
    (path / "sub").mkdir()
    (path / "sub/ünï\ncode").write_bytes(b"\xff\x00")
    commit = await workspaces.snapshot(path, "plan, attempt 1")
    assert commit == head(path) == head(project, workspace.git_branch)
    names = set(git(path, "ls-tree", "-r", "-z", "--name-only", commit).split("\0"))
    assert names == {".gitignore", "new.txt", "sub/ünï\ncode", ""}
    assert git(path, "log", "-1", "--format=%an %s") == "Longwatch plan, attempt 1"
    assert head(path, "HEAD~1") == head(project)


async def test_a_snapshot_of_nothing_is_the_commit_there_is(
    workspaces: Workspaces, project: Path, workspace: Workspace
) -> None:
    (workspace.path / "debug.log").write_text("noise")
    assert await workspaces.snapshot(workspace.path, "nothing") == head(project)


async def test_a_snapshot_takes_a_merge_with_conflicts_as_it_stands(
    workspaces: Workspaces, project: Path, workspace: Workspace
) -> None:
    (project / "a.txt").write_text("theirs")
    commit_all(project)
    (workspace.path / "a.txt").write_text("ours")
    commit_all(workspace.path)
    with pytest.raises(Exception, match="exit status 1"):
        git(workspace.path, "merge", "main")
    commit = await workspaces.snapshot(workspace.path, "half merged")
    assert commit == head(workspace.path)
    assert "<<<<<<<" in git(workspace.path, "show", f"{commit}:a.txt")


async def test_work_on_no_branch_gets_one(
    workspaces: Workspaces, project: Path, workspace: Workspace
) -> None:
    git(workspace.path, "checkout", "-q", "--detach")
    (workspace.path / "new.txt").write_text("new")
    commit = await workspaces.snapshot(workspace.path, "detached")
    assert commit is not None
    refs = git(project, "for-each-ref", "--format=%(refname:short)", f"--contains={commit}")
    assert refs == f"longwatch/1/plan-{commit[:8]}"


async def test_a_repository_within_does_not_cost_the_rest(
    workspaces: Workspaces, workspace: Workspace
) -> None:
    (workspace.path / "inner").mkdir()
    git(workspace.path / "inner", "init", "-q")
    (workspace.path / "new.txt").write_text("new")
    commit = await workspaces.snapshot(workspace.path, "work")
    assert commit is not None
    assert "new.txt" in files_of(workspace.path, commit)


async def test_a_workspace_is_brought_forward(
    workspaces: Workspaces, project: Path, workspace: Workspace
) -> None:
    (project / "b.txt").write_text("b")
    newer = head(commit_all(project))
    (workspace.path / "untracked.txt").write_text("mine")
    assert await workspaces.advance(workspace.path, newer)
    assert head(workspace.path) == newer == head(project, workspace.git_branch)
    assert (workspace.path / "untracked.txt").read_text() == "mine"
    assert await workspaces.advance(workspace.path, head(project, "HEAD~1"))
    assert head(workspace.path) == newer


@pytest.mark.parametrize("kind", ["committed", "changed", "untracked"])
async def test_work_in_the_way_is_never_overwritten(
    workspaces: Workspaces, project: Path, workspace: Workspace, kind: str
) -> None:
    name = "b.txt" if kind == "untracked" else "a.txt"
    (project / name).write_text("theirs")
    newer = head(commit_all(project))
    (workspace.path / name).write_text("mine")
    if kind == "committed":
        commit_all(workspace.path)
    before = head(workspace.path)
    assert not await workspaces.advance(workspace.path, newer)
    assert head(workspace.path) == before
    assert (workspace.path / name).read_text() == "mine"


async def test_the_working_diff_shows_all_and_touches_nothing(
    workspaces: Workspaces, project: Path, workspace: Workspace
) -> None:
    path = workspace.path
    (path / "staged.txt").write_text("staged")
    git(path, "add", "staged.txt")
    (path / "new.txt").write_text("new\x1b[2J")
    (path / "debug.log").write_text("noise")
    (path / "a.txt").unlink()
    before = git(path, "status", "--porcelain")
    diff = await workspaces.working_diff(path, head(project))
    assert "+staged" in diff
    assert "+new␛[2J" in diff
    assert "deleted file mode" in diff
    assert "-two" in diff
    assert "noise" not in diff
    assert git(path, "status", "--porcelain") == before


async def test_a_large_diff_is_cut_and_says_so(
    workspaces: Workspaces, project: Path, workspace: Workspace
) -> None:
    (workspace.path / "big.txt").write_text("0123456789\n" * 300_000)
    diff = await workspaces.working_diff(workspace.path, head(project))
    assert len(diff) < 2_200_000
    assert diff.splitlines()[-1].startswith("… 1,")
    assert "bytes left out" in diff[-300:]


async def test_what_is_clean_and_elsewhere_is_removed(
    workspaces: Workspaces, project: Path, workspace: Workspace
) -> None:
    (workspace.path / "debug.log").write_text("noise")
    released = await workspaces.release(project, workspace)
    assert (released.removed, released.branch_kept, released.why) == (True, False, "")
    assert not workspace.path.parent.exists()
    assert git(project, "branch", "--list", "longwatch/*") == ""
    assert "worktrees/run-1" not in git(project, "worktree", "list")
    again = await workspaces.release(project, workspace)
    assert "is not a worktree of this project" in again.why


async def test_a_branch_with_work_stays(
    workspaces: Workspaces, project: Path, workspace: Workspace
) -> None:
    (workspace.path / "new.txt").write_text("new")
    commit = await workspaces.snapshot(workspace.path, "work")
    released = await workspaces.release(project, workspace)
    assert (released.removed, released.branch_kept) == (True, True)
    assert head(project, workspace.git_branch) == commit


@pytest.mark.parametrize("kind", ["untracked", "changed", "staged", "detached", "locked"])
async def test_what_may_be_work_stays(
    workspaces: Workspaces, project: Path, workspace: Workspace, kind: str
) -> None:
    path = workspace.path
    if kind == "untracked":
        (path / "new.txt").write_text("new")
    elif kind == "locked":
        git(project, "worktree", "lock", str(path))
    else:
        (path / "a.txt").write_text("changed")
    if kind == "staged":
        git(path, "add", "a.txt")
    if kind == "detached":
        git(path, "checkout", "-q", "--detach")
        commit_all(path)
    released = await workspaces.release(project, workspace)
    assert (released.removed, released.branch_kept) == (False, True)
    assert released.why
    assert (path / "a.txt").exists()


async def test_what_a_gate_leaves_behind_is_taken_back(
    workspaces: Workspaces, workspace: Workspace
) -> None:
    path = workspace.path
    (path / "work.txt").write_text("work")
    commit = await workspaces.snapshot(path, "work")
    assert commit is not None
    (path / "a.txt").write_text("formatted")
    (path / "work.txt").unlink()
    (path / "report").mkdir()
    (path / "report/index.html").touch()
    (path / "cache.log").touch()
    git(path, "add", "a.txt")
    await workspaces.restore(path, commit)
    assert git(path, "status", "--porcelain", "--ignored") == "!! cache.log"
    assert (head(path), (path / "work.txt").read_text()) == (commit, "work")


async def test_nothing_is_taken_back_in_a_repository_around_a_broken_workspace(
    processes: ProcessRegistry, tmp_path: Path
) -> None:
    """A home folder may be a repository, and hold the store."""
    home = a_repository(tmp_path / "home")
    first = Workspaces(home / "worktrees", processes)
    workspace = await first.create(home, RUN, "plan", head(home), "plan")
    (home / "a.txt").write_text("unsaved")
    (workspace.path / ".git").unlink()
    for workspaces in (first, Workspaces(home / "worktrees", processes)):
        with pytest.raises(WorkspaceError, match="no longer belongs to"):
            await workspaces.restore(workspace.path, head(home))
        with pytest.raises(WorkspaceError, match="no longer belongs to"):
            await workspaces.snapshot(workspace.path, "work")
    assert (home / "a.txt").read_text() == "unsaved"
