"""Whatever an operator has set in git, and whatever a repository brings: worktrees work."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.base import RunId
from app.engine.processes import ProcessRegistry
from app.engine.workspaces import Workspaces
from tests.support.repositories import a_repository, commit_all, files_of, git, head

RUN = RunId("run-1")
# Each line alone has broken some tool that calls git.
SETTINGS = """
[diff]
    external = /bin/false
    noprefix = true
    mnemonicPrefix = true
    ignoreSubmodules = all
    relative = true
    context = 0
    renames = false
    orderFile = /no/such/file
[core]
    pager = /bin/false
    editor = /bin/false
    hooksPath = {hooks}
    fsmonitor = /bin/false
    excludesFile = {ignored}
    splitIndex = true
    untrackedCache = true
    safecrlf = true
    autocrlf = input
    quotePath = true
[color]
    ui = always
    status = always
    diff = always
[init]
    defaultBranch = trunk
[commit]
    gpgSign = true
    verbose = true
    template = /no/such/file
    cleanup = scissors
[gpg]
    program = /bin/false
[user]
    useConfigOnly = true
[merge]
    ff = false
    verifySignatures = true
    stat = true
[status]
    showUntrackedFiles = no
    relativePaths = true
    branch = true
    short = true
[submodule]
    recurse = true
[checkout]
    defaultRemote = nowhere
[branch]
    autoSetupMerge = always
    autoSetupRebase = always
[push]
    gpgSign = true
[log]
    showSignature = true
[alias]
    add = !false
    commit = !false
[column]
    ui = always
[grep]
    patternType = perl
[index]
    version = 4
[feature]
    manyFiles = true
[advice]
    addEmbeddedRepo = true
[rerere]
    enabled = true
[gc]
    auto = 1
"""


@pytest.fixture
def workspaces(tmp_path: Path, processes: ProcessRegistry) -> Workspaces:
    return Workspaces(tmp_path / "worktrees", processes)


@pytest.fixture
def _odd_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks, ignored = tmp_path / "hooks", tmp_path / "ignored"
    hooks.mkdir()
    ignored.write_text("*.secret\n")
    for name in ("pre-commit", "commit-msg", "post-checkout", "post-index-change", "post-merge"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/hook-ran\nexit 1\n")
        (hooks / name).chmod(0o755)
    settings = tmp_path / "gitconfig"
    settings.write_text(SETTINGS.format(hooks=hooks, ignored=ignored))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    # What a hook that started us would have set; it must not lead elsewhere.
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nowhere/index"))
    monkeypatch.setenv("GIT_PAGER", "/bin/false")
    monkeypatch.setenv("LANGUAGE", "de")


@pytest.mark.usefixtures("_odd_settings")
async def test_an_operators_settings_disturb_nothing(
    workspaces: Workspaces, tmp_path: Path
) -> None:
    project = a_repository(tmp_path / "project")
    base = head(project)
    workspace = await workspaces.create(project, RUN, "plan", base, "plan")
    path = workspace.path
    (path / "new.txt").write_text("new\r\n")
    (path / "my.secret").write_text("mine")
    (path / "a.txt").write_text("one\nTWO\nthree\n")
    diff = await workspaces.working_diff(path, base)
    assert "--- a/a.txt\n+++ b/a.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n" in diff
    assert "+++ b/new.txt" in diff
    assert "\x1b" not in diff
    assert "␛" not in diff
    assert git(path, "diff", "--cached", "--name-only") == ""
    commit = await workspaces.snapshot(path, "work\n# not a comment")
    assert commit is not None
    assert files_of(project, commit) == {".gitignore", "a.txt", "new.txt"}
    assert git(path, "log", "-1", "--format=%B") == "work\n# not a comment\n"
    committed = await workspaces.diff(project, base, commit)
    assert "--- a/a.txt\n+++ b/a.txt\n" in committed
    second = await workspaces.create(project, RUN, "build", base, "build")
    assert await workspaces.advance(second.path, commit)
    assert head(second.path) == commit
    assert git(second.path, "status", "--porcelain") == ""
    (second.path / "untracked.txt").touch()
    assert not (await workspaces.release(project, second)).removed
    (second.path / "untracked.txt").unlink()
    released = await workspaces.release(project, second)
    assert (released.removed, released.branch_kept, released.why) == (True, False, "")
    assert not (tmp_path / "hook-ran").exists()


async def test_hooks_of_the_repository_itself_do_not_run(
    workspaces: Workspaces, tmp_path: Path
) -> None:
    project = a_repository(tmp_path / "project")
    for name in ("pre-commit", "post-checkout"):
        hook = project / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\nexit 1\n")
        hook.chmod(0o755)
    workspace = await workspaces.create(project, RUN, "plan", head(project), "plan")
    (workspace.path / "new.txt").touch()
    assert await workspaces.snapshot(workspace.path, "work") != head(project)


@pytest.fixture
def with_submodule(tmp_path: Path) -> Path:
    library = a_repository(tmp_path / "library")
    project = a_repository(tmp_path / "project")
    git(project, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "lib")
    return commit_all(project)


async def test_a_repository_with_a_submodule_is_worked_in_and_released(
    workspaces: Workspaces, with_submodule: Path
) -> None:
    workspace = await workspaces.create(with_submodule, RUN, "plan", head(with_submodule), "plan")
    (workspace.path / "new.txt").touch()
    commit = await workspaces.snapshot(workspace.path, "work")
    assert commit is not None
    assert "new.txt" in files_of(workspace.path, commit)
    assert "new.txt" in await workspaces.working_diff(workspace.path, head(with_submodule))
    assert (await workspaces.release(with_submodule, workspace)).removed


async def test_work_in_a_submodule_is_not_removed(
    workspaces: Workspaces, with_submodule: Path
) -> None:
    workspace = await workspaces.create(with_submodule, RUN, "plan", head(with_submodule), "plan")
    git(
        workspace.path,
        *("-c", "protocol.file.allow=always", "submodule", "update", "-q", "--init"),
    )
    (workspace.path / "lib/a.txt").write_text("changed")
    commit_all(workspace.path / "lib")
    assert await workspaces.snapshot(workspace.path, "moves lib") != head(with_submodule)
    released = await workspaces.release(with_submodule, workspace)
    assert not released.removed
    assert "submodule" in released.why
    assert (workspace.path / "lib/a.txt").read_text() == "changed"
