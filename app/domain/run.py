"""Runs: one execution of a workflow for a request, and everything it has produced so far."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from pydantic import Field, model_validator

from app.domain.approval import Actor, Approval
from app.domain.base import (
    ApprovalId,
    Model,
    QuestionId,
    ReviewId,
    RolloutId,
    RunId,
    SessionId,
)
from app.domain.path_name import PathName
from app.domain.remembered import remembered
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
    RUN_TIMEOUT = "run_timeout"
    OTHER = "other"


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

    @classmethod
    def of_text(
        cls, gate: str, *, passed: bool, log: str, started_at: datetime, ended_at: datetime
    ) -> GateResult:
        """The result of a gate that is no program: somebody's verdict."""
        data = log.encode()
        return cls(
            gate=gate,
            passed=passed,
            exit_code=None,
            log=log,
            log_sha256=hashlib.sha256(data).hexdigest(),
            log_bytes=len(data),
            started_at=started_at,
            ended_at=ended_at,
        )


class Blocked(Model):
    """Why a run or a part of it stands still, in one sentence, and what it is about."""

    kind: Literal[
        "agent_failure",
        "credentials",
        "model_unavailable",
        "dead_pipe",
        "no_program",
        "gate",
        "review_limit",
        "gate_start",
        "workspace",
        "aborted",
        "interrupted",
        "timeout",
        "budget",
        "day_budget",
        "input",
        "merge",
        "child",
        "paused",
        "frozen",
    ]
    message: str
    step: str = ""
    branch: str = ""
    until: datetime | None = None  # when it goes on by itself
    budget: str = ""  # which budget of the day it is about


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
    SKIPPED = "skipped"  # given up; `given`: `output` is the value an operator gave instead
    STALE = "stale"  # a step before it is made again, so it will be too
    CANCELED = "canceled"  # nobody needs its result any more

    @property
    def live(self) -> bool:
        """Whether there is still something to do for it."""
        return self in (AttemptState.OPEN, AttemptState.PRODUCED)

    @property
    def over(self) -> bool:
        """Whether its unit is done with, for good or ill."""
        return self in (AttemptState.PASSED, AttemptState.SKIPPED, AttemptState.CANCELED)


class Unit(NamedTuple):
    """What is executed: a step, one branch of it, one turn of its loop."""

    step: str
    branch: str = ""
    iteration: int = 0  # from 1 in a loop, else 0

    def __str__(self) -> str:
        branch = f"/{self.branch}" if self.branch else ""
        return f"{self.step}{branch}" + (f" (iter {self.iteration})" if self.iteration else "")


class Attempt(Model):
    """One try of one unit. (run, step, branch, iteration, attempt) names it."""

    step: str
    branch: str = ""
    iteration: int = 0
    attempt: int  # from 1
    cause: Cause = Cause.FIRST
    state: AttemptState = AttemptState.OPEN
    session_id: SessionId | None = None
    turn: int | None = None
    called: bool = False  # its step's call was begun
    output: str | None = None
    output_sha256: str = ""
    given: bool = False  # a person gave the output in place of a result
    gates: tuple[GateResult, ...] = ()
    commit: str | None = None  # the workspace as this attempt left it
    failure: Failure | None = None
    tries: int = 0  # how many automatic tries in a row this attempt makes, 0 for the first
    retry_in: float | None = None  # seconds until the next automatic one, when it has failed
    worked_seconds: float = 0  # its agent's, without waiting for a person
    blocked: Blocked | None = None  # why it needs a person
    fatal: bool = False  # blocked, and the run has failed by it
    reasons: tuple[str, ...] = ()  # why it was sent back
    by_gate: bool = False  # sent back by a gate of a later step
    child: RunId | None = None  # the run of a sub-workflow
    started_at: datetime
    ended_at: datetime | None = None

    @property
    def key(self) -> str:
        return attempt_key(self.step, self.attempt, self.branch, self.iteration)

    @property
    def unit(self) -> Unit:
        return Unit(self.step, self.branch, self.iteration)


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
    WITHDRAWN = "withdrawn"  # what it judges is made again


