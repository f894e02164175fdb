"""Carrying directives out: each does its work and commits what came of it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Literal

from app.domain import directives as do
from app.domain import events as ev
from app.domain.approval import Actor, ActorKind
from app.domain.base import RunId, trusted
from app.domain.errors import ConfigError, LongwatchError, StoreError
from app.domain.overtaken import Overtaken
from app.domain.run import Attempt, Blocked, Failure, FailureKind, StepState, Unit, new_attempt
from app.domain.task_state import TaskState
from app.domain.text import printable
from app.engine.agent_work import AgentWork
from app.engine.approvals import Approvals
from app.engine.branches import Branches
from app.engine.call_work import CallWork
from app.engine.children import Children
from app.engine.core import Core
from app.engine.gate_work import GateWork
from app.engine.merging import Merging
from app.engine.review_work import ReviewWork
from app.engine.sessions import SessionKeeper
from app.engine.slots import Slots

ENGINE = trusted(Actor, kind=ActorKind.SYSTEM, name="engine")


class Carrier:
    """Does for one run what `decide` says."""

    def __init__(
        self,
        core: Core,
        keeper: SessionKeeper,
        approvals: Approvals,
        slots: Slots,
        children: Children,
        run_id: RunId,
    ) -> None:
        self.core = core
        self._run_id = run_id
        self._children = children
        self._merging = Merging(core, run_id)
        self._agents = AgentWork(core, keeper, approvals, slots, self._merging, run_id)
        self._gates = GateWork(core, approvals, self._merging, run_id)
        self._calls = CallWork(core, approvals, self._merging, run_id)
        self._reviews = ReviewWork(core, run_id)
        self._branches = Branches(core, self._merging, run_id)

    async def _commit(self, *payloads: ev.Payload) -> None:
        await self.core.commit(self._run_id, *payloads)

    def _note(self, *payloads: ev.Payload) -> None:
        """Facts: what is done because of them waits for a commit of its own."""
        self.core.note(self._run_id, *payloads)

    async def of_run(self, directive: do.OfRun) -> None:
        """Raises LongwatchError when the work cannot be begun or brought together."""
        match directive:
            case do.Begin():  # on disk with what comes of it
                self._note(_moved(TaskState.IN_PROGRESS, "started"))
            case do.PinBase():
                project = Path(self.core.state(self._run_id).run.project)
                commit = await self.core.workspaces.head(project)
                await self._commit(ev.BasePinned(commit=commit))
            case do.Stop(state=state, blocked=blocked):
                moved = ev.RunStateChanged(
                    state=state, reason=blocked.message, by=ENGINE, blocked=blocked
                )
                await self._commit(moved)
            case do.Complete():
                await self._complete()

    async def _complete(self) -> None:
        """The work of all last steps becomes one, if there are several."""
        moved = await self._merging.of_the_run()
        await self._commit(*moved, _moved(TaskState.DONE, "all steps are done"))

    def at_once(self, directive: do.OfUnit) -> bool:
        """Record a directive that is nothing but a fact; False when it is more than that."""
        match directive:
            case do.StartAttempt(wait=wait) if not wait:
                facts: list[ev.Payload] = [self._started(directive)]
            case do.FinishStep(commits=() | (_,)):
                facts = self._finished(directive, *directive.commits)
            case do.PassAttempt() | do.GiveUp() | do.Block() | do.SendBack():
                facts = [_event_of(directive)]
            case _:
                return False
        with suppress(Overtaken):  # the run has moved on: what is to be done now is decided anew
            self._note(*facts)
        return True

    async def carry_out(self, directive: do.OfUnit) -> None:
        """Carry a unit's directive out. What fails on the way holds the unit, not the run."""
        try:
            try:
                await self._of_unit(directive)
            except (StoreError, Overtaken):
                raise
            except LongwatchError as error:
                wrong = isinstance(error, ConfigError)
                await self._hold(directive.unit, str(error), "input" if wrong else "workspace")
        except Overtaken:
            return  # the run has moved on: what is to be done now is decided anew

    async def _hold(
        self,
        unit: Unit,
        message: str,
        kind: Literal["input", "workspace"],
        failure: FailureKind = FailureKind.WORKSPACE,
    ) -> None:
        """The unit needs a person: something about it could not be done."""
        message = printable(message)
        blocked = Blocked(kind=kind, message=message, step=unit.step, branch=unit.branch)
        newest = self.core.state(self._run_id).newest(unit)
        if newest is not None and newest.state.live:
            await self._commit(_of(ev.AttemptBlocked, newest, blocked=blocked))
            return
        number = newest.attempt + 1 if newest else 1
        attempt = new_attempt(unit, number, self.core.clock.now())
        failed = ev.AttemptFailed(
            step=unit.step,
            branch=unit.branch,
            iteration=unit.iteration,
            attempt=attempt.attempt,
            failure=Failure(kind=failure, message=message),
            blocked=blocked,
        )
        await self._commit(ev.AttemptStarted(attempt=attempt), failed)

    async def _of_unit(self, directive: do.OfUnit) -> None:
        match directive:
            case do.Unable(unit=unit, why=why):
                await self._hold(unit, why, "input", FailureKind.CONDITION)
            case do.StartAttempt():
                await self._start_attempt(directive)
            case do.RunTurn():
                await self._agents.turn(directive)
            case do.RunGate():
                await self._gates.run(directive)
            case do.MakeCall():
                await self._calls.make(directive)
            case do.PlanBranches(unit=unit):
                await self._branches.plan(unit)
            case do.Collect():
                await self._branches.collect(directive)
            case do.TakeInput():
                await self._branches.take_input(directive)
            case do.Ask():
                await self._reviews.ask(directive)
            case do.StartChild():
                await self._children.start(self._run_id, directive)
            case do.FinishStep():
                await self._finish_step(directive)
            case do.OpenReview():
                await self._reviews.open(directive)
            case do.Judge():
                await self._reviews.judge(directive)
            case do.CloseReview():
                await self._reviews.close(directive)
            case do.Escalate():
                await self._reviews.escalate(directive)
            case _:
                raise AssertionError(f"{type(directive).__name__} is recorded at once")

    async def _start_attempt(self, directive: do.StartAttempt) -> None:
        if directive.wait:
            await self.core.clock.sleep(directive.wait)
        self._note(self._started(directive))

    def _started(self, directive: do.StartAttempt) -> ev.AttemptStarted:
        at = self.core.clock.now()
        attempt = new_attempt(
            directive.unit, directive.attempt, at, directive.cause, directive.tries
        )
        return trusted(ev.AttemptStarted, attempt=attempt)

    async def _finish_step(self, directive: do.FinishStep) -> None:
        seq = self.core.state(self._run_id).seq
        await self.core.settle()  # a merge is an effect
        commit = await self._merging.into_one(directive.unit.step, directive.commits)
        self._check_wanted(directive, seq)
        self._note(*self._finished(directive, commit))

    def _finished(self, directive: do.FinishStep, commit: str | None = None) -> list[ev.Payload]:
        """What becomes of the units that are retired with it, and the end of the step."""
        state = self.core.state(self._run_id)
        found: list[ev.Payload] = []
        why = f"{directive.unit.step} has all it needs"
        for unit in directive.retired:
            newest = state.newest(unit)
            if newest is not None and not newest.state.over:
                found.append(_of(ev.AttemptCanceled, newest, why=why))
            if unit.branch:
                found.append(ev.BranchCanceled(step=unit.step, branch=unit.branch, why=why))
            else:
                left = ev.StepFinished(step=unit.step, state=StepState.CANCELED, reason=why)
                found.append(left)
        finished = trusted(
            ev.StepFinished,
            step=directive.unit.step,
            attempt=directive.attempt,
            commit=commit,
            state=directive.state,
            reason=directive.reason,
        )
        return [*found, finished]

    def _check_wanted(self, directive: do.OfUnit, seq: int) -> None:
        """Raises Overtaken when the run has moved since event `seq` and wants something else."""
        state = self.core.state(self._run_id)
        if state.seq != seq and directive not in self.core.next_steps(self._run_id):
            raise Overtaken(f"run {self._run_id}: {directive.unit} is decided otherwise by now")

    async def abandon(self, unit: Unit) -> None:
        """A unit's work was cut off for good: its agent is stopped, its questions withdrawn."""
        await self._agents.abandon(unit)

    async def drop_children(self) -> None:
        """End the runs that were started for it and that it does not need any more."""
        await self._children.drop(self.core.state(self._run_id))


