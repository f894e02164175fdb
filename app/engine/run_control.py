"""Commands about whole runs: start, cancel, pause, resume, retry, skip, fork."""

from __future__ import annotations

import asyncio
from pathlib import Path

from app.domain import commands as cmd
from app.domain import events as ev
from app.domain.approval import Actor, ActorKind
from app.domain.errors import Refused
from app.domain.fork import prefix
from app.domain.request import Request
from app.domain.run import Attempt, AttemptState, Blocked, ReviewState, RunState
from app.domain.task_state import TaskState
from app.domain.text import printable
from app.engine.admission import admit, admit_fork, admit_request
from app.engine.core import Core
from app.engine.day_budgets import DayBudgets, held_for_today
from app.engine.past_sessions import PastSessions
from app.engine.past_start import pinned
from app.engine.project import Project, load_project
from app.engine.redaction import Redaction
from app.engine.rollouts import Rollouts
from app.engine.runs import Runs


class RunControl:
    """Carries out what an operator wants of whole runs."""

    def __init__(
        self,
        core: Core,
        runs: Runs,
        rollouts: Rollouts,
        budgets: DayBudgets,
        redaction: Redaction,
        past: PastSessions,
    ) -> None:
        self._core = core
        self._past = past
        self._runs = runs
        self._rollouts = rollouts
        self._budgets = budgets
        self._redaction = redaction
        self._learn = redaction.learn

    async def execute(self, command: cmd.Command) -> cmd.Done:
        """Raises Refused or NotFound with one sentence; then nothing has changed."""
        match command:
            case cmd.StartRun():
                return await self._start(command)
            case cmd.CancelRun():
                return await self._cancel(command)
            case cmd.RetryRun():
                return await self._retry(command)
            case cmd.PauseRun():
                return await self._pause(command)
            case cmd.ResumeRun():
                return await self._resume(command)
            case cmd.SkipStep():
                return await self._skip(command)
            case cmd.ForkRun():
                return await self._fork(command)
        raise Refused(f"{command.do} is no command about a run")

    async def _start(self, command: cmd.StartRun) -> cmd.Done:
        root = await self._core.workspaces.repository(Path(command.project))
        project = await asyncio.to_thread(load_project, root)
        # What a request has attached, only its run's journal says.
        request = command.request.model_copy(update={"attachments": ()})
        workflow = command.workflow
        if request.past is not None:
            request, workflow = await pinned(self._past, project, request, workflow)
        workflow = workflow or project.route(request).workflow
        rollout = project.config.rollout_of(workflow)
        if rollout is None:
            _check_no_candidate(project, workflow)
            project.recipe(workflow)  # refused before anything is kept
        attaching = self._core.attaching.taking_in(command.attach, project.config.attachments)
        async with attaching as attached:
            request = request.model_copy(update={"attachments": attached})
            if rollout is not None:
                return await self._start_on_path(request, project, workflow)
            return await self._start_run(request, project, workflow)

    async def _start_run(self, request: Request, project: Project, workflow: str) -> cmd.Done:
        recipe = project.recipe(workflow)
        self._learn(recipe)
        request = self._redaction.safe(request)
        run, drafts = admit(self._core, recipe, request, str(project.root))
        await self._core.journal.append(drafts)
        self._runs.wake(run.run_id)
        how = ", on private copies of the folder" if run.copied else ""
        return self._core.done(
            f"run {run.run_id} started with workflow {workflow}{how}", run.run_id
        )

    async def _start_on_path(self, request: Request, project: Project, name: str) -> cmd.Done:
        """The rollout of that name says which path answers, in the very commit of the run."""
        by = Actor(kind=ActorKind.PERSON, name=request.user)
        opened = self._rollouts.setup.known(str(project.root), name)
        if opened is None:
            opened = await self._rollouts.setup.opened(project, name, by)
        base = await self._core.workspaces.head(project.root)
        rollout = self._core.journal.projection.rollouts[opened.rollout_id]
        request = self._redaction.safe(request)
        admitted = admit_request(self._core, rollout, request, base)
        await self._core.journal.append(admitted.drafts)
        for run in (admitted.run, admitted.shadow):
            if run is not None:
                self._runs.wake(run.run_id)
        run = admitted.run
        beside = ", and the candidate in shadow" if admitted.shadow else ""
        return self._core.done(
            f"run {run.run_id} started on the {run.path} path of {name}, "
            f"{rollout.path(run.path)}{beside}",
            run.run_id,
        )

    async def _cancel(self, command: cmd.CancelRun) -> cmd.Done:
        state = self._core.state(command.run_id)
        if state.run.state.terminal:
            raise Refused(f"run {command.run_id} is {state.run.state} already")
        await self._runs.cancel(command.run_id, command.reason or "canceled", command.by)
        return self._core.done(f"run {command.run_id} canceled", command.run_id)

    async def _pause(self, command: cmd.PauseRun) -> cmd.Done:
        state = self._core.state(command.run_id)
        run = state.run
        if run.state not in (TaskState.PENDING, TaskState.IN_PROGRESS):
            raise Refused(f"run {run.run_id} is {run.state}: only a run that goes on is paused")
        reason = command.reason or f"paused by {command.by}"
        await self._core.commit(run.run_id, _paused(reason, run.current_step, command.by))
        await self._runs.halt(run.run_id)
        for child in self._runs.children.of(self._core.state(run.run_id)):
            if child.run.state in (TaskState.PENDING, TaskState.IN_PROGRESS):
                await self._pause(command.model_copy(update={"run_id": child.run.run_id}))
        return self._core.done(f"run {run.run_id} paused", run.run_id)

    async def _resume(self, command: cmd.ResumeRun) -> cmd.Done:
        state = self._core.state(command.run_id)
        run = state.run
        if run.state is not TaskState.BLOCKED or run.blocked is None or not _is_paused(state):
            raise Refused(f"run {run.run_id} is {run.state}: only a paused run is resumed")
        resumed = ev.RunStateChanged(state=TaskState.IN_PROGRESS, reason="resumed", by=command.by)
        await self._core.commit(run.run_id, resumed)
        self._runs.wake(run.run_id)
        for child in self._runs.children.of(self._core.state(run.run_id)):
            if _is_paused(child):
                await self._resume(command.model_copy(update={"run_id": child.run.run_id}))
        return self._core.done(f"run {run.run_id} goes on", run.run_id)

    async def _retry(self, command: cmd.RetryRun) -> cmd.Done:
        state = self._core.state(command.run_id)
        if held_for_today(state):
            return await self._lift(state, command.by)
        run, held = state.run, _held(state, command.step, command.branch)
        soon = any(a.retry_in is not None for a in state.attempts.values())
        at_limit = [r for r in state.reviews.values() if r.at_limit and _is_open(state, r.state)]
        if command.step and not held:
            raise Refused(f"{_name(command.step, command.branch)} does not stand still")
        if not run.state.resumable and not (run.state is TaskState.IN_PROGRESS and (soon or held)):
            raise Refused(
                f"run {run.run_id} is {run.state}: only a blocked or failed run is retried"
            )
        if at_limit and not held:
            raise Refused(f"run {run.run_id} waits for its review to be answered, not retried")
        if command.prompt.strip() and not command.step:
            raise Refused("a new prompt is for one step: name it")
        prompt = printable(command.prompt.strip())
        payloads: list[ev.Payload] = [
            ev.AttemptReleased(**a.unit._asdict(), attempt=a.attempt, by=command.by, prompt=prompt)
            for a in held
        ]
        payloads += _returned(state) if not held else []
        again = ev.RunStateChanged(state=TaskState.IN_PROGRESS, reason="retried", by=command.by)
        await self._core.commit(run.run_id, again, *payloads)
        self._runs.wake(run.run_id)
        return self._core.done(f"run {run.run_id} goes on", run.run_id)

    async def _lift(self, state: RunState, by: Actor) -> cmd.Done:
        count = await self._budgets.lift(state, by)
        others = f", and {count - 1} more that stood still for it" if count > 1 else ""
        run_id = state.run.run_id
        return self._core.done(
            f"today's budget was granted anew: run {run_id} goes on{others}", run_id
        )

    async def _skip(self, command: cmd.SkipStep) -> cmd.Done:
        state = self._core.state(command.run_id)
        held = _held(state, command.step, command.branch)
        if not held:
            raise Refused(f"{_name(command.step, command.branch)} does not stand still")
        value = printable(command.value) if command.value is not None else None
        payloads: list[ev.Payload] = [
            ev.AttemptSkipped(
                **a.unit._asdict(),
                attempt=a.attempt,
                by=command.by,
                output=value,
                reason=command.reason or f"skipped by {command.by}",
            )
            for a in held
        ]
        if state.run.state.resumable:
            reason = f"{_name(command.step, command.branch)} skipped"
            again = ev.RunStateChanged(state=TaskState.IN_PROGRESS, reason=reason, by=command.by)
            payloads.append(again)
        await self._core.commit(state.run.run_id, *payloads)
        self._runs.wake(state.run.run_id)
        words = "skipped" if value is None else "given a value"
        return self._core.done(f"{_name(command.step, command.branch)} {words}", state.run.run_id)

    async def _fork(self, command: cmd.ForkRun) -> cmd.Done:
        state = await self._core.any_state(command.run_id)
        taken = prefix(state, command.step)
        recipe = self._core.journal.projection.recipes.get(state.run.recipe)
        recipe = recipe or await self._core.journal.reader.recipe(state.run.recipe)
        self._learn(recipe)
        run, drafts = admit_fork(self._core, recipe, state.run, command.step, taken)
        await self._core.journal.append(drafts)
        self._runs.wake(run.run_id)
        message = f"run {run.run_id} takes {state.run.run_id} up again from step {command.step}"
        return self._core.done(message, run.run_id)