class Review(Model):
    """The judgement of one artefact: attempt `of_attempt` of step `of`.

    With `gate` it is not a review step's but a gate of `step` itself.
    """

    review_id: ReviewId
    revision: int = 1  # moves when a verdict arrives; an answer names the one it read
    run_id: RunId
    step: str
    round: int  # from 1: how often this review step has been reached
    of: str
    of_attempt: int
    of_branch: str = ""
    of_iteration: int = 0
    gate: str = ""
    by: tuple[str, ...]
    require: Literal["all", "any"] = "all"  # how many of them must approve
    verdicts: tuple[Verdict, ...] = ()
    escalated: str = ""  # why the operator must answer, when that was not planned
    at_limit: bool = False  # escalated because it has been sent back as often as it may be
    state: ReviewState = ReviewState.OPEN
    opened_at: datetime
    closed_at: datetime | None = None
    snoozed_until: datetime | None = None

    @property
    def unit(self) -> Unit:
        """Under which the attempts of its reviewing agents are kept."""
        if self.gate:
            return Unit(f"{self.step}.{self.gate}", self.of_branch, self.of_iteration)
        return Unit(self.step)


class QuestionState(StrEnum):
    OPEN = "open"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"


class Question(Model):
    """Something only the operator can say; the answer is the step's result."""

    question_id: QuestionId
    revision: int = 1
    run_id: RunId
    step: str
    attempt: int
    text: str
    choices: tuple[str, ...] = ()  # empty: any text answers
    state: QuestionState = QuestionState.OPEN
    answer: str = ""
    by: Actor | None = None
    asked_at: datetime
    answered_at: datetime | None = None
    snoozed_until: datetime | None = None


class BranchPlan(Model):
    """One branch of a fan-out as it was decided. `item` is JSON, "" for a declared branch."""

    name: str
    agent: str
    title: str = ""
    item: str = ""


class StepState(StrEnum):
    OPEN = "open"  # a fan-out whose branches are known
    DONE = "done"
    SKIPPED = "skipped"  # its condition did not hold, or it was given up
    CANCELED = "canceled"  # nobody needs its result any more


class StepProgress(Model):
    """Where a step stands. A step that has not come so far yet has none."""

    step: str
    state: StepState
    reason: str = ""
    branches: tuple[BranchPlan, ...] = ()
    canceled: tuple[str, ...] = ()  # branches that came too late
    commit: str | None = None  # the work as the step left it

    @property
    def finished(self) -> bool:
        return self.state is not StepState.OPEN


class StepBrief(Model):
    """Name, kind and needs of a step, so that a list can be drawn without the recipe."""

    name: str
    kind: str
    needs: tuple[str, ...] | None = None  # None: the step before it
    of: tuple[str, ...] = ()  # what a review judges or a collect joins


class Run(Model):
    """The head of a run: small and of constant size; the rest is in `RunState`."""

    run_id: RunId
    trace_id: str
    request: Request
    project: str  # root of the git repository, absolute
    workflow: str
    recipe: str  # content hash of the pinned Recipe
    steps: tuple[StepBrief, ...]
    path: PathName = PathName.STABLE
    rollout: RolloutId | Literal[""] = ""  # under which it was admitted
    rollout_version: int = 0  # that was the current one then
    shadow: bool = False  # of the candidate, and nobody is given its answer
    shadow_of: RunId | None = None  # the run whose request it answers too
    parent: RunId | None = None  # the run whose step this one is
    parent_step: str = ""
    forked_from: RunId | None = None
    forked_at: str = ""  # the step from which the fork makes everything anew
    state: TaskState = TaskState.PENDING
    current_step: str = ""  # where it is, or has come to last; "" when all is done
    blocked: Blocked | None = None
    reason: str = ""  # of the latest change of state
    base_commit: str | None = None
    head_commit: str | None = None  # the latest accepted state of the work
    head_branch: str | None = None  # the git branch made for it, where no session's has it
    worked_before: float = 0  # seconds of work that no longer count to the run's time-out
    tokens_before: int = 0  # likewise, of its budget
    cost_before: float = 0  # likewise, US dollars
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_step(cls, data: Any) -> Any:
        """Runs were once kept with the index of their step."""
        if isinstance(data, dict) and "cursor" in data:
            data = dict(data)
            cursor, steps = data.pop("cursor"), data.get("steps", ())
            if "current_step" not in data and cursor < len(steps):
                data["current_step"] = StepBrief.model_validate(steps[cursor]).name
        return data

    def needs(self) -> Mapping[str, tuple[str, ...]]:
        """What each step waits for, in the order of the file."""
        return _needs(self.steps)