def _moved(state: TaskState, reason: str) -> ev.RunStateChanged:
    return trusted(ev.RunStateChanged, state=state, reason=reason, by=ENGINE)


def _of(kind: type[ev.OfAttempt], attempt: Attempt, **fields: object) -> ev.Payload:
    """An event about one attempt."""
    key = {
        "step": attempt.step,
        "branch": attempt.branch,
        "iteration": attempt.iteration,
        "attempt": attempt.attempt,
    }
    made: ev.Payload = kind.model_validate({**key, **fields})  # type: ignore[assignment]
    return made


def _event_of(directive: do.OfUnit) -> ev.Payload:
    """For directives that are nothing but a fact to be recorded."""
    unit = directive.unit
    match directive:
        case do.PassAttempt(attempt=number):
            return ev.AttemptPassed(**unit._asdict(), attempt=number)
        case do.Block(attempt=number, blocked=blocked, fatal=fatal):
            return ev.AttemptBlocked(**unit._asdict(), attempt=number, blocked=blocked, fatal=fatal)
        case do.GiveUp(attempt=number, reason=reason):
            return ev.AttemptSkipped(**unit._asdict(), attempt=number, by=ENGINE, reason=reason)
        case do.SendBack(to_step=target, gate=gate, reasons=reasons):
            return ev.Returned(
                from_step=unit.step,
                to_step=target,
                branch=unit.branch if target == unit.step else "",
                iteration=unit.iteration,
                cause="gate",
                gate=gate,
                reasons=reasons,
            )
        case _:
            raise AssertionError(f"{type(directive).__name__} is more than a fact")
