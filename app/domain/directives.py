"""What `decide` can tell the engine to do next."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from app.domain.gate import Gate
from app.domain.run import Attempt, Blocked, Cause, Review, StepState, Unit
from app.domain.task_state import TaskState
from app.frozen import frozen


@frozen
class Begin:
    """Take the run up: pending becomes in_progress."""


@frozen
class PinBase:
    """Record the commit the work starts from."""


@frozen
class Stop:
    """The run cannot go on by itself."""

    state: Literal[TaskState.BLOCKED, TaskState.FAILED]
    blocked: Blocked


@frozen
class Complete:
    """All steps are done."""


@frozen
class Wait:
    """Nothing to do for this unit until somebody answers."""

    unit: Unit
    why: str


@frozen
class Held:
    """This unit cannot go on by itself; others may."""

    unit: Unit
    blocked: Blocked


@frozen
class PlanBranches:
    """Decide on the branches of a fan-out."""

    unit: Unit


@frozen
class RunTurn:
    """Prompt the unit's agent, or prompt it again after a crash."""

    unit: Unit
    attempt: int
    agent: str


@frozen
class StartAttempt:
    unit: Unit
    attempt: int
    cause: Cause
    tries: int = 0
    wait: float = 0.0  # seconds before it, when the one before failed for a while only
    # What is to be done once that is recorded, where it follows already now.
    then: RunTurn | None = field(default=None, compare=False)


@frozen
class Collect:
    """Make one result of several."""

    unit: Unit
    attempt: int


@frozen
class TakeInput:
    """Give a step without an agent what flows into it, to be checked."""

    unit: Unit
    attempt: int


@frozen
class Ask:
    """Put a step's question to the operator."""

    unit: Unit
    attempt: int


@frozen
class StartChild:
    """Start the run of a sub-workflow."""

    unit: Unit
    attempt: int


@frozen
class MakeCall:
    """Ask what a call step asks, or ask again after a crash."""

    unit: Unit
    attempt: int


@frozen
class RunGate:
    unit: Unit
    attempt: int
    gate: Gate


@frozen
class SendBack:
    """After a failed gate: to the same unit, or to an earlier step."""

    unit: Unit
    to_step: str
    gate: str
    reasons: tuple[str, ...] = ()


@frozen
class Block:
    """A unit needs a person; `fatal`: the run fails by it."""

    unit: Unit
    attempt: int
    blocked: Blocked
    fatal: bool = False


@frozen
class GiveUp:
    """Go on without a unit's result."""

    unit: Unit
    attempt: int
    reason: str


@frozen
class PassAttempt:
    """One branch or one turn of a loop is done."""

    unit: Unit
    attempt: int


@frozen
class FinishStep:
    """A step is done. With `attempt` that attempt passes by it."""

    unit: Unit
    attempt: int = 0
    state: Literal[StepState.DONE, StepState.SKIPPED, StepState.CANCELED] = StepState.DONE
    reason: str = ""
    commits: tuple[str, ...] = ()  # of the work; to be merged when there are several
    retired: tuple[Unit, ...] = ()  # units whose results come too late


@frozen
class OpenReview:
    unit: Unit
    of: str
    of_attempt: int
    by: tuple[str, ...]
    require: Literal["all", "any"] = "all"
    round: int = 1
    gate: str = ""
    of_unit: Unit | None = None


@frozen
class Judge:
    """Read the verdict out of a reviewing agent's output."""

    unit: Unit
    review: Review
    attempt: Attempt
    agent: str


@frozen
class CloseReview:
    unit: Unit
    review: Review
    approved: bool
    reasons: tuple[str, ...]
    return_to: str


@frozen
class Escalate:
    """Leave a review to the operator. `at_limit`: it was sent back as often as it may be."""

    unit: Unit
    review: Review
    why: str
    at_limit: bool


IDLE = (Wait, Held)  # nothing is to be done


def turn_of(directive: Directive) -> RunTurn | None:
    """The turn that an agent is paid for if the directive is carried out."""
    if isinstance(directive, RunTurn):
        return directive
    return directive.then if isinstance(directive, StartAttempt) else None


OfRun = Begin | PinBase | Stop | Complete
OfUnit = (
    PlanBranches
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
