"""Runs: one execution of a workflow for a request, and everything it has produced so far."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self

from msgspec import field
from pydantic import model_validator

from app.domain.approval import Actor, Approval
from app.domain.attempt import (
    Attempt,
    AttemptState,
    Blocked,
    Cause,
    Failure,
    FailureKind,
    GateResult,
    Unit,
    attempt_key,
    new_attempt,
)
from app.domain.attempts import Attempts
from app.domain.base import (
    ApprovalId,
    Model,
    QuestionId,
    ReviewId,
    RolloutId,
    RunId,
)
from app.domain.path_name import PathName
from app.domain.persistent import PersistentMap
from app.domain.record import Record
from app.domain.remembered import remembered
from app.domain.request import Request
from app.domain.review import Question, QuestionState, Review, ReviewState, Verdict
from app.domain.session import Session
from app.domain.sessions import Sessions
from app.domain.task_state import TaskState

__all__ = [
    "Attempt",
    "AttemptState",
    "Blocked",
    "BranchPlan",
    "Cause",
    "Expected",
    "Failure",
    "FailureKind",
    "GateResult",
    "Question",
    "QuestionState",
    "Review",
    "ReviewState",
    "Run",
    "RunState",
    "StepBrief",
    "StepProgress",
    "StepState",
    "Steps",
    "TakeOver",
    "Unit",
    "Verdict",
    "attempt_key",
    "new_attempt",
]


class BranchPlan(Model):
    """One branch of a fan-out as it was decided. `item` is JSON, "" for a declared branch."""

    name: str
    agent: str
    title: str = ""
    item: str = ""


class StepState(StrEnum):
    """Where a step stands. One that has not come so far has no state."""

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


class Steps(PersistentMap[str, StepProgress]):
    """By name, in the order in which they have come so far."""

    __slots__ = ("finished",)

    finished: frozenset[str]  # asked of every step at every decision

    def __init__(
        self, entries: Mapping[str, StepProgress] | Iterable[tuple[str, StepProgress]] = ()
    ) -> None:
        super().__init__(entries)
        self.finished = frozenset(name for name, step in self._older.items() if step.finished)

    def set(self, key: str, value: StepProgress) -> Self:
        made = super().set(key, value)
        moved = value.finished != (key in self.finished)
        made.finished = self.finished ^ {key} if moved else self.finished
        return made

    @classmethod
    def _entries(cls, source: Any) -> Any:
        return dict[str, StepProgress]


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
    project: str  # root of the git repository, or of the plain folder; absolute
    copied: bool = False  # it is a plain folder: sessions work on copies, the result is taken over
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
    updated_at: datetime  # when something of this was changed last
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


class TakeOver(Model):
    """The last time that somebody brought the run's work into its project's folder."""

    by: Actor
    commit: str
    begun_at: datetime
    ended_at: datetime | None = None  # None: it goes on, or was cut off
    files: int = 0  # that were changed in the folder
    failed: str = ""  # why it has not the work

    def __str__(self) -> str:
        if self.failed:
            return f"{self.by} could not take it over: {self.failed}"
        if self.ended_at is None:
            return f"{self.by} takes it over; if that was cut off, the same again makes it whole"
        return f"{self.by} took it over"


class RunState(Record, frozen=True, kw_only=True):
    """All that is known of a run; what `reduce` builds and every decision is made from."""

    run: Run
    steps: Steps = field(default_factory=Steps)
    attempts: Attempts = field(default_factory=Attempts)
    sessions: Sessions = field(default_factory=Sessions)
    approvals: PersistentMap[ApprovalId, Approval] = field(default_factory=PersistentMap)
    reviews: PersistentMap[ReviewId, Review] = field(default_factory=PersistentMap)
    questions: PersistentMap[QuestionId, Question] = field(default_factory=PersistentMap)
    rejects: dict[str, int] = field(default_factory=dict)  # by review step
    returns: dict[str, int] = field(default_factory=dict)  # by unit and gate
    prompts: dict[str, str] = field(default_factory=dict)  # by unit: what an operator put instead
    expected: Expected | None = None  # of a replayed request: what it was answered once
    taken: TakeOver | None = None  # of a project that is no git repository
    seq: int = 0  # of the latest event applied

    @property
    def frozen(self) -> bool:
        """Whether a rollback has stopped it, and nobody has said what becomes of it."""
        run = self.run
        return run.blocked is not None and run.blocked.kind == "frozen" and not run.shadow

    def latest(self, step: str, branch: str | None = None) -> Attempt | None:
        """The newest attempt of a step, or of one branch of it."""
        return self.attempts.latest(step, branch)

    def newest(self, unit: Unit) -> Attempt | None:
        """The newest attempt of a unit, or None."""
        return self.attempts.newest(unit)

    def finished(self, step: str) -> bool:
        return step in self.steps.finished

    @property
    def worked_seconds(self) -> float:
        """What counts to the run's time-out."""
        return self.attempts.worked_seconds - self.run.worked_before

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
        for attempt in self.attempts.newest_first():
            session = self.sessions.get(attempt.session_id) if attempt.session_id else None
            if session is not None and attempt.commit == self.run.head_commit:
                return session.git_branch
        return self.run.head_branch

    @property
    def taken_in_part(self) -> bool:
        """Whether taking the work over is under way, or was cut off."""
        return self.taken is not None and self.taken.ended_at is None

    @property
    def take_over(self) -> str:
        """The command that brings the run's accepted work into the project; "" without any."""
        run = self.run
        if run.copied:
            changed = run.head_commit not in (None, run.base_commit)
            done = run.state is TaskState.DONE and not run.shadow
            return f"longwatch take {run.run_id}" if changed and done else ""
        return f"git merge {self.result_branch}" if self.result_branch else ""

    def session_of(
        self, step: str, agent: str | None = None, branch: str | None = None
    ) -> Session | None:
        """The session that a step or branch owns (a review step has one per reviewing agent)."""
        for session in self.sessions.of(step, branch):
            if agent is None or session.agent == agent:
                return session
        return None
