"""Taking over what a run has made of a plain folder, into that folder."""

from __future__ import annotations

import logging
from pathlib import Path

from app.domain import commands as cmd
from app.domain.errors import LongwatchError, Refused
from app.domain.task_state import TaskState
from app.domain.text import one_line
from app.engine.core import Core

_log = logging.getLogger(__name__)


async def take_work(core: Core, command: cmd.TakeWork) -> str:
    """Bring a run's work into its project's folder; a sentence that says what that did.

    Raises Refused, and changes nothing, for a run that is not done or has no such folder, and
    where the folder has changed the same lines.
    """
    state = core.journal.state(command.run_id) or await core.journal.reader.run(command.run_id)
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
    try:
        count = await core.workspaces.take(Path(run.project), run.head_commit or "")
    except LongwatchError as error:
        raise Refused(str(error)) from error
    if not count:
        return f"{place} has all of the work of run {run.run_id} already"
    what = "1 file" if count == 1 else f"{count} files"
    _log.info("%s took the work of run %s over: %s in %s", command.by, run.run_id, what, place)
    return f"the work of run {run.run_id} is in {place}: {what} changed"
