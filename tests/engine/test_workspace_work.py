"""Work in a workspace: committed, brought forward, shown, and never lost on release."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.engine.processes import ProcessRegistry
from app.engine.workspaces import Workspace, Workspaces
from tests.support.repositories import RUN, a_project, git, make


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return a_project(tmp_path / "project")


@pytest.fixture
def spaces(processes: ProcessRegistry, tmp_path: Path) -> Workspaces:
    return Workspaces(tmp_path / "store" / "workspaces", processes)


async def test_a_snapshot_has_all_but_ignored_files(spaces: Workspaces, project: Path) -> None:
    path = (await make(spaces, project)).path
    base = git(path, "rev-parse", "HEAD")
    assert await spaces.snapshot(path, "nothing") == base
    (path / "a.txt").unlink()
    (path / "täst file").write_text("new\n")
    (path / "x.tmp").write_text("ignored\n")
    git(project, "config", "commit.gpgsign", "true")
    git(project, "config", "user.name", "Somebody Else")
    commit = await spaces.snapshot(path, "plan, attempt 1\n\n# Run run-abc")
    assert commit == git(path, "rev-parse", "HEAD") != base
    assert git(path, "-c", "core.quotePath=off", "show", "--format=", "--name-status") == (
        "D\ta.txt\nA\ttäst file"
    )
    assert git(path, "log", "-1", "--format=%an <%ae> %cn%n%B") == (
        "Longwatch <longwatch@localhost> Longwatch\nplan, attempt 1\n\n# Run run-abc"
    )
    assert git(project, "rev-parse", "longwatch/abc/plan") == commit


async def test_work_beside_any_branch_gets_one(spaces: Workspaces, project: Path) -> None:
    path = (await make(spaces, project)).path
    git(path, "checkout", "-q", "--detach")
    (path / "b.txt").write_text("two\n")
    commit = await spaces.snapshot(path, "made")
    assert commit is not None
    assert git(project, "rev-parse", f"longwatch/abc/plan-{commit[:8]}") == commit


async def test_a_repository_within_does_not_cost_the_rest(
    spaces: Workspaces, project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = (await make(spaces, project)).path
    git(path, "init", "-q", "nested")
    (path / "z.txt").write_text("last\n")
    commit = await spaces.snapshot(path, "made")
    assert git(path, "show", f"{commit}:z.txt") == "last"
    assert "'nested/' does not have a commit checked out" in caplog.text
    assert "+last" in await spaces.working_diff(path, "HEAD~1")


async def test_a_lock_that_is_let_go_is_waited_for(spaces: Workspaces, project: Path) -> None:
    path = (await make(spaces, project)).path
    (path / "b.txt").write_text("two\n")
    lock = project / ".git/worktrees/plan/index.lock"
    lock.touch()
    asyncio.get_running_loop().call_later(0.5, lock.unlink)
    assert git(project, "show", f"{await spaces.snapshot(path, 'made')}:b.txt") == "two"


async def test_a_lock_that_a_killed_git_left_is_removed(
    spaces: Workspaces, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.engine.git._LOCK_PATIENCE_SECONDS", 0.5)
    path = (await make(spaces, project)).path
    (path / "b.txt").write_text("two\n")
    (project / ".git/worktrees/plan/index.lock").touch()
    assert git(project, "show", f"{await spaces.snapshot(path, 'made')}:b.txt") == "two"


async def test_a_lock_of_somebody_else_is_not(
    spaces: Workspaces, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.engine.git._LOCK_PATIENCE_SECONDS", 0.5)
    workspace = await make(spaces, project)
    lock = project / ".git/packed-refs.lock"
    lock.touch()
    released = await spaces.release(project, workspace)
    assert (released.removed, released.branch_kept) == (True, True)
    assert lock.exists()


async def test_work_is_brought_forward_and_only_forward(spaces: Workspaces, project: Path) -> None:
    plan, build = await make(spaces, project, "plan"), await make(spaces, project, "build")
    (plan.path / "plan.md").write_text("1\n")
    first = await spaces.snapshot(plan.path, "plan")
    assert first is not None
    assert await spaces.advance(build.path, first)
    assert (build.path / "plan.md").read_text() == "1\n"
    assert await spaces.advance(build.path, first)
    (build.path / "plan.md").write_text("mine\n")
    (plan.path / "plan.md").write_text("2\n")
    second = await spaces.snapshot(plan.path, "plan")
    assert second is not None
    assert not await spaces.advance(build.path, second)
    assert (build.path / "plan.md").read_text() == "mine\n"
    await spaces.snapshot(build.path, "own work")
    assert not await spaces.advance(build.path, second)
    assert (build.path / "plan.md").read_text() == "mine\n"


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


async def test_a_working_diff_shows_untracked_files_and_leaves_the_index(
    spaces: Workspaces, project: Path
) -> None:
    path = (await make(spaces, project)).path
    (path / "a.txt").write_text("uno\n")
    (path / "staged.txt").write_text("staged\n")
    git(path, "add", "staged.txt")
    (path / "new.txt").write_text("new\n")
    (path / "x.tmp").write_text("ignored\n")
    before = git(path, "status", "--porcelain")
    diff = await spaces.working_diff(path, "HEAD")
    for line in ("-one", "+uno", "+staged", "+new", "+++ b/new.txt"):
        assert line in diff.splitlines()
    assert "ignored" not in diff
    assert git(path, "status", "--porcelain") == before


async def test_a_huge_diff_is_cut_at_a_line_and_says_so(spaces: Workspaces, project: Path) -> None:
    path = (await make(spaces, project)).path
    (path / "big.txt").write_text("0123456789\n" * 300_000)
    diff = await spaces.working_diff(path, "HEAD")
    assert 2_000_000 < len(diff) < 2_100_000
    *lines, note = diff.splitlines()
    assert lines[-1] == "+0123456789"
    assert "bytes left out; `git -C" in note


async def test_a_clean_workspace_without_work_is_released_whole(
    spaces: Workspaces, project: Path
) -> None:
    workspace = await make(spaces, project)
    (workspace.path / "x.tmp").write_text("ignored\n")
    released = await spaces.release(project, workspace)
    assert (released.removed, released.branch_kept, released.why) == (True, False, "")
    assert not workspace.path.parent.exists()
    assert git(project, "branch", "--list", "longwatch/*") == ""
    assert git(project, "worktree", "list").count("\n") == 0


async def test_a_branch_with_work_stays_until_another_has_it(
    spaces: Workspaces, project: Path
) -> None:
    plan = await make(spaces, project, "plan")
    (plan.path / "b.txt").write_text("two\n")
    commit = await spaces.snapshot(plan.path, "made")
    assert commit is not None
    build = await spaces.create(project, RUN, "build", commit, "build")
    assert not (await spaces.release(project, plan)).branch_kept
    assert (await spaces.release(project, build)).branch_kept
    assert git(project, "show", "longwatch/abc/build:b.txt") == "two"


async def test_a_workspace_with_unsaved_work_stays(spaces: Workspaces, project: Path) -> None:
    workspace = await make(spaces, project)
    (workspace.path / "b.txt").write_text("unfinished\n")
    released = await spaces.release(project, workspace)
    assert (released.removed, released.branch_kept) == (False, True)
    assert "has uncommitted changes (?? b.txt)" in released.why
    assert (workspace.path / "b.txt").read_text() == "unfinished\n"


async def test_a_workspace_on_a_commit_without_a_branch_stays(
    spaces: Workspaces, project: Path
) -> None:
    workspace = await make(spaces, project)
    git(workspace.path, "checkout", "-q", "--detach")
    git(workspace.path, "commit", "-q", "--allow-empty", "-m", "nowhere")
    released = await spaces.release(project, workspace)
    assert not released.removed
    assert "which is on no branch" in released.why


async def test_a_foreign_folder_is_never_released(
    spaces: Workspaces, project: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    released = await spaces.release(project, Workspace(tmp_path / "other", "main"))
    assert "is not a worktree of this project" in released.why
    assert (await spaces.release(project, Workspace(project, "main"))).removed is False
    assert git(project, "branch", "--show-current") == "main"
