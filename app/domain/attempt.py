"""Attempts: each try of a unit of a run, and what came of it."""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple, Self

from app.domain.base import Model, RunId, SessionId
from app.domain.record import Record


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
    CONDITION = "condition"  # its own or its step's: it cannot be evaluated
    STEP_TIMEOUT = "step_timeout"  # of all attempts together: another one has no time either
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
    ) -> Self:
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
    """How far an attempt has come, and what became of it."""

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


class Attempt(Record, frozen=True, kw_only=True):
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


def new_attempt(
    unit: Unit,
    number: int,
    at: datetime,
    cause: Cause = Cause.FIRST,
    tries: int = 0,
    session_id: SessionId | None = None,
    turn: int | None = None,
) -> Attempt:
    """An attempt of a unit as it begins."""
    return Attempt(
        step=unit.step,
        branch=unit.branch,
        iteration=unit.iteration,
        attempt=number,
        cause=cause,
        tries=tries,
        session_id=session_id,
        turn=turn,
        started_at=at,
    )


def attempt_key(step: str, attempt: int, branch: str = "", iteration: int = 0) -> str:
    """The attempt's name within its run, as used in tables and dictionaries."""
    return f"{step}/{branch}/{iteration}/{attempt}"
