"""Runs: one execution of a workflow for a request, and everything it has produced so far."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from app.domain.approval import Actor, Approval
from app.domain.base import ApprovalId, Model, ReviewId, RunId, SessionId
from app.domain.request import Request
from app.domain.session import Session
from app.domain.task_state import TaskState


class FailureKind(StrEnum):
    """Why an agent's turn did not produce a result."""

    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    UNAUTHORIZED = "unauthorized"
    BAD_REQUEST = "bad_request"
    BROKEN_PIPE = "broken_pipe"
    PROTOCOL = "protocol"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"
    MISSING_BINARY = "missing_binary"
    WORKSPACE = "workspace"
    OTHER = "other"

    @property
    def retryable(self) -> bool:
        """Whether trying the same again may help without a person."""
        return self in (FailureKind.RATE_LIMIT, FailureKind.OVERLOADED)


class Failure(Model):
    """One clear sentence, with its class."""

    kind: FailureKind
    message: str


class GateResult(Model):
    """One evaluation of one gate; the log is capped, its hash covers all of it."""

    gate: str
    passed: bool
    exit_code: int | None  # None: not started, killed by a signal, or timed out
    log: str
    log_sha256: str
    log_bytes: int
    timed_out: bool = False
    could_start: bool = True  # False: the command itself is missing, no agent can mend that
    started_at: datetime
    ended_at: datetime


class Cause(StrEnum):
    """Why an attempt was made."""

    FIRST = "first"
    REJECTED = "rejected"
    GATE = "gate"
    RETRY = "retry"


class AttemptState(StrEnum):
    OPEN = "open"  # the agent is to be prompted, or is at work
    PRODUCED = "produced"  # there is an output; gates may still be open
    PASSED = "passed"
    REJECTED = "rejected"  # by a gate or a review; a later attempt follows
    FAILED = "failed"  # no output


class Attempt(Model):
    """One try of one step. (run, step, branch, iteration, attempt) names it."""

    step: str
    branch: str = ""
    iteration: int = 0
    attempt: int  # from 1
    cause: Cause = Cause.FIRST
    state: AttemptState = AttemptState.OPEN
    session_id: SessionId | None = None
    turn: int | None = None
    output: str | None = None
    output_sha256: str = ""
    gates: tuple[GateResult, ...] = ()
    commit: str | None = None  # the workspace as this attempt left it
    failure: Failure | None = None
    tries: int = 0  # how many automatic tries in a row this attempt makes, 0 for the first
    retry_in: float | None = None  # seconds until the next automatic one, when it has failed
    started_at: datetime
    ended_at: datetime | None = None

    @property
    def key(self) -> str:
        return attempt_key(self.step, self.attempt, self.branch, self.iteration)


def attempt_key(step: str, attempt: int, branch: str = "", iteration: int = 0) -> str:
    """The attempt's name within its run, as used in tables and dictionaries."""
    return f"{step}/{branch}/{iteration}/{attempt}"


class Verdict(Model):
    """One reviewer's answer. `unparsable` never approves: it calls the operator."""

    by: Actor
    decision: Literal["approve", "reject", "unparsable"]
    reasons: tuple[str, ...] = ()
    at: datetime


class ReviewState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"


class Review(Model):
    """The judgement of one artefact: attempt `of_attempt` of step `of`."""

    review_id: ReviewId
    revision: int = 1  # moves when a verdict arrives; an answer names the one it read
    run_id: RunId
    step: str
    round: int  # from 1: how often this review step has been reached
    of: str
    of_attempt: int
    by: tuple[str, ...]
    verdicts: tuple[Verdict, ...] = ()
    escalated: str = ""  # why the operator must answer, when that was not planned
    state: ReviewState = ReviewState.OPEN
    opened_at: datetime
    closed_at: datetime | None = None
    snoozed_until: datetime | None = None


class Blocked(Model):
    """Why a run stands still, in one sentence, and what it is about."""

    kind: Literal[
        "agent_failure", "gate", "review_limit", "gate_start", "workspace", "aborted", "interrupted"
    ]
    message: str
    step: str = ""


class StepBrief(Model):
    """Name and kind of a step, so that a list can be drawn without the recipe."""

    name: str
    kind: str


class Run(Model):
    """The head of a run: small and of constant size; the rest is in `RunState`."""

    run_id: RunId
    trace_id: str
    request: Request
    project: str  # root of the git repository, absolute
    workflow: str
    recipe: str  # content hash of the pinned Recipe
    steps: tuple[StepBrief, ...]
    path: str = "stable"
    rollout_version: int = 0
    state: TaskState = TaskState.PENDING
    cursor: int = 0  # index of the current step; len(steps) when complete
    blocked: Blocked | None = None
    reason: str = ""  # of the latest change of state
    base_commit: str | None = None
    head_commit: str | None = None  # the latest accepted state of the work
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None

    @property
    def current_step(self) -> str:
        return self.steps[self.cursor].name if self.cursor < len(self.steps) else ""


class RunState(Model):
    """All that is known of a run; what `reduce` builds and every decision is made from."""

    run: Run
    attempts: dict[str, Attempt] = Field(default_factory=dict)  # by Attempt.key, in order
    sessions: dict[SessionId, Session] = Field(default_factory=dict)
    approvals: dict[ApprovalId, Approval] = Field(default_factory=dict)
    reviews: dict[ReviewId, Review] = Field(default_factory=dict)
    rejects: dict[str, int] = Field(default_factory=dict)  # by review step
    returns: dict[str, int] = Field(default_factory=dict)  # by step/gate
    seq: int = 0  # of the latest event applied

    def latest(self, step: str) -> Attempt | None:
        """The newest attempt of a step, or None."""
        found = [a for a in self.attempts.values() if a.step == step]
        return found[-1] if found else None

    @property
    def result_branch(self) -> str | None:
        """The branch that holds the run's accepted work; None while there is none."""
        if self.run.head_commit in (None, self.run.base_commit):
            return None
        for attempt in reversed(self.attempts.values()):
            session = self.sessions.get(attempt.session_id) if attempt.session_id else None
            if session is not None and attempt.commit == self.run.head_commit:
                return session.git_branch
        return None

    def session_of(self, step: str, agent: str | None = None) -> Session | None:
        """The session that a step owns (a review step has one per reviewing agent)."""
        for session in self.sessions.values():
            if session.step == step and (agent is None or session.agent == agent):
                return session
        return None