@remembered
def _needs(steps: tuple[StepBrief, ...]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    before: tuple[str, ...] = ()
    for step in steps:
        found[step.name] = before if step.needs is None else step.needs
        before = (step.name,)
    return found


class Expected(Model):
    """The answer that a replayed request once got, and how long that took."""

    text: str
    seconds: float | None = None


class RunState(Model):
    """All that is known of a run; what `reduce` builds and every decision is made from."""

    run: Run
    steps: dict[str, StepProgress] = Field(default_factory=dict)  # those that have come so far
    attempts: dict[str, Attempt] = Field(default_factory=dict)  # by Attempt.key, in order
    sessions: dict[SessionId, Session] = Field(default_factory=dict)
    approvals: dict[ApprovalId, Approval] = Field(default_factory=dict)
    reviews: dict[ReviewId, Review] = Field(default_factory=dict)
    questions: dict[QuestionId, Question] = Field(default_factory=dict)
    rejects: dict[str, int] = Field(default_factory=dict)  # by review step
    returns: dict[str, int] = Field(default_factory=dict)  # by unit and gate
    prompts: dict[str, str] = Field(default_factory=dict)  # by unit: what an operator put instead
    expected: Expected | None = None  # of a replayed request: what it was answered once
    seq: int = 0  # of the latest event applied

    @property
    def frozen(self) -> bool:
        """Whether a rollback has stopped it, and nobody has said what becomes of it."""
        run = self.run
        return run.blocked is not None and run.blocked.kind == "frozen" and not run.shadow

    def latest(self, step: str, branch: str | None = None) -> Attempt | None:
        """The newest attempt of a step, or of one branch of it."""
        for attempt in reversed(self.attempts.values()):
            if attempt.step == step and branch in (None, attempt.branch):
                return attempt
        return None

    def newest(self, unit: Unit) -> Attempt | None:
        """The newest attempt of a unit, or None."""
        step, branch, iteration = unit
        for attempt in reversed(self.attempts.values()):
            if attempt.iteration == iteration and (attempt.step, attempt.branch) == (step, branch):
                return attempt
        return None

    def finished(self, step: str) -> bool:
        progress = self.steps.get(step)
        return progress is not None and progress.finished

    @property
    def worked_seconds(self) -> float:
        """What counts to the run's time-out."""
        return sum(a.worked_seconds for a in self.attempts.values()) - self.run.worked_before

    @property
    def spent_tokens(self) -> int:
        """What counts to the run's budget of tokens."""
        used = sum(session.usage.total_tokens for session in self.sessions.values())
        return used - self.run.tokens_before

    @property
    def spent_usd(self) -> float:
        """What counts to the run's budget of money: the costs that its agents tell."""
        used = sum(session.usage.cost_usd or 0 for session in self.sessions.values())
        return used - self.run.cost_before

    @property
    def result_branch(self) -> str | None:
        """The branch that holds the run's accepted work; None while there is none."""
        if self.run.head_commit in (None, self.run.base_commit):
            return None
        for attempt in reversed(self.attempts.values()):
            session = self.sessions.get(attempt.session_id) if attempt.session_id else None
            if session is not None and attempt.commit == self.run.head_commit:
                return session.git_branch
        return self.run.head_branch

    def session_of(
        self, step: str, agent: str | None = None, branch: str | None = None
    ) -> Session | None:
        """The session that a step or branch owns (a review step has one per reviewing agent)."""
        for session in self.sessions.values():
            if (
                session.step == step
                and agent in (None, session.agent)
                and branch in (None, session.branch)
            ):
                return session
        return None
