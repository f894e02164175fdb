"""A session's worktree as an operator sees it: whose it is, and why it is still there."""

from app.domain.base import Model, RunId
from app.domain.task_state import TaskState


class WorktreeReport(Model):
    """One worktree of the store."""

    run_id: RunId
    state: TaskState
    path: str
    git_branch: str
    why: str  # why it stays


class CleanReport(Model):
    """What became of the worktrees of runs that are over."""

    removed: tuple[str, ...] = ()  # branches whose worktree is gone
    branches: tuple[str, ...] = ()  # those of them that stay: their work is on no other
    kept: tuple[WorktreeReport, ...] = ()
