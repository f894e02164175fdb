"""What `decide` can tell the engine to do next."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from app.domain.gate import Gate
from app.domain.run import Attempt, Blocked, Cause, Review, StepState, Unit
from app.domain.task_state import TaskState


class Begin(Struct, frozen=True):
    """Take the run up: pending becomes in_progress."""


class PinBase(Struct, frozen=True):
    """Record the commit the work starts from."""


class Stop(Struct, frozen=True):
    """The run cannot go on by itself."""

    state: Literal[TaskState.BLOCKED, TaskState.FAILED]
    blocked: Blocked


class Complete(Struct, frozen=True):
    """All steps are done."""


class Wait(Struct, frozen=True):
    """Nothing to do for this unit until somebody answers."""

    unit: Unit
    why: str


class Held(Struct, frozen=True):
    """This unit cannot go on by itself; others may."""

    unit: Unit
    blocked: Blocked


class Unable(Struct, frozen=True):
    """A condition about the unit cannot be evaluated: a person is to say how it goes on."""

    unit: Unit
    why: str


class PlanBranches(Struct, frozen=True):
    """Decide on the branches of a fan-out."""

    unit: Unit


class RunTurn(Struct, frozen=True):
    """Prompt the unit's agent, or prompt it again after a crash. A unit's first attempt need not
    be there yet: it begins with its turn."""

    unit: Unit
    attempt: int
    agent: str


class StartAttempt(Struct, frozen=True):
    """Begin an attempt of the unit; what is done in it, later directives say."""

    unit: Unit
    attempt: int
    cause: Cause
    tries: int = 0
    wait: float = 0.0  # seconds before it, when the one before failed for a while only


class Collect(Struct, frozen=True):
    """Make one result of several."""

    unit: Unit
    attempt: int


class TakeInput(Struct, frozen=True):
    """Give a step without an agent what flows into it, to be checked."""

    unit: Unit
    attempt: int


class Ask(Struct, frozen=True):
    """Put a step's question to the operator."""

    unit: Unit
    attempt: int


class StartChild(Struct, frozen=True):
    """Start the run of a sub-workflow."""

    unit: Unit
    attempt: int


class MakeCall(Struct, frozen=True):
    """Ask what a call step asks, or ask again after a crash."""

    unit: Unit
    attempt: int


class RunGate(Struct, frozen=True):
    """Check an attempt's output with a gate; one that somebody judges opens a review instead."""

    unit: Unit
    attempt: int
    gate: Gate


class SendBack(Struct, frozen=True):
    """After a failed gate: to the same unit, or to an earlier step."""

    unit: Unit
    to_step: str
    gate: str
    reasons: tuple[str, ...] = ()


class Block(Struct, frozen=True):
    """A unit needs a person; `fatal`: the run fails by it."""

    unit: Unit
    attempt: int
    blocked: Blocked
    fatal: bool = False


class GiveUp(Struct, frozen=True):
    """Go on without a unit's result."""

    unit: Unit
    attempt: int
    reason: str


class PassAttempt(Struct, frozen=True):
    """One branch or one turn of a loop is done."""

    unit: Unit
    attempt: int


class FinishStep(Struct, frozen=True):
    """A step is done. With `attempt` that attempt passes by it."""

    unit: Unit
    attempt: int = 0
    state: Literal[StepState.DONE, StepState.SKIPPED, StepState.CANCELED] = StepState.DONE
    reason: str = ""
    commits: tuple[str, ...] = ()  # of the work; to be merged when there are several
    retired: tuple[Unit, ...] = ()  # units whose results come too late


class OpenReview(Struct, frozen=True):
    """Ask for a verdict on attempt `of_attempt` of step `of`, or of its unit `of_unit`. With `gate`
    it is a gate of that step itself, not a review step."""

    unit: Unit
    of: str
    of_attempt: int
    by: tuple[str, ...]
    require: Literal["all", "any"] = "all"
    round: int = 1
    gate: str = ""
    of_unit: Unit | None = None


class Judge(Struct, frozen=True):
    """Read the verdict out of a reviewing agent's output."""

    unit: Unit
    review: Review
    attempt: Attempt
    agent: str


class CloseReview(Struct, frozen=True):
    """End a review with its result. A reject sends the work back to `return_to`; that of a gate
    makes the gate fail."""

    unit: Unit
    review: Review
    approved: bool
    reasons: tuple[str, ...]
    return_to: str


class Escalate(Struct, frozen=True):
    """Leave a review to the operator. `at_limit`: it was sent back as often as it may be."""

    unit: Unit
    review: Review
    why: str
    at_limit: bool


IDLE = (Wait, Held)  # nothing is to be done


OfRun = Begin | PinBase | Stop | Complete
OfUnit = (
    Unable
    | PlanBranches
    | StartAttempt
    | RunTurn
    | Collect
    | TakeInput
    | Ask
    | StartChild
    | MakeCall
    | RunGate
    | SendBack
    | Block
    | GiveUp
    | PassAttempt
    | FinishStep
    | OpenReview
    | Judge
    | CloseReview
    | Escalate
)
Directive = OfRun | OfUnit | Wait | Held
