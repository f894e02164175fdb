"""What a run does next: a pure function of its recipe and its committed state.

The engine asks, carries the directive out, commits what came of it, and asks again. A crash
in between changes nothing: the same state gives the same directive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.domain.approval import ActorKind, ApprovalState
from app.domain.gate import Gate
from app.domain.run import (
    Attempt,
    AttemptState,
    Blocked,
    Cause,
    Review,
    ReviewState,
    RunState,
)
from app.domain.step import OPERATOR, AgentStep, ReviewStep
from app.domain.task_state import TaskState
from app.domain.workflow import Recipe


@dataclass(frozen=True, slots=True)
class Begin:
    """Take the run up: pending becomes in_progress."""


@dataclass(frozen=True, slots=True)
class PinBase:
    """Record the commit the work starts from."""


@dataclass(frozen=True, slots=True)
class StartAttempt:
    step: str
    attempt: int
    cause: Cause
    tries: int = 0
    wait: float = 0.0  # seconds before it, when the one before failed for a while only


@dataclass(frozen=True, slots=True)
class RunTurn:
    """Prompt the step's agent, or prompt it again after a crash."""

    step: str
    attempt: int
    agent: str


@dataclass(frozen=True, slots=True)
class RunGate:
    step: str
    attempt: int
    gate: Gate


@dataclass(frozen=True, slots=True)
class SendBack:
    """To the same step after a failed gate."""

    step: str
    gate: str


@dataclass(frozen=True, slots=True)
class FinishStep:
    step: str
    attempt: int


@dataclass(frozen=True, slots=True)
class OpenReview:
    step: str
    of: str
    of_attempt: int
    round: int


@dataclass(frozen=True, slots=True)
class Judge:
    """Read the verdict out of a reviewing agent's output."""

    review: Review
    attempt: Attempt
    agent: str


@dataclass(frozen=True, slots=True)
class CloseReview:
    review: Review
    approved: bool
    reasons: tuple[str, ...]
    return_to: str


@dataclass(frozen=True, slots=True)
class Escalate:
    """Leave a review to the operator. `block`: the run is blocked until then."""

    review: Review
    why: str
    block: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """The run cannot go on by itself."""

    state: Literal[TaskState.BLOCKED, TaskState.FAILED]
    blocked: Blocked


@dataclass(frozen=True, slots=True)
class Complete:
    """All steps are done."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until somebody answers."""

    why: str


Directive = (
    Begin
    | PinBase
    | StartAttempt
    | RunTurn
    | RunGate
    | SendBack
    | FinishStep
    | OpenReview
    | Judge
    | CloseReview
    | Escalate
    | Stop
    | Complete
    | Wait
)


def decide(recipe: Recipe, state: RunState) -> Directive:
    """The next thing to do for a run."""
    run = state.run
    if run.state is TaskState.PENDING:
        return Begin()
    if run.state is not TaskState.IN_PROGRESS:
        return Wait(f"the run is {run.state}")
    if run.base_commit is None:
        return PinBase()
    if run.cursor >= len(recipe.workflow.steps):
        return Complete()
    step = recipe.workflow.steps[run.cursor]
    if isinstance(step, AgentStep):
        return _agent_step(step, state)
    return _review_step(step, state)


def _agent_step(step: AgentStep, state: RunState) -> Directive:
    attempt = state.latest(step.name)
    if attempt is None:
        return StartAttempt(step.name, 1, Cause.FIRST)
    if attempt.state is AttemptState.OPEN:
        return _turn(step.name, attempt, step.agent, state)
    if attempt.state is not AttemptState.PRODUCED:
        return _next_attempt(attempt, _cause(attempt))
    return _gates(step, attempt, state)


def _cause(previous: Attempt) -> Cause:
    if previous.state is AttemptState.FAILED:
        return Cause.RETRY
    if previous.gates and not previous.gates[-1].passed:
        return Cause.GATE
    return Cause.REJECTED


