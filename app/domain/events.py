"""Events: the journal's vocabulary. Every change of state is one, committed before its effect."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field, TypeAdapter

from app.domain.approval import Actor, Approval, Decision, Settlement, StoredRule
from app.domain.attachment import Attachment
from app.domain.base import (
    ApprovalId,
    Model,
    ProcessId,
    QuestionId,
    ReviewId,
    RuleId,
    RunId,
    SessionId,
)
from app.domain.request import Risk
from app.domain.rollout_events import (
    CandidateAdopted,
    CandidateReopened,
    CandidateStopped,
    ChecklistTicked,
    ComparisonRecorded,
    ExpectedGiven,
    JudgeAsked,
    RolledBack,
    RolloutConfigured,
    RolloutHeld,
    RolloutMoved,
    RolloutOpened,
    ShadowBegun,
)
from app.domain.run import (
    Attempt,
    Blocked,
    BranchPlan,
    Failure,
    GateResult,
    Question,
    Review,
    Run,
    StepProgress,
    StepState,
    Unit,
    Verdict,
    attempt_key,
)
from app.domain.session import Continuity, Process, Session, StuckKind, Usage
from app.domain.task_state import TaskState
from app.domain.toolcall import ToolCall, ToolOutcome
from app.domain.workflow import Recipe


class OfAttempt(Model):
    """What every event about one attempt has: its key within the run."""

    step: str
    branch: str = ""
    iteration: int = 0
    attempt: int

    @property
    def key(self) -> str:
        return attempt_key(self.step, self.attempt, self.branch, self.iteration)

    @property
    def unit(self) -> Unit:
        return Unit(self.step, self.branch, self.iteration)


class SupervisorStarted(Model):
    """A new epoch: whatever an earlier supervisor was waiting on is gone."""

    type: Literal["supervisor_started"] = "supervisor_started"
    epoch: int
    pid: int
    host: str
    version: str


class SupervisorStopped(Model):
    type: Literal["supervisor_stopped"] = "supervisor_stopped"
    epoch: int


class RecipeRecorded(Model):
    type: Literal["recipe_recorded"] = "recipe_recorded"
    digest: str
    recipe: Recipe


class RuleAdded(Model):
    type: Literal["rule_added"] = "rule_added"
    rule: StoredRule


class RuleRemoved(Model):
    type: Literal["rule_removed"] = "rule_removed"
    rule_id: RuleId
    by: Actor


class BudgetGranted(Model):
    """A person lets an account use `total` in this day instead of what is configured."""

    type: Literal["budget_granted"] = "budget_granted"
    day: date
    project: str = ""
    agent: str = ""
    unit: Literal["tokens", "usd"]
    total: float
    by: Actor


class ProcessStarted(Model):
    type: Literal["process_started"] = "process_started"
    process: Process


class ProcessEnded(Model):
    type: Literal["process_ended"] = "process_ended"
    process_id: ProcessId
    returncode: int | None
    how: Literal["exited", "killed", "reaped"]


class RunCreated(Model):
    type: Literal["run_created"] = "run_created"
    run: Run


class RunStateChanged(Model):
    type: Literal["run_state_changed"] = "run_state_changed"
    state: TaskState
    reason: str = ""
    by: Actor
    blocked: Blocked | None = None


class BasePinned(Model):
    """The commit that the run's work starts from."""

    type: Literal["base_pinned"] = "base_pinned"
    commit: str


class SessionOpened(Model):
    type: Literal["session_opened"] = "session_opened"
    session: Session


class SessionBound(Model):
    """The agent has given its own id for the conversation."""

    type: Literal["session_bound"] = "session_bound"
    session_id: SessionId
    native_id: str
    continuity: Continuity


class SessionLost(Model):
    type: Literal["session_lost"] = "session_lost"
    session_id: SessionId
    why: str


class SessionStuck(Model):
    """A person should look: the session is at work and seems to get nowhere."""

    type: Literal["session_stuck"] = "session_stuck"
    session_id: SessionId
    kind: StuckKind
    why: str


