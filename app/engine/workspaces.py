"""Workspaces: a git worktree on a branch of its own for each session.

Of the project's repository; for a project that is none, of its mirror (`app.engine.mirrors`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from app.domain.base import RunId
from app.domain.errors import LongwatchError
from app.domain.gate_changes import FileChange
from app.domain.text import one_line
from app.engine import diffs, merges, worktrees
from app.engine.git import Git, GitError
from app.engine.mirrors import Begin, Mirrors
from app.engine.plain_folder import is_plain, plain_root
from app.engine.processes import ProcessRegistry
from app.engine.worktrees import Metadata

_log = logging.getLogger(__name__)
_ID_PREFIX = "run-"


class Workspace(Struct, frozen=True):
    """Where a session works: `path` is a worktree, `git_branch` the branch made for it."""

    path: Path
    git_branch: str


class Released(Struct, frozen=True):
    """What became of a workspace. `why` says in a sentence why it stays, "" when it is gone."""

    removed: bool
    branch_kept: bool
    why: str = ""

    @classmethod
    def stays(cls, why: str) -> Released:
        """It is left as it is."""
        return cls(removed=False, branch_kept=True, why=why)


class WorkspaceError(LongwatchError):
    """A workspace cannot be made or used. There is no shared fall-back."""


class Workspaces:
    """Makes, checkpoints and releases worktrees below `root`. All errors are LongwatchError."""

    def __init__(self, root: Path, registry: ProcessRegistry) -> None:
        self._root = root
        self._git = Git(registry)
        store = root.parent.resolve()
        self._mirrors = Mirrors(store / "mirrors", store, self._git)
        self._locks: dict[Path, asyncio.Lock] = {}
        self._homes: dict[Path, Path] = {}  # by worktree: the .git folder of its project

    async def repository(self, path: Path) -> Path:
        """The root of the project that `path` is in: a git repository, or a plain folder that has
        a configuration."""
        shown = one_line(str(path), 300)
        if not await asyncio.to_thread(path.is_dir):
            raise WorkspaceError(f"{shown} is not a folder: name one that holds a git repository")
        try:
            found = Path(await self._git.text(path, "rev-parse", "--show-toplevel"))
        except GitError as error:
            if "not a git repository" in error.stderr:
                plain = await asyncio.to_thread(plain_root, path)
                if plain is not None:
                    return plain
                raise WorkspaceError(
                    f"{shown} is not a git repository: run `git init` there and commit, or "
                    "`longwatch init`, and agents work on copies of it"
                ) from error
            if "must be run in a work tree" in error.stderr:
                raise WorkspaceError(
                    f"{shown} is a bare repository, without files to work on: use a clone of it"
                ) from error
            raise
        if not await asyncio.to_thread(found.is_dir):
            # The journal is UTF-8 text, and so is every message about this project.
            raise WorkspaceError(f"{shown}: its path is not valid UTF-8: rename the folder")
        return found

    async def head(self, project: Path) -> str:
        """The commit that the project stands on; of a plain folder, one of it as it is now."""
        if await asyncio.to_thread(is_plain, project):
            return await self._mirrors.refresh(project)
        return await self._head(project)

    async def _head(self, project: Path) -> str:
        try:
            return await self._git.text(project, "rev-parse", "--verify", "HEAD^{commit}")
        except GitError as error:
            if "Needed a single revision" in error.stderr:
                raise WorkspaceError(
                    f"{one_line(str(project), 300)} has no commit yet: commit something first, "
                    "so that agents have a state to start from"
                ) from error
            raise

    async def create(
        self, project: Path, run_id: RunId, step: str, base_commit: str, name: str
    ) -> Workspace:
        """The worktree `name` of a run, on its own branch from `base_commit`.

        One that exists is used as it stands; one that a crash left half-made is repaired.
        A branch that exists already has the session's work on it and is taken up, not moved.
        """
        run, own = worktrees.safe_name(run_id), worktrees.safe_name(name)
        workspace = Workspace(self._root / run / own, _branch(run, own))
        home = await self._mirrors.home(project, commit=base_commit)
        common = await self._common(home)
        async with self._locks.setdefault(common, asyncio.Lock()):
            try:
                await self._make(home, common, workspace, base_commit)
            except (GitError, OSError) as error:
                what = f"step {step}: no workspace could be made for it"
                raise WorkspaceError(f"{what}: {one_line(str(error), 700)}") from error
        self._homes[workspace.path] = common
        return workspace

    async def _make(self, project: Path, common: Path, workspace: Workspace, base: str) -> None:
        path, branch = workspace.path, workspace.git_branch
        metadata = await asyncio.to_thread(worktrees.find_metadata, common, path)
        if metadata is not None and await self._usable(metadata, common, path):
            await asyncio.to_thread(worktrees.remove_locks, metadata)
            return
        await asyncio.to_thread(_clear, metadata, path)
        await asyncio.to_thread(path.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
        ref = f"refs/heads/{branch}"
        own = [common / "refs/heads" / Path(branch).parent]
        words: tuple[str, ...] = ("--no-track", "-b", branch, str(path), base)
        if await self._git.succeeds(project, "show-ref", "--verify", "--quiet", ref):
            words = (str(path), branch)
        await self._git.run(project, "worktree", "add", *words, own=own)

    async def _usable(self, metadata: Metadata, common: Path, path: Path) -> bool:
        if metadata.half_made:
            return False
        if await self._is_worktree(common, path):
            return True
        # A lost .git file can be written again from the metadata, with all work in place.
        with suppress(GitError):
            await self._git.run(common, "worktree", "repair", str(path))
        return await self._is_worktree(common, path)

    async def _is_worktree(self, common: Path | None, path: Path) -> bool:
        """Whether a worktree's root is here, of the repository `common` (None: of any)."""
        if not await asyncio.to_thread(path.is_dir):
            return False
        try:
            top = await self._git.text(path, "rev-parse", "--show-toplevel")
            same = await asyncio.to_thread(path.samefile, top)
            return same and common in (None, await self._common(path))
        except (GitError, OSError):
            return False

    async def _common(self, folder: Path) -> Path:
        """The .git folder that all worktrees of a repository share."""
        found = await self._git.text(folder, "rev-parse", "--git-common-dir")
        return await asyncio.to_thread((folder / found).resolve)

    async def snapshot(self, path: Path, message: str) -> str | None:
        """Commit everything that changed, ignored files excepted; the commit, HEAD if nothing.

        None when there is no commit at all. Where the agent left its branch for no branch,
        the commit gets one, so that no later clean-up of git can lose it.
        """
        own = [await self._metadata_folder(path)]
        await self._stage(path, own)
        if not await self._git.succeeds(path, "diff", "--cached", "--quiet", "--no-ext-diff"):
            await self._git.run(path, "commit", "--quiet", "--no-verify", "-m", message, own=own)
        try:
            commit = await self._git.text(path, "rev-parse", "--verify", "HEAD^{commit}")
        except GitError:
            return None
        if not await self._git.succeeds(path, "symbolic-ref", "--quiet", "HEAD"):
            await self._keep(path, commit)
        return commit

    async def _stage(self, path: Path, own: list[Path]) -> None:
        try:
            await self._git.run(path, "add", "--all", own=own)
        except GitError as error:
            # An agent's `git init` in a subfolder must not cost the rest of its work.
            if "does not have a commit checked out" not in error.stderr:
                raise
            _log.warning("%s; the rest is committed", error)
            ignore = ("add", "--all", "--ignore-errors")
            await self._git.run(path, *ignore, good=(0, 1), own=own)

    async def _metadata_folder(self, path: Path) -> Path:
        """The worktree's own git folder. Raises WorkspaceError if it is not the project's.

        An agent can write the .git file, and lead us to a repository whose settings name
        programs (filters) that would run outside of the agent's sandbox.
        """
        if not await self._is_worktree(self._homes.get(path), path):
            raise WorkspaceError(
                f"{one_line(str(path), 300)} no longer belongs to its project: it is gone, or its "
                ".git file was changed; retry the run to have it repaired"
            )
        return path / await self._git.text(path, "rev-parse", "--git-dir")

    async def _keep(self, path: Path, commit: str) -> None:
        """Give a commit that no branch holds a branch beside the workspace's own."""
        if not await self._held(path, commit):
            branch = f"{_branch(path.parent.name, path.name)}-{commit[:8]}"
            await self._git.run(path, "update-ref", f"refs/heads/{branch}", commit)

    async def _held(self, path: Path, commit: str, *, but: str = "") -> bool:
        """Whether a branch or tag, other than the branch `but`, has this commit."""
        refs = await self._git.text(
            path,
            "for-each-ref",
            "--count=2",
            "--format=%(refname)",
            f"--contains={commit}",
            *("refs/heads", "refs/remotes", "refs/tags"),
        )
        return any(ref != f"refs/heads/{but}" for ref in refs.splitlines())

    async def advance(self, path: Path, commit: str) -> bool:
        """Bring a worktree forward to newer work; whether it now has it.

        Only ever forward: where the worktree has work of its own, committed or not, that this
        would touch, it stays as it is.
        """
        own = [await self._metadata_folder(path)]
        if not await self._git.succeeds(path, "merge-base", "--is-ancestor", "HEAD", commit):
            return await self._git.succeeds(path, "merge-base", "--is-ancestor", commit, "HEAD")
        words = ("merge", "--ff-only", "--quiet", "--no-stat", commit)
        return (await self._git.run(path, *words, good=(0, 1, 128), own=own)).returncode == 0

    async def merge(
        self, project: Path, run_id: RunId, name: str, commits: Sequence[str]
    ) -> tuple[str, str | None]:
        """One commit that holds the work of all of `commits`, and the branch made to keep it.

        No branch where one of them holds the others already. Raises WorkspaceError that names
        the files when git cannot merge them by itself; nothing is changed then.
        """
        own = f"{worktrees.safe_name(name)}-merged"
        branch = _branch(worktrees.safe_name(run_id), own)
        home = await self._mirrors.home(project, commit=commits[0])
        return await merges.merge(self._git, home, branch, commits)

    async def take(self, project: Path, commit: str, begin: Begin) -> int:
        """Bring the work of a commit into a plain project's folder; how many files it changed.
        `begin` is awaited before the first is.

        Raises LongwatchError, and changes nothing, where the folder has changed the same lines.
        """
        return await self._mirrors.take(project, commit, begin)

    async def of_run(self, run_id: RunId) -> list[Workspace]:
        """Every worktree that a run has here."""
        run = worktrees.safe_name(run_id)
        folder = self._root / run
        names = await asyncio.to_thread(lambda: sorted(p.name for p in folder.glob("*/")))
        return [Workspace(folder / name, _branch(run, name)) for name in names]

    async def restore(self, path: Path, commit: str) -> None:
        """Take back what a gate left behind: the worktree is as the snapshot `commit` has it.

        Ignored files (caches, builds) stay. Only for a worktree whose work is in `commit`.
        """
        own = [await self._metadata_folder(path)]
        await self._git.run(path, "reset", "--hard", "--quiet", commit, own=own)
        await self._git.run(path, "clean", "-d", "--force", "--quiet", own=own)

    async def _changed(self, path: Path) -> str:
        """The first changed or untracked path with git's letters, "" when clean."""
        options = ("--porcelain", "--untracked-files=normal", "--ignore-submodules=none")
        return one_line((await self._git.text(path, "status", *options)).split("\n")[0], 200)

    async def diff(self, project: Path, base: str, commit: str) -> str:
        """Unified diff between two commits, printable, at most 2 MiB and a note."""
        home = await self._mirrors.home(project, commit=commit)
        return await diffs.commit_diff(self._git, home, base, commit)

    async def numstat(self, project: Path, base: str, commit: str) -> tuple[FileChange, ...]:
        """Every file that differs between two commits, with the lines added and removed."""
        home = await self._mirrors.home(project, commit=commit)
        return await diffs.numstat(self._git, home, base, commit)

    async def working_diff(self, path: Path, base: str) -> str:
        """The same from a commit to the worktree as it is now, untracked files included."""
        return await diffs.working_diff(self._git, path, await self._metadata_folder(path), base)

    async def release(self, project: Path, workspace: Workspace) -> Released:
        """Remove a worktree that has nothing to lose; its branch stays if no other has its work."""
        path, branch = workspace.path, workspace.git_branch
        home = await self._mirrors.home(project, worktree=path)
        common = await self._common(home)
        async with self._locks.setdefault(common, asyncio.Lock()):
            why = await self._why_kept(common, path)
            if why:
                return Released.stays(why)
            try:
                await self._git.run(home, "worktree", "remove", str(path))
            except GitError as error:
                return Released.stays(str(error))
            self._homes.pop(path, None)
            kept = not await self._drop_branch(home, branch)
        with suppress(OSError):  # other worktrees of the run are still there
            await asyncio.to_thread(path.parent.rmdir)
        return Released(removed=True, branch_kept=kept)

    async def belongs(self, project: Path, workspace: Workspace) -> bool:
        """Whether a worktree of this project, and not what an agent has put there, is in place."""
        home = await self._mirrors.home(project, worktree=workspace.path)
        return await self._is_worktree(await self._common(home), workspace.path)

    async def shown(self, project: Path, worktree: Path) -> tuple[str, ...]:
        """What a sandbox must show of the store for git to work in a worktree: its mirror."""
        home = await self._mirrors.home(project, worktree=worktree)
        return () if home == project else (str(home),)

    async def why_kept(self, project: Path, workspace: Workspace) -> str:
        """Why `release` would leave it, in a sentence; "" when it would not."""
        home = await self._mirrors.home(project, worktree=workspace.path)
        return await self._why_kept(await self._common(home), workspace.path)

    async def _why_kept(self, common: Path, path: Path) -> str:
        shown = one_line(str(path), 300)
        if not await self._is_worktree(common, path):
            return f"{shown} is not a worktree of this project"
        changed = await self._changed(path)
        if changed:
            return f"{shown} has uncommitted changes ({changed})"
        if not await self._git.succeeds(path, "symbolic-ref", "--quiet", "HEAD"):
            commit = await self._head(path)
            if not await self._held(path, commit):
                return f"{shown} stands on commit {commit[:12]}, which is on no branch"
        return ""

    async def _drop_branch(self, project: Path, branch: str) -> bool:
        """Delete a branch whose commits are all on another one or a tag; whether it is gone."""
        ref = f"refs/heads/{branch}"
        if not await self._git.succeeds(project, "show-ref", "--verify", "--quiet", ref):
            return True
        if not await self._held(project, ref, but=branch):
            return False
        try:
            await self._git.run(project, "branch", "--quiet", "-D", "--", branch)
        except GitError as error:
            _log.warning("branch %s stays: %s", branch, error)
            return False
        return True


def _branch(run: str, name: str) -> str:
    return f"longwatch/{run.removeprefix(_ID_PREFIX)}/{name}"


def _clear(metadata: Metadata | None, path: Path) -> None:
    """Blocking. Make room for a worktree: discard what is half-made, keep what may be work."""
    if metadata is not None:
        if metadata.half_made:
            worktrees.discard(path)
        worktrees.forget(metadata)
    if not worktrees.is_empty(path):
        _log.warning("%s was in the way of a new worktree: moved", worktrees.move_aside(path))
