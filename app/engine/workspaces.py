"""Workspaces: a git worktree of its own, on a branch of its own, for every session."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from app.domain.base import RunId
from app.domain.errors import LongwatchError
from app.engine.git import Git, GitError
from app.engine.processes import ProcessRegistry

_DIFF_LIMIT = 2 * 1024 * 1024
_DIFF = ("diff", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames")


@dataclass(frozen=True, slots=True)
class Workspace:
    """A worktree and its branch."""

    path: Path
    git_branch: str


@dataclass(frozen=True, slots=True)
class Released:
    """What became of a worktree: removed, or kept and why."""

    removed: bool
    branch_kept: bool
    why: str


class Workspaces:
    """Makes, snapshots and releases worktrees below `root`, outside of every repository."""

    def __init__(self, root: Path, registry: ProcessRegistry) -> None:
        self._root = root
        self._git = Git(registry)
        # git's own locks make concurrent `worktree add` in one repository fail: one at a time.
        self._locks: defaultdict[Path, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def repository(self, path: Path) -> Path:
        """The root of the repository that `path` is in. Raises LongwatchError."""
        if not await asyncio.to_thread(path.is_dir):
            raise LongwatchError(f"{path}: there is no such folder")
        code, out, _ = await self._git.attempt(path, "rev-parse", "--show-toplevel")
        if code != 0:
            raise LongwatchError(
                f"{path} is not a git repository: run `git init` there, or name one with --project"
            )
        return Path(out.rstrip("\n"))

    async def head(self, project: Path) -> str:
        """The commit that is checked out. Raises LongwatchError when there is none yet."""
        code, out, _ = await self._git.attempt(project, "rev-parse", "--verify", "HEAD^{commit}")
        if code != 0:
            raise LongwatchError(f"{project} has no commit yet: commit something to start from")
        return out.strip()

    async def create(
        self, project: Path, run_id: RunId, step: str, base_commit: str, name: str
    ) -> Workspace:
        """The session's worktree at `base_commit`; one that is there already is taken as it is.

        Raises LongwatchError when it cannot be made: there is no shared fall-back.
        """
        folder = self._root / _safe(run_id) / _safe(name or step)
        branch = f"longwatch/{_safe(run_id)}/{_safe(name or step)}"
        workspace = Workspace(folder, branch)
        async with self._locks[project]:
            if await self._is_valid(project, folder):
                return workspace
            await self._repair(project, folder)
            try:
                await asyncio.to_thread(folder.parent.mkdir, parents=True, exist_ok=True)
                if await self._exists(project, branch):
                    # Half-made before a crash: the branch holds what was committed, if anything.
                    await self._git.run(project, "worktree", "add", "--force", str(folder), branch)
                else:
                    await self._git.run(
                        project, "worktree", "add", "-b", branch, str(folder), base_commit
                    )
            except (OSError, GitError) as error:
                raise LongwatchError(f"step {step}: no workspace can be made: {error}") from error
        return workspace

    async def _is_valid(self, project: Path, folder: Path) -> bool:
        if not await asyncio.to_thread((folder / ".git").is_file):
            return False
        code, out, _ = await self._git.attempt(
            folder, "rev-parse", "--show-toplevel", "--verify", "HEAD", "--git-common-dir"
        )
        if code != 0:
            return False
        common = Path(out.splitlines()[-1])
        ours = await self._git.run(project, "rev-parse", "--git-common-dir")
        return await asyncio.to_thread(
            lambda: (folder / common).resolve() == (project / ours.strip()).resolve()
        )

    async def _repair(self, project: Path, folder: Path) -> None:
        """Clear away what a crash left half-made. Nothing of value can be in it: no agent was
        started in a worktree that git had not finished."""
        await self._git.attempt(project, "worktree", "unlock", str(folder))
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        await self._git.attempt(project, "worktree", "prune")

    async def _exists(self, project: Path, branch: str) -> bool:
        ref = f"refs/heads/{branch}"
        code, _, _ = await self._git.attempt(project, "show-ref", "--verify", "--quiet", ref)
        return code == 0

    async def snapshot(self, workspace: Path, message: str) -> str:
        """Commit everything that is not ignored on the worktree's branch; the commit.

        HEAD as it is when nothing has changed. Raises GitError.
        """
        await self._git.run(workspace, "add", "--all")
        code, _, _ = await self._git.attempt(workspace, "diff", "--cached", "--quiet")
        if code != 0:
            await self._git.run(workspace, "commit", "--quiet", "--no-verify", "-m", message)
        return (await self._git.run(workspace, "rev-parse", "HEAD")).strip()

    async def advance(self, workspace: Path, commit: str) -> bool:
        """Bring a worktree to later work, where that only means moving forward; whether it was.

        Work of its own, committed or not, is never thrown away.
        """
        code, _, _ = await self._git.attempt(
            workspace, "merge", "--ff-only", "--no-edit", "--quiet", commit
        )
        return code == 0

    async def diff(self, project: Path, base: str, commit: str) -> str:
        """Unified diff between two commits, capped."""
        return await self._git.run(project, *_DIFF, base, commit, "--", limit=_DIFF_LIMIT)

    async def working_diff(self, workspace: Path, base: str) -> str:
        """Unified diff from a commit to the worktree as it is, untracked files included."""
        with tempfile.TemporaryDirectory(prefix="longwatch-index-") as folder:
            # An index of our own: the agent's must not change under it.
            index = {"GIT_INDEX_FILE": f"{folder}/index"}
            await self._git.run(workspace, "read-tree", "HEAD", extra=index)
            await self._git.run(workspace, "add", "--all", extra=index)
            return await self._git.run(
                workspace, *_DIFF, "--cached", base, "--", limit=_DIFF_LIMIT, extra=index
            )

    async def release(self, project: Path, workspace: Workspace, base: str = "") -> Released:
        """Remove a clean worktree; its branch stays if it has work that `base` has not."""
        status = await self._git.run(workspace.path, "status", "--porcelain")
        if status.strip():
            return Released(False, True, f"{workspace.path} has work that is not committed")
        head = (await self._git.run(workspace.path, "rev-parse", "HEAD")).strip()
        async with self._locks[project]:
            # --force: ignored files (caches, builds) are no reason to keep it.
            await self._git.run(project, "worktree", "remove", "--force", str(workspace.path))
            if base and head == base:
                await self._git.attempt(project, "branch", "-D", workspace.git_branch)
                return Released(True, False, "nothing was changed in it")
        return Released(True, True, f"its work is on branch {workspace.git_branch}")


def _safe(name: str) -> str:
    """A name as one part of a path and of a branch: never a way out of the folder."""
    cleaned = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")
    return cleaned or "unnamed"