class RestartAsked(Model):
    """A person wants the session's agent ended and started anew where it stands."""

    type: Literal["restart_asked"] = "restart_asked"
    session_id: SessionId
    by: Actor
    reason: str = ""


class SessionMoving(Model):
    """A session that was stuck goes on, or was told to."""

    type: Literal["session_moving"] = "session_moving"
    session_id: SessionId


class SessionAttached(Model):
    """Files came with something that was said to the session; its driver is given them next."""

    type: Literal["session_attached"] = "session_attached"
    session_id: SessionId
    attachments: tuple[Attachment, ...]
    by: Actor


class ModelSwitched(Model):
    """A model is not to be had: the session goes on with another of its agent's, for this turn."""

    type: Literal["model_switched"] = "model_switched"
    session_id: SessionId
    before: str
    model: str
    why: str


class SessionClosed(Model):
    type: Literal["session_closed"] = "session_closed"
    session_id: SessionId
    why: str


class AttemptStarted(Model):
    type: Literal["attempt_started"] = "attempt_started"
    attempt: Attempt


class CallStarted(OfAttempt):
    """A step's call is about to be made."""

    type: Literal["call_started"] = "call_started"


class TurnStarted(OfAttempt):
    """A prompt is about to be sent. `again` marks the same turn after a crash."""

    type: Literal["turn_started"] = "turn_started"
    session_id: SessionId
    turn: int
    prompt: str
    again: bool = False


class TurnEnded(Model):
    type: Literal["turn_ended"] = "turn_ended"
    session_id: SessionId
    turn: int
    status: Literal["completed", "interrupted", "failed"]
    failure: Failure | None = None


class ItemFinished(Model):
    """A piece of transcript is complete; its text is outside the chain, its hash in it."""

    type: Literal["item_finished"] = "item_finished"
    session_id: SessionId
    item_id: str
    kind: str
    sha256: str
    size: int


class UsageUpdated(Model):
    type: Literal["usage_updated"] = "usage_updated"
    session_id: SessionId
    usage: Usage


class OutputProduced(OfAttempt):
    type: Literal["output_produced"] = "output_produced"
    output: str
    commit: str | None = None
    worked_seconds: float = 0  # without waiting for a person


class AttemptFailed(OfAttempt):
    """Without `retry_in` and `skipped` a person is needed: `blocked` says why."""

    type: Literal["attempt_failed"] = "attempt_failed"
    failure: Failure
    retry_in: float | None = None  # seconds, when it is tried again without a person
    worked_seconds: float = 0
    blocked: Blocked | None = None
    fatal: bool = False  # the run fails by it
    skipped: bool = False  # the run goes on without it


class GateFinished(OfAttempt):
    type: Literal["gate_finished"] = "gate_finished"
    result: GateResult


class AttemptPassed(OfAttempt):
    """One branch or one turn of a loop is done; its step goes on."""

    type: Literal["attempt_passed"] = "attempt_passed"


class AttemptBlocked(OfAttempt):
    """It needs a person. `fatal`: the run has failed by it."""

    type: Literal["attempt_blocked"] = "attempt_blocked"
    blocked: Blocked
    fatal: bool = False


class AttemptReleased(OfAttempt):
    """A person wants it tried again, with `prompt` in place of the step's own if given."""

    type: Literal["attempt_released"] = "attempt_released"
    by: Actor
    prompt: str = ""


class AttemptSkipped(OfAttempt):
    """The run goes on without its result, or with `output` instead."""

    type: Literal["attempt_skipped"] = "attempt_skipped"
    by: Actor
    output: str | None = None
    reason: str = ""


class AttemptCanceled(OfAttempt):
    type: Literal["attempt_canceled"] = "attempt_canceled"
    why: str


class StepFinished(Model):
    """A step is done; with `attempt`, that attempt of it has passed.

    `state` tells a step that was skipped or canceled from one that is done.
    """

    type: Literal["step_finished"] = "step_finished"
    step: str
    attempt: int = 0  # of the step's only unit; 0: each unit has had its own event
    commit: str | None = None
    state: Literal[StepState.DONE, StepState.SKIPPED, StepState.CANCELED] = StepState.DONE
    reason: str = ""


