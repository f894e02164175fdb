"""Taking over what a run has made of a plain folder, into that folder."""

from __future__ import annotations

from pathlib import Path

from app.domain import commands as cmd
from app.domain import events as ev
from app.domain.errors import LongwatchError, Refused
from app.domain.task_state import TaskState
from app.domain.text import one_line
from app.engine.core import Core


async def take_work(core: Core, command: cmd.TakeWork) -> str:
    """Bring a run's work into its project's folder; a sentence that says what that did.

    Raises Refused, and changes nothing, for a run that is not done or has no such folder, and
    where the folder has changed the same lines. Cut off half-way, it is made whole by the same
    command: what the folder has already fits.
    """
    state = await core.any_state(command.run_id)
    run, place = state.run, one_line(state.run.project, 300)
    if not run.copied:
        raise Refused(
            f"run {run.run_id} worked on a git repository: `git merge "
            f"{state.result_branch or 'BRANCH'}` in {place} takes its work over"
        )
    if run.shadow:
        raise Refused(f"run {run.run_id} is a shadow: its work is nobody's answer")
    if run.state is not TaskState.DONE:
        raise Refused(f"run {run.run_id} is {run.state}: only finished work is taken over")
    if run.head_commit in (None, run.base_commit):
        raise Refused(f"run {run.run_id} has changed no file")
    work, begun = run.head_commit or "", False

    async def begin() -> None:
        nonlocal begun
        await core.commit_to_any(run.run_id, ev.TakeOverBegun(commit=work, by=command.by))
        begun = True

    async def end(files: int, failed: str = "") -> None:
        await core.commit_to_any(run.run_id, ev.TakeOverEnded(files=files, failed=failed))

    try:
        count = await core.workspaces.take(Path(run.project), work, begin)
    except LongwatchError as error:
        if begun:
            await end(0, one_line(str(error), 500))
        raise Refused(str(error)) from error
    if begun or state.taken_in_part:
        await end(count)
    if not count:
        return f"{place} has all of the work of run {run.run_id} already"
    what = "1 file" if count == 1 else f"{count} files"
    return f"the work of run {run.run_id} is in {place}: {what} changed"
