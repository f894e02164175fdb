"""Git in memory: commits are sets of work, worktrees have a head and work not committed yet."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.base import RunId
from app.domain.gate_changes import FileChange
from app.engine.processes import ProcessRegistry
from app.engine.workspaces import Released, Workspace, WorkspaceError, Workspaces
from tests.simulation.world import World

PROJECT = Path("/simulated/project")
_ROOT = Path("/simulated/workspaces")


@dataclass
class Tree:
    """A worktree: the commit it stands on, and changes since."""

    workspace: Workspace
    head: str
    dirty: set[str] = field(default_factory=set)


class Repository:
    """What is in the project's repository; survives every crash."""

    def __init__(self) -> None:
        self.work: dict[str, frozenset[str]] = {"base": frozenset()}
        self.parents: dict[str, tuple[str, ...]] = {"base": ()}
        self.trees: dict[Path, Tree] = {}
        self.branches: dict[str, str] = {}

    def commit(self, work: frozenset[str], parents: Sequence[str]) -> str:
        """Content-addressed, as in git: the same again is the same commit."""
        text = "\n".join([*sorted(work), *parents])
        name = hashlib.sha256(text.encode()).hexdigest()[:12]
        self.work[name], self.parents[name] = work, tuple(parents)
        return name

    def holds(self, commit: str, other: str) -> bool:
        """Whether `other` is `commit` or comes before it."""
        return commit == other or any(self.holds(p, other) for p in self.parents[commit])

    def write(self, path: str, work: str) -> None:
        """An agent changes something in its worktree."""
        tree = self.trees.get(Path(path))
        if tree is not None and work not in self.work[tree.head]:
            tree.dirty.add(work)


class SimWorkspaces(Workspaces):
    """The engine's workspaces on a repository in memory."""

    def __init__(self, world: World, repo: Repository, root: Path, registry: ProcessRegistry):
        super().__init__(root, registry)
        self._world = world
        self._repo = repo

    async def _git_takes_its_time(self, what: str) -> None:
        world = self._world
        world.boundary()
        await asyncio.sleep(world.chance("git").choice((0, 0.01, 0.1)))
        world.boundary()
        if world.happens("git", world.faults.git):
            raise WorkspaceError(f"git cannot {what}: the disk it is on has a bad day")

    def _tree(self, path: Path) -> Tree:
        tree = self._repo.trees.get(path)
        if tree is None:
            raise WorkspaceError(f"{path} no longer belongs to its project")
        return tree

    async def repository(self, path: Path) -> Path:
        await self._git_takes_its_time("be found")
        return path

    async def head(self, project: Path) -> str:
        await self._git_takes_its_time("say its head")
        return "base"

    async def shown(self, project: Path, worktree: Path) -> tuple[str, ...]:
        return ()

    async def create(
        self, project: Path, run_id: RunId, step: str, base_commit: str, name: str
    ) -> Workspace:
        await self._git_takes_its_time("make a worktree")
        made = Workspace(_ROOT / run_id / name, f"longwatch/{run_id}/{name}")
        if made.path not in self._repo.trees:
            head = self._repo.branches.get(made.git_branch, base_commit)
            if head not in self._repo.work:
                self._world.violate(f"a worktree is made from {head}, which is no commit")
            self._repo.trees[made.path] = Tree(made, head)
            self._repo.branches[made.git_branch] = head
        self._world.boundary()
        return made

    async def snapshot(self, path: Path, message: str) -> str | None:
        await self._git_takes_its_time("commit")
        tree = self._tree(path)
        if tree.dirty:
            work = self._repo.work[tree.head] | tree.dirty
            tree.head = self._repo.commit(work, (tree.head,))
            tree.dirty = set()
            self._repo.branches[tree.workspace.git_branch] = tree.head
        self._world.boundary()
        return tree.head

    async def advance(self, path: Path, commit: str) -> bool:
        await self._git_takes_its_time("move forward")
        tree = self._tree(path)
        if not self._repo.holds(commit, tree.head):
            return self._repo.holds(tree.head, commit)
        tree.head = commit
        self._repo.branches[tree.workspace.git_branch] = commit
        self._world.boundary()
        return True

    async def merge(
        self, project: Path, run_id: RunId, name: str, commits: Sequence[str]
    ) -> tuple[str, str | None]:
        await self._git_takes_its_time("merge")
        tips = [
            commit
            for commit in dict.fromkeys(commits)
            if not any(other != commit and self._repo.holds(other, commit) for other in commits)
        ]
        merged = tips[0]
        for other in tips[1:]:
            both = self._repo.work[merged] | self._repo.work[other]
            merged = self._repo.commit(both, (merged, other))
        if len(tips) == 1:
            return merged, None
        branch = f"longwatch/{run_id}/{name}-merged"
        self._repo.branches[branch] = merged
        self._world.boundary()
        return merged, branch

    async def of_run(self, run_id: RunId) -> list[Workspace]:
        found = [tree.workspace for tree in self._repo.trees.values()]
        return [w for w in found if w.path.parent.name == run_id]

    async def restore(self, path: Path, commit: str) -> None:
        await self._git_takes_its_time("restore")
        tree = self._tree(path)
        tree.head, tree.dirty = commit, set()
        self._repo.branches[tree.workspace.git_branch] = commit
        self._world.boundary()

    async def diff(self, project: Path, base: str, commit: str) -> str:
        await self._git_takes_its_time("compare")
        return "\n".join(sorted(self._repo.work[commit] - self._repo.work[base]))

    async def numstat(self, project: Path, base: str, commit: str) -> tuple[FileChange, ...]:
        await self._git_takes_its_time("count")
        new = sorted(self._repo.work[commit] - self._repo.work[base])
        return tuple(FileChange((work,), 1, 0) for work in new)

    async def working_diff(self, path: Path, base: str) -> str:
        tree = self._tree(path)
        return "\n".join(sorted((self._repo.work[tree.head] | tree.dirty) - self._repo.work[base]))

    async def release(self, project: Path, workspace: Workspace) -> Released:
        await self._git_takes_its_time("remove a worktree")
        tree = self._repo.trees.get(workspace.path)
        if tree is None:
            return Released(removed=False, branch_kept=True, why="it is gone")
        if tree.dirty:
            return Released(removed=False, branch_kept=True, why="it has uncommitted changes")
        del self._repo.trees[workspace.path]
        self._world.boundary()
        return Released(removed=True, branch_kept=True)
