"""Events about a run, its steps, branches and attempts."""

from typing import Literal

from app.domain.approval import Actor
from app.domain.base import (
    Model,
    RunId,
    SessionId,
)
from app.domain.run import (
    Attempt,
    Blocked,
    BranchPlan,
    Failure,
    GateResult,
    Run,
    StepProgress,
    StepState,
    Unit,
    attempt_key,
)
from app.domain.task_state import TaskState


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


class RunCreated(Model):
    """The first event of a run; the recipe that it pins is recorded already."""

    type: Literal["run_created"] = "run_created"
    run: Run


class RunStateChanged(Model):
    """A run was taken up, stands still or is over. `blocked` says why it stands still."""

    type: Literal["run_state_changed"] = "run_state_changed"
    state: TaskState
    reason: str = ""
    by: Actor
    blocked: Blocked | None = None


class BasePinned(Model):
    """The commit that the run's work starts from."""

    type: Literal["base_pinned"] = "base_pinned"
    commit: str


class AttemptStarted(Model):
    """An attempt begins. With `prompt` that is about to be sent, as the attempt's turn of its
    session: an event of its own says so where an attempt has to wait for its turn.
    """

    type: Literal["attempt_started"] = "attempt_started"
    attempt: Attempt
    prompt: str | None = None


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


class OutputProduced(OfAttempt):
    """An attempt has a result. With `session_id`, that session's turn has ended with it; `passed`:
    no gate is to look at it. Both could be events of their own, and once were: a step is so
    written with half as many.
    """

    type: Literal["output_produced"] = "output_produced"
    output: str
    commit: str | None = None
    worked_seconds: float = 0  # without waiting for a person
    session_id: SessionId | None = None
    passed: bool = False


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
    """One evaluation of a gate of an attempt, also of one that somebody judged."""

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
    """Nobody needs its result any more, as when a collect has all it needs."""

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


class TakeOverBegun(Model):
    """Somebody brings the run's work into its project's folder, which is no git repository. It is
    on disk before the first file is changed."""

    type: Literal["take_over_begun"] = "take_over_begun"
    commit: str
    by: Actor


class TakeOverEnded(Model):
    """The folder has the work, or has it not for the reason that `failed` gives."""

    type: Literal["take_over_ended"] = "take_over_ended"
    files: int = 0  # that were changed in the folder
    failed: str = ""


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