def _next_attempt(previous: Attempt, cause: Cause) -> StartAttempt:
    number, wait = previous.attempt + 1, previous.retry_in
    if previous.state is not AttemptState.FAILED or wait is None:
        return StartAttempt(previous.step, number, cause)
    return StartAttempt(previous.step, number, cause, previous.tries + 1, wait)


def _turn(step: str, attempt: Attempt, agent: str, state: RunState) -> Directive:
    for approval in state.approvals.values():
        if approval.state is ApprovalState.UNCERTAIN:
            return Wait("a tool call's outcome is uncertain")
    return RunTurn(step, attempt.attempt, agent)


def _gates(step: AgentStep, attempt: Attempt, state: RunState) -> Directive:
    for gate in step.gates:
        results = [r for r in attempt.gates if r.gate == gate.name]
        if not results:
            return RunGate(step.name, attempt.attempt, gate)
        if not results[-1].passed:
            return _gate_failed(step, attempt, gate, state)
    return FinishStep(step.name, attempt.attempt)


def _gate_failed(step: AgentStep, attempt: Attempt, gate: Gate, state: RunState) -> Directive:
    if not attempt.gates[-1].could_start:
        blocked = Blocked(kind="gate_start", message=attempt.gates[-1].log, step=step.name)
        return Stop(TaskState.BLOCKED, blocked)
    returned = state.returns.get(f"{step.name}/{gate.name}", 0)
    if gate.on_failure == "return" and returned < gate.max_returns:
        return SendBack(step.name, gate.name)
    tries = f" after {returned} returns" if gate.on_failure == "return" else ""
    message = f"step {step.name}: gate {gate.name} failed in attempt {attempt.attempt}{tries}"
    blocked = Blocked(kind="gate", message=message, step=step.name)
    return Stop(TaskState.FAILED if gate.on_failure == "fail" else TaskState.BLOCKED, blocked)


def _review_step(step: ReviewStep, state: RunState) -> Directive:
    rounds = [r for r in state.reviews.values() if r.step == step.name]
    review = rounds[-1] if rounds else None
    if review is None or review.state is not ReviewState.OPEN:
        artefact = state.latest(step.of)
        number = artefact.attempt if artefact else 0
        return OpenReview(step.name, step.of, number, len(rounds) + 1)
    return _open_review(step, review, state)


def _open_review(step: ReviewStep, review: Review, state: RunState) -> Directive:
    last = review.verdicts[-1] if review.verdicts else None
    if last is None:
        return _next_reviewer(step, review, state)
    if last.by.kind is ActorKind.PERSON:
        if last.decision == "approve" and not review.escalated:
            return _next_reviewer(step, review, state)
        return CloseReview(review, last.decision == "approve", last.reasons, step.return_to)
    if review.escalated:
        return Wait("the review waits for the operator")
    if last.decision == "unparsable":
        return Escalate(review, f"{last.by.name} gave no verdict that can be read", block=False)
    if last.decision == "approve":
        return _next_reviewer(step, review, state)
    if state.rejects.get(step.name, 0) >= step.max_rejects:
        why = f"rejected again after {step.max_rejects} returns (max_rejects)"
        return Escalate(review, why, block=True)
    return CloseReview(review, False, last.reasons, step.return_to)


def _next_reviewer(step: ReviewStep, review: Review, state: RunState) -> Directive:
    if len(review.verdicts) >= len(step.by):
        return CloseReview(review, True, (), step.return_to)
    reviewer = step.by[len(review.verdicts)]
    if reviewer == OPERATOR:
        return Wait("the review waits for the operator")
    attempt = state.latest(step.name)
    if attempt is None:
        return StartAttempt(step.name, 1, Cause.FIRST)
    if attempt.state is AttemptState.OPEN:
        return _turn(step.name, attempt, reviewer, state)
    if attempt.state is AttemptState.PRODUCED:
        return Judge(review, attempt, reviewer)
    failed = attempt.state is AttemptState.FAILED
    return _next_attempt(attempt, Cause.RETRY if failed else Cause.FIRST)
