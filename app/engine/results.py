"""What a run leaves behind: diffs of its work, and worktrees to be released."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from app.domain.errors import LongwatchError, NotFound
from app.domain.run import Attempt, RunState
from app.domain.task_state import TaskState
from app.engine.core import Core

_log = logging.getLogger(__name__)


async def run_diff(
    core: Core, state: RunState, step: str = "", attempt: int = 0, branch: str = ""
) -> str:
    """Unified diff of the whole run's work so far, or of what one attempt changed.

    Work that is not committed to its branch yet is included. Raises NotFound.
    """
    run = state.run
    if run.base_commit is None:
        return ""
    project = Path(run.project)
    if not step:
        # What a finished run has made is all of it, also of steps side by side.
        done = run.state is TaskState.DONE
        newest = None if done else _newest_work(state)
        return await _between(core, state, run.base_commit, newest)
    found = [a for a in state.attempts.values() if a.step == step]
    if attempt:
        found = [a for a in found if a.attempt == attempt]
    if branch:
        found = [a for a in found if a.branch == branch]
    if not found:
        raise NotFound(f"run {run.run_id} has no attempt {attempt or ''} of step {step}".strip())
    wanted = found[-1]
    if wanted.commit is not None:
        return await core.workspaces.diff(project, _start(state, wanted), wanted.commit)
    return await _between(core, state, _start(state, wanted), wanted)


async def _between(core: Core, state: RunState, base: str, newest: Attempt | None) -> str:
    project = Path(state.run.project)
    if newest is None:
        return await core.workspaces.diff(project, base, state.run.head_commit or base)
    if newest.commit is not None:
        return await core.workspaces.diff(project, base, newest.commit)
    session = state.sessions.get(newest.session_id) if newest.session_id else None
    if session is None or not await asyncio.to_thread(Path(session.workspace).is_dir):
        return ""
    return await core.workspaces.working_diff(Path(session.workspace), base)


def _newest_work(state: RunState) -> Attempt | None:
    """The newest attempt of a producing step; reviews change nothing."""
    producing = {step.name for step in state.run.steps if step.kind == "agent"}
    found = [a for a in state.attempts.values() if a.step in producing]
    if any(step.kind == "fan_out" for step in state.run.steps):
        return None  # the work of branches is what was merged of it
    return found[-1] if found else None


def _start(state: RunState, attempt: Attempt) -> str:
    """The commit an attempt began from: its predecessor's, else its session's base."""
    earlier = [
        a.commit
        for a in state.attempts.values()
        if (a.step, a.branch) == (attempt.step, attempt.branch)
        and a.started_at < attempt.started_at
        and a.commit
    ]
    session = state.sessions.get(attempt.session_id) if attempt.session_id else None
    base = session.base_commit if session else None
    return (earlier[-1] if earlier else base) or state.run.base_commit or ""


async def release_workspaces(core: Core, state: RunState) -> None:
    """Remove the worktrees of a run that is over; dirty ones and branches with work stay."""
    for workspace in await core.workspaces.of_run(state.run.run_id):
        try:
            await core.workspaces.release(Path(state.run.project), workspace)
        except LongwatchError as error:
            # The work is safe either way; a worktree that stays costs only disk space.
            _log.warning("worktree %s stays: %s", workspace.path, error)
