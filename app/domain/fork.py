"""A fork: what a new run takes over from an old one."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from app.domain.errors import Refused
from app.domain.flow import dependents, owner
from app.domain.run import Attempt, RunState, StepProgress
from app.domain.toml_messages import not_among


class Prefix(Struct, frozen=True):
    """The finished steps that do not come after the one to begin with, and their attempts."""

    steps: tuple[StepProgress, ...]
    attempts: tuple[Attempt, ...]
    head: str | None


def prefix(state: RunState, step: str) -> Prefix:
    """What stands when `step` and all that comes after it is made anew.

    The attempts keep their outputs, gates and commits, but no session: the new run opens its
    own. Raises Refused for a step that the run does not have or has not come to.
    """
    run = state.run
    names = [brief.name for brief in run.steps]
    if step not in names:
        raise Refused(not_among(f'run {run.run_id} has no step "{step}"', step, names))
    anew = {step, *dependents(run, step)}
    needs = run.needs()[step]
    missing = [name for name in needs if not state.finished(name)]
    if missing:
        raise Refused(
            f"run {run.run_id} has not come to step {step} yet: {missing[0]} is not finished"
        )
    steps = tuple(p for p in state.steps.values() if p.finished and p.step not in anew)
    kept = {progress.step for progress in steps}
    attempts = tuple(
        replace(attempt, session_id=None, turn=None, child=None)
        for attempt in state.attempts.values()
        if owner(attempt.step) in kept and attempt.state.over
    )
    commits = [progress.commit for progress in steps if progress.commit]
    return Prefix(steps, attempts, commits[-1] if commits else None)