class BranchesPlanned(Model):
    """A fan-out begins: these are its branches."""

    type: Literal["branches_planned"] = "branches_planned"
    step: str
    branches: tuple[BranchPlan, ...]


class BranchCanceled(Model):
    """Enough branches have a result: this one's is not waited for."""

    type: Literal["branch_canceled"] = "branch_canceled"
    step: str
    branch: str
    why: str


class ChildStarted(OfAttempt):
    """The run of a sub-workflow was created in the same commit."""

    type: Literal["child_started"] = "child_started"
    child: RunId


class HeadMoved(Model):
    """The work of several steps was merged; `branch` is the git branch made for it."""

    type: Literal["head_moved"] = "head_moved"
    commit: str
    branch: str | None = None


class PrefixTaken(Model):
    """What a fork takes over from the run that it was made of."""

    type: Literal["prefix_taken"] = "prefix_taken"
    source: RunId
    attempts: tuple[Attempt, ...]
    steps: tuple[StepProgress, ...]


class Returned(Model):
    """Work goes back: to an earlier step after a reject, to the same step after a gate."""

    type: Literal["returned"] = "returned"
    from_step: str
    to_step: str
    branch: str = ""  # of both, when it is the same step
    iteration: int = 0
    cause: Literal["rejected", "gate"]
    gate: str = ""
    reasons: tuple[str, ...] = ()


class ApprovalRequested(Model):
    type: Literal["approval_requested"] = "approval_requested"
    approval: Approval


class ApprovalRebound(Model):
    """A restarted agent asks the same question again, under a new id of its own."""

    type: Literal["approval_rebound"] = "approval_rebound"
    approval_id: ApprovalId
    call_id: str
    turn: int
    epoch: int


class ApprovalSupported(Model):
    """A person allows it, and another one must too before it is decided."""

    type: Literal["approval_supported"] = "approval_supported"
    approval_id: ApprovalId
    by: Actor


class ApprovalDecided(Model):
    """`told`: the agent is there and is told right after this commit."""

    type: Literal["approval_decided"] = "approval_decided"
    approval_id: ApprovalId
    decision: Decision
    told: bool


class ApprovalEdited(Model):
    """A person has changed what is asked, and not answered it yet: it is judged and read anew."""

    type: Literal["approval_edited"] = "approval_edited"
    approval_id: ApprovalId
    call: ToolCall
    text: str
    risk: Risk
    risk_reasons: tuple[str, ...] = ()
    deciders: int = 1
    by: Actor


class ApprovalTold(Model):
    """A decision that had waited for its agent is handed over right after this commit."""

    type: Literal["approval_told"] = "approval_told"
    approval_id: ApprovalId


class ApprovalOutcome(Model):
    type: Literal["approval_outcome"] = "approval_outcome"
    approval_id: ApprovalId
    outcome: ToolOutcome


class ApprovalUncertain(Model):
    type: Literal["approval_uncertain"] = "approval_uncertain"
    approval_id: ApprovalId
    why: str


class ApprovalSettled(Model):
    type: Literal["approval_settled"] = "approval_settled"
    approval_id: ApprovalId
    settlement: Settlement
    by: Actor
    reason: str = ""


class ApprovalWithdrawn(Model):
    type: Literal["approval_withdrawn"] = "approval_withdrawn"
    approval_id: ApprovalId
    why: str


class ReviewOpened(Model):
    type: Literal["review_opened"] = "review_opened"
    review: Review


class VerdictGiven(Model):
    type: Literal["verdict_given"] = "verdict_given"
    review_id: ReviewId
    verdict: Verdict
    attempt: int = 0  # of the review step, when an agent gave it


class ReviewEscalated(Model):
    type: Literal["review_escalated"] = "review_escalated"
    review_id: ReviewId
    why: str
    at_limit: bool = False


class ReviewClosed(Model):
    type: Literal["review_closed"] = "review_closed"
    review_id: ReviewId
    approved: bool
    reasons: tuple[str, ...] = ()


class QuestionAsked(Model):
    type: Literal["question_asked"] = "question_asked"
    question: Question


