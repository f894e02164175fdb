"""Sub-workflows: runs that a step of another run has started and waits for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

from app.domain import directives as do
from app.domain import events as ev
from app.domain import flow
from app.domain.base import RunId
from app.domain.contexts import StepContext
from app.domain.errors import LongwatchError, NotFound
from app.domain.overtaken import Overtaken, check_current
from app.domain.prompts import render
from app.domain.run import Attempt, AttemptState, Blocked, Failure, FailureKind, RunState
from app.domain.step import WorkflowStep
from app.domain.task_state import TaskState
from app.domain.text import clip
from app.engine.admission import admit
from app.engine.core import Core
from app.store.journal import Draft

_OVER = (TaskState.DONE, TaskState.FAILED, TaskState.CANCELED)
_UNWANTED = (AttemptState.STALE, AttemptState.REJECTED, AttemptState.CANCELED)
_REQUEST_LIMIT = 256 * 1024


class Children:
    """Starts sub-workflows and tells their parents how they have ended."""

    def __init__(self, core: Core, cancel: Callable[[RunId, str], Awaitable[None]]) -> None:
        self._core = core
        self._cancel = cancel
        self.wake: Callable[[RunId], None] = lambda run_id: None

    async def start(self, run_id: RunId, directive: do.StartChild) -> None:
        """The child is created and its parent knows it, in one commit. Raises LongwatchError
        when there is nothing to ask of it, Overtaken when nobody wants it any more."""
        core, state = self._core, self._core.state(run_id)
        recipe = core.recipe(run_id)
        step = recipe.workflow.step(directive.unit.step)
        assert isinstance(step, WorkflowStep)
        text = render(step.request, "workflow", StepContext(state, step.name), step.name)
        if not text.strip():
            raise LongwatchError(f"step {step.name}: its request for {step.workflow} is empty")
        request = state.run.request.model_copy(
            update={"text": clip(text, _REQUEST_LIMIT), "past": None}
        )
        found = flow.commits(state, state.run.needs().get(step.name, ()))
        child, drafts = admit(
            core,
            recipe.part(step.workflow),
            request,
            state.run.project,
            parent=state.run,
            parent_step=step.name,
            base_commit=found[0] if len(found) == 1 else state.run.base_commit,
        )
        started = ev.ChildStarted(
            **directive.unit._asdict(), attempt=directive.attempt, child=child.run_id
        )
        check_current(core.state(run_id), (started,))
        await core.journal.append([*drafts, Draft(started, run=state)])
        core.changed(run_id).set()
        self.wake(child.run_id)

    def of(self, state: RunState) -> Iterator[RunState]:
        """The unfinished runs that this run's steps wait for."""
        return self.unfinished(state, AttemptState.OPEN)

    def unfinished(self, state: RunState, *wanted: AttemptState) -> Iterator[RunState]:
        """The unfinished runs of this run's steps, of attempts in one of these states if given."""
        for attempt in state.attempts.values():
            child = self._core.journal.state(attempt.child) if attempt.child else None
            if child and not child.run.state.terminal and (not wanted or attempt.state in wanted):
                yield child

    async def drop(self, state: RunState) -> None:
        """Cancel the runs whose results this run does not need any more."""
        if not any(step.kind == "workflow" for step in state.run.steps):
            return  # most often: no look at each attempt
        for child in list(self.unfinished(state, *_UNWANTED)):
            with suppress(Overtaken, NotFound):  # it is over meanwhile
                await self._cancel(child.run.run_id, "its result is not needed any more")

    async def ended(self, child: RunState) -> None:
        """Tell the parent, if it waits for this run and does not know yet."""
        parent_id = child.run.parent
        parent = self._core.journal.state(parent_id) if parent_id else None
        if parent is None or child.run.state not in _OVER or parent.run.state.terminal:
            return
        for attempt in parent.attempts.values():
            if attempt.child == child.run.run_id and attempt.state is AttemptState.OPEN:
                with suppress(Overtaken):  # it does not wait any more
                    outcome = self._outcome(parent, attempt, child)
                    await self._core.commit(parent.run.run_id, outcome)
                self.wake(parent.run.run_id)

    def _outcome(self, parent: RunState, attempt: Attempt, child: RunState) -> ev.Payload:
        if child.run.state is TaskState.DONE:
            return ev.OutputProduced(
                step=attempt.step,
                attempt=attempt.attempt,
                output=flow.final_output(child),
                commit=child.run.head_commit,
            )
        step = self._core.recipe(parent.run.run_id).workflow.step(attempt.step)
        on_error = step.on_error if isinstance(step, WorkflowStep) else "block"
        message = f"its run {child.run.run_id} is {child.run.state}: {child.run.reason}"
        skipped = on_error == "skip"
        return ev.AttemptFailed(
            step=attempt.step,
            attempt=attempt.attempt,
            failure=Failure(kind=FailureKind.OTHER, message=message),
            blocked=None if skipped else Blocked(kind="child", message=message, step=attempt.step),
            fatal=on_error == "fail",
            skipped=skipped,
        )