def _check_no_candidate(project: Project, workflow: str) -> None:
    """A candidate answers what its rollout sends it, and nothing besides."""
    for entry in project.config.rollout:
        if entry.candidate_workflow == workflow:
            raise Refused(
                f'workflow {workflow} is the candidate of rollout "{entry.name}": ask for '
                f"{entry.name}, or replay requests with `longwatch shadow replay {entry.name}`"
            )


def _paused(reason: str, step: str, by: Actor) -> ev.RunStateChanged:
    blocked = Blocked(kind="paused", message=reason, step=step)
    return ev.RunStateChanged(state=TaskState.BLOCKED, reason=reason, by=by, blocked=blocked)


def _is_paused(state: RunState) -> bool:
    return state.run.blocked is not None and state.run.blocked.kind == "paused"


def _is_open(state: RunState, review: ReviewState) -> bool:
    return review is ReviewState.OPEN and not state.run.state.terminal


def _held(state: RunState, step: str, branch: str) -> list[Attempt]:
    """What stands still: all of it, or what belongs to one step or branch of it."""
    found = [a for a in state.attempts.values() if a.blocked is not None]
    if step:
        found = [a for a in found if a.step == step or a.step.partition(".")[0] == step]
    return [a for a in found if not branch or a.branch == branch]


def _returned(state: RunState) -> list[ev.Payload]:
    """For a run that an earlier version blocked at a gate: its agent is to try again."""
    blocked = state.run.blocked
    attempt = state.latest(blocked.step) if blocked and blocked.kind == "gate" else None
    if attempt is None or not attempt.gates or attempt.state is not AttemptState.PRODUCED:
        return []  # somebody has decided about it meanwhile
    returned = ev.Returned(
        from_step=attempt.step,
        to_step=attempt.step,
        branch=attempt.branch,
        iteration=attempt.iteration,
        cause="gate",
        gate=attempt.gates[-1].gate,
    )
    return [returned]


def _name(step: str, branch: str) -> str:
    return f"step {step}, branch {branch}," if branch else f"step {step}"