class QuestionAnswered(Model):
    """The answer is the step's result."""

    type: Literal["question_answered"] = "question_answered"
    question_id: QuestionId
    answer: str
    by: Actor


class Snoozed(Model):
    """ "Not now": an answer for the operator, not for the agent."""

    type: Literal["snoozed"] = "snoozed"
    item: Literal["approval", "review", "question"]
    item_id: str
    until: datetime | None
    by: Actor


Payload = Annotated[
    SupervisorStarted
    | SupervisorStopped
    | RecipeRecorded
    | RuleAdded
    | RuleRemoved
    | BudgetGranted
    | ProcessStarted
    | ProcessEnded
    | RunCreated
    | RunStateChanged
    | BasePinned
    | SessionOpened
    | SessionBound
    | SessionLost
    | SessionStuck
    | RestartAsked
    | SessionMoving
    | SessionAttached
    | ModelSwitched
    | SessionClosed
    | AttemptStarted
    | TurnStarted
    | CallStarted
    | TurnEnded
    | ItemFinished
    | UsageUpdated
    | OutputProduced
    | AttemptFailed
    | GateFinished
    | AttemptPassed
    | AttemptBlocked
    | AttemptReleased
    | AttemptSkipped
    | AttemptCanceled
    | StepFinished
    | BranchesPlanned
    | BranchCanceled
    | ChildStarted
    | HeadMoved
    | PrefixTaken
    | Returned
    | ApprovalRequested
    | ApprovalRebound
    | ApprovalSupported
    | ApprovalDecided
    | ApprovalEdited
    | ApprovalTold
    | ApprovalOutcome
    | ApprovalUncertain
    | ApprovalSettled
    | ApprovalWithdrawn
    | ReviewOpened
    | VerdictGiven
    | ReviewEscalated
    | ReviewClosed
    | QuestionAsked
    | QuestionAnswered
    | Snoozed
    | RolloutOpened
    | RolloutConfigured
    | RolloutMoved
    | RolloutHeld
    | ChecklistTicked
    | RolledBack
    | CandidateStopped
    | CandidateReopened
    | CandidateAdopted
    | JudgeAsked
    | ComparisonRecorded
    | ExpectedGiven
    | ShadowBegun,
    Field(discriminator="type"),
]

PAYLOAD: TypeAdapter[Payload] = TypeAdapter(Payload, config=ConfigDict(defer_build=True))
GENESIS = "0" * 64


_KINDS: dict[str, type[Model]] = {
    kind.model_fields["type"].default: kind for kind in get_args(get_args(Payload)[0])
}
_BEGIN = '{"type":"'  # of every payload that `to_json` has written


def from_json(body: str) -> Payload:
    """What `to_json` has written. Only the model of that kind is made ready for it, which counts
    at a start: there are many kinds. Raises ValueError."""
    kind = _KINDS.get(body[len(_BEGIN) :].partition('"')[0]) if body.startswith(_BEGIN) else None
    if kind is None:
        return PAYLOAD.validate_json(body)
    payload: Payload = kind.model_validate_json(body)  # type: ignore[assignment]
    return payload


def to_json(payload: Payload) -> str:
    """A payload as the journal keeps it: its type, and what differs from the defaults.

    Most of an event is defaults, and the journal is for ever: `PAYLOAD` reads it back equal.
    """
    fields = payload.model_dump_json(exclude_defaults=True)
    more = f",{fields[1:]}" if len(fields) > 2 else "}"
    return f'{{"type":"{payload.type}"{more}'


class Event(Model):
    """One entry of the journal. `run_id` is empty for what concerns the store as a whole."""

    seq: int  # from 1, without gaps
    at: datetime
    run_id: RunId | Literal[""] = ""
    trace_id: str = ""
    payload: Payload


def chain_hash(previous: str, seq: int, at: str, run_id: str, trace_id: str, body: str) -> str:
    """Hash of one journal row over its predecessor's; hex SHA-256. `body` is the payload's JSON."""
    head = "\x1f".join((previous, str(seq), at, run_id, trace_id))
    return hashlib.sha256(f"{head}\x1f{body}".encode()).hexdigest()
