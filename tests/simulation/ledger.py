"""The ledger: what has been committed, retold without the product's reducer, and the deeds of
agents held against it at the instant they happen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from app.agents.protocol import Prompt
from app.domain import events as ev
from app.domain.approval import Action, ActorKind, Approval, Settlement
from app.domain.events import Event
from app.domain.flow import dependents, owner
from app.domain.request import Risk
from app.domain.run import Attempt, Review, Run, StepState, Verdict
from app.domain.step import AgentStep, ReviewStep
from app.domain.task_state import TaskState
from app.domain.toolcall import ToolCall
from app.domain.workflow import Recipe
from tests.simulation.world import World

Key = tuple[str, str]  # a run's id, and the key of an attempt in it
_OVER = (TaskState.DONE, TaskState.CANCELED)


@dataclass
class KnownApproval:
    """A call that was asked about, and what may be done about it."""

    approval: Approval
    call_id: str
    may_run: int = 0  # how often it may be carried out
    allowed: int = 0
    executed: int = 0
    permitted: bool = False
    open: bool = True  # nobody has answered yet


@dataclass
class KnownRun:
    """What a run has come to."""

    run: Run
    state: TaskState = TaskState.PENDING
    stopped_by: str = ""
    attempts: dict[str, Attempt] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)  # attempts with a result, and of what kind
    passed: set[str] = field(default_factory=set)
    gates: dict[tuple[str, str], bool] = field(default_factory=dict)  # could it start?
    finished: set[str] = field(default_factory=set)
    turns: dict[tuple[str, int], str] = field(default_factory=dict)
    rejects: Counter[str] = field(default_factory=Counter)
    returns: Counter[str] = field(default_factory=Counter)
    verdicts: dict[str, Verdict] = field(default_factory=dict)  # the newest of each review
    reviews: dict[str, Review] = field(default_factory=dict)


class Ledger:
    """Takes committed events in order, from every life; notes what must not be."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.recipes: dict[str, Recipe] = {}
        self.runs: dict[str, KnownRun] = {}
        self.approvals: dict[str, KnownApproval] = {}
        self.epoch = 0
        self.seq = 0

    def _demand(self, holds: object, what: str) -> None:
        if not holds:
            self._world.violate(f"event {self.seq}: {what}")

    def take(self, event: Event) -> None:
        self._demand(event.seq == self.seq + 1, f"event {event.seq} follows event {self.seq}")
        self.seq = event.seq
        payload = event.payload
        match payload:
            case ev.SupervisorStarted(epoch=epoch):
                self._demand(epoch == self.epoch + 1, f"epoch {epoch} follows {self.epoch}")
                self.epoch = epoch
            case ev.RecipeRecorded(digest=digest, recipe=recipe):
                self.recipes[digest] = recipe
            case ev.RunCreated(run=run):
                self._demand(run.run_id not in self.runs, f"{run.run_id} is created twice")
                self.runs[run.run_id] = KnownRun(run)
            case _ if event.run_id:
                self._of_run(self.runs[event.run_id], payload)

    def _of_run(self, run: KnownRun, payload: Any) -> None:
        handler = getattr(self, f"_{payload.type}", None)
        if handler is not None:
            handler(run, payload)

    def _run_state_changed(self, run: KnownRun, p: ev.RunStateChanged) -> None:
        self._demand(run.state not in _OVER, f"{run.run.run_id} was {run.state} for good")
        self._demand(
            not p.reason.startswith("Longwatch itself failed"), f"{run.run.run_id}: {p.reason}"
        )
        run.state = p.state
        if p.state is TaskState.DONE:
            missing = {step.name for step in run.run.steps} - run.finished
            self._demand(not missing, f"{run.run.run_id} is done without {missing}")

    def _prefix_taken(self, run: KnownRun, p: ev.PrefixTaken) -> None:
        for attempt in p.attempts:
            run.attempts[attempt.key] = attempt
            run.ended[attempt.key] = "taken over"
            run.passed.add(attempt.key)
        run.finished |= {progress.step for progress in p.steps}

    def _attempt_started(self, run: KnownRun, p: ev.AttemptStarted) -> None:
        new = p.attempt
        self._at_work(run, f"attempt {new.key} starts")
        self._demand(new.key not in run.attempts, f"attempt {new.key} starts twice")
        last = max((a.attempt for a in run.attempts.values() if a.unit == new.unit), default=0)
        self._demand(new.attempt == last + 1, f"attempt {new.key} follows number {last}")
        self._demand(owner(new.step) not in run.finished, f"{new.key} of a finished step")
        if new.iteration > 1:
            earlier = [a for a in run.attempts.values() if a.iteration == new.iteration - 1]
            self._demand(
                any(a.unit == new.unit._replace(iteration=a.iteration) for a in earlier),
                f"{new.key} without an iteration before it",
            )
        step = self._recipe(run).workflow.step(owner(new.step))
        if isinstance(step, AgentStep) and step.loop is not None and owner(new.step) == new.step:
            self._demand(
                1 <= new.iteration <= step.loop.max_iterations, f"{new.key} is beyond its loop"
            )
        run.attempts[new.key] = new
        if p.prompt is not None:
            self._turn(run, new.session_id or "", new.turn or 0, new.key, again=False)

    def _recipe(self, run: KnownRun) -> Recipe:
        return self.recipes[run.run.recipe]

    def _at_work(self, run: KnownRun, what: str) -> None:
        self._demand(
            run.state is TaskState.IN_PROGRESS, f"{what} in run {run.run.run_id}, {run.state}"
        )

    def _turn_started(self, run: KnownRun, p: ev.TurnStarted) -> None:
        self._at_work(run, f"a turn for {p.key} starts")
        self._demand(p.key in run.attempts, f"a turn for {p.key}, which never started")
        self._demand(p.key not in run.ended, f"a turn for {p.key}, which has a result")
        self._turn(run, p.session_id, p.turn, p.key, again=p.again)

    def _turn(self, run: KnownRun, session_id: str, turn: int, key: str, *, again: bool) -> None:
        before = run.turns.get((session_id, turn))
        self._demand(session_id and turn, f"a turn for {key} is nobody's")
        self._demand(again == (before is not None), f"turn {turn}: again is {again}")
        self._demand(before in (None, key), f"turn {turn} is for {key}, was for {before}")
        run.turns[session_id, turn] = key

    def _result(self, run: KnownRun, key: str, kind: str) -> None:
        before = run.ended.get(key)
        self._demand(key in run.attempts, f"a result ({kind}) of {key}, which never started")
        self._demand(before is None, f"a second result ({kind}) of {key} after {before}")
        self._demand(run.state not in _OVER, f"a result of {key} in a run that is {run.state}")
        run.ended[key] = kind

    def _output_produced(self, run: KnownRun, p: ev.OutputProduced) -> None:
        self._result(run, p.key, "output")
        if p.session_id is not None:
            turns = {
                turn
                for (session, turn), key in run.turns.items()
                if (session, key) == (p.session_id, p.key)
            }
            self._demand(turns, f"a turn ends with {p.key}, which had none")
        if p.passed:
            self._passed(run, p.key)

    def _attempt_failed(self, run: KnownRun, p: ev.AttemptFailed) -> None:
        self._result(run, p.key, "failure")

    def _attempt_passed(self, run: KnownRun, p: ev.AttemptPassed) -> None:
        self._passed(run, p.key)

    def _passed(self, run: KnownRun, key: str) -> None:
        self._demand(key in run.ended, f"{key} passes without a result")
        self._demand(key not in run.passed, f"{key} passes twice")
        run.passed.add(key)

    def _gate_finished(self, run: KnownRun, p: ev.GateFinished) -> None:
        self._demand(run.ended.get(p.key), f"gate {p.result.gate} before {p.key} has a result")
        again = run.gates.get((p.key, p.result.gate), False)
        self._demand(not again, f"gate {p.result.gate} of {p.key} is evaluated twice")
        run.gates[p.key, p.result.gate] = p.result.could_start

    def _step_finished(self, run: KnownRun, p: ev.StepFinished) -> None:
        self._demand(p.step not in run.finished, f"step {p.step} finishes twice")
        missing = set(run.run.needs()[p.step]) - run.finished
        if p.state is StepState.DONE and not self._joins(run, p.step):
            self._demand(not missing, f"step {p.step} finishes before {missing}")
        run.finished.add(p.step)

    def _joins(self, run: KnownRun, step: str) -> bool:
        return any(brief.name == step and brief.kind == "collect" for brief in run.run.steps)

    def _returned(self, run: KnownRun, p: ev.Returned) -> None:
        if p.cause == "rejected":
            self._count_reject(run, p)
        else:
            self._count_return(run, p)
        if p.from_step != p.to_step:
            run.finished -= {p.to_step, *dependents(run.run, p.to_step)}

    def _count_reject(self, run: KnownRun, p: ev.Returned) -> None:
        step = self._recipe(run).workflow.step(p.from_step)
        assert isinstance(step, ReviewStep)
        review = [r for r in run.reviews.values() if r.step == p.from_step and not r.gate][-1]
        by_person = run.verdicts[review.review_id].by.kind is ActorKind.PERSON
        self._demand(
            by_person or run.rejects[p.from_step] < step.max_rejects,
            f"{p.from_step} rejects once more after {run.rejects[p.from_step]} times",
        )
        run.rejects[p.from_step] += 1

    def _count_return(self, run: KnownRun, p: ev.Returned) -> None:
        step: Any = self._recipe(run).workflow.step(p.from_step)
        gate = next(gate for gate in step.gates if gate.name == p.gate)
        counter = f"{p.from_step}/{p.branch}/{p.iteration}/{p.gate}"
        self._demand(run.returns[counter] < gate.max_returns, f"{counter} returns once too often")
        run.returns[counter] += 1

    def _review_opened(self, run: KnownRun, p: ev.ReviewOpened) -> None:
        run.reviews[p.review.review_id] = p.review

    def _verdict_given(self, run: KnownRun, p: ev.VerdictGiven) -> None:
        run.verdicts[p.review_id] = p.verdict

    def _approval_requested(self, run: KnownRun, p: ev.ApprovalRequested) -> None:
        approval = p.approval
        self._demand(approval.approval_id not in self.approvals, "an approval is asked for twice")
        self.approvals[approval.approval_id] = KnownApproval(approval, approval.call.call_id)

    def _approval_rebound(self, run: KnownRun, p: ev.ApprovalRebound) -> None:
        self.approvals[p.approval_id].call_id = p.call_id

    def _approval_decided(self, run: KnownRun, p: ev.ApprovalDecided) -> None:
        known = self.approvals[p.approval_id]
        self._demand(known.open, f"{p.approval_id} is decided twice")
        known.open = False
        if p.decision.action is Action.ALLOW:
            known.may_run += 1
            known.permitted = p.told

    def _approval_told(self, run: KnownRun, p: ev.ApprovalTold) -> None:
        known = self.approvals[p.approval_id]
        known.permitted = known.may_run > known.allowed

    def _approval_uncertain(self, run: KnownRun, p: ev.ApprovalUncertain) -> None:
        known = self.approvals[p.approval_id]
        self._demand(known.permitted, f"{p.approval_id} is uncertain but was never permitted")
        known.permitted = False
        known.may_run = known.allowed  # whatever was allowed is used up

    def _approval_settled(self, run: KnownRun, p: ev.ApprovalSettled) -> None:
        if p.settlement is Settlement.RUN_AGAIN:
            self.approvals[p.approval_id].may_run += 1

    def _approval_withdrawn(self, run: KnownRun, p: ev.ApprovalWithdrawn) -> None:
        known = self.approvals[p.approval_id]
        known.open = known.permitted = False
        known.may_run = known.allowed

    def prompted(self, session_id: str, prompt: Prompt) -> None:
        """An agent has been asked: the committed turn must say so."""
        runs = [run for run in self.runs.values() if (session_id, prompt.turn) in run.turns]
        self._demand(runs, f"session {session_id} is prompted for turn {prompt.turn}: no such turn")
        for run in runs:
            key = run.turns[session_id, prompt.turn]
            self._demand(key not in run.ended, f"{key} is prompted, but has a result")

    def allowed(self, session_id: str, call_id: str) -> None:
        """An agent is told that it may: somebody must have decided that, on the disk."""
        known = self._by_call(session_id, call_id)
        if known is None:
            self._demand(False, f"call {call_id} is allowed, but nobody was asked")
            return
        known.allowed += 1
        self._demand(known.permitted, f"call {call_id} is allowed without a decision")
        self._demand(
            known.allowed <= known.may_run,
            f"call {call_id} ({known.approval.call.title}) is allowed {known.allowed} times,"
            f" decided on {known.may_run} times",
        )

    def executed(self, session_id: str, call: ToolCall) -> None:
        """An agent has done something that cannot be undone."""
        known = self._by_call(session_id, call.call_id)
        if known is None:
            self._demand(False, f"call {call.call_id} is carried out, but nobody was asked")
            return
        known.executed += 1
        if known.approval.risk is not Risk.LOW:
            self._demand(known.executed <= known.allowed, f"{call.title} is carried out twice")

    def _by_call(self, session_id: str, call_id: str) -> KnownApproval | None:
        for known in self.approvals.values():
            if known.approval.session_id == session_id and known.call_id == call_id:
                return known
        return None
