"""Events: the journal's vocabulary. Every change of state is one, committed before its effect.

They are declared by subject in `events_of_*.py` and `rollout_events.py`; those about runs and the
store are imported from here.
"""

import hashlib
from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic_core import PydanticSerializationError

from app.domain.base import (
    Model,
    RunId,
    whole_json,
)
from app.domain.events_of_sessions import (
    ItemFinished,
    ModelSwitched,
    RestartAsked,
    SessionAttached,
    SessionBound,
    SessionClosed,
    SessionLost,
    SessionMoving,
    SessionOpened,
    SessionStuck,
    TurnEnded,
    UsageUpdated,
)
from app.domain.events_of_store import (
    BudgetGranted,
    ProcessEnded,
    ProcessStarted,
    RecipeRecorded,
    RuleAdded,
    RuleRemoved,
    SupervisorStarted,
    SupervisorStopped,
)
from app.domain.events_of_talk import (
    ApprovalDecided,
    ApprovalEdited,
    ApprovalOutcome,
    ApprovalRebound,
    ApprovalRequested,
    ApprovalSettled,
    ApprovalSupported,
    ApprovalTold,
    ApprovalUncertain,
    ApprovalWithdrawn,
    QuestionAnswered,
    QuestionAsked,
    ReviewClosed,
    ReviewEscalated,
    ReviewOpened,
    Snoozed,
    VerdictGiven,
)
from app.domain.events_of_work import (
    AttemptBlocked,
    AttemptCanceled,
    AttemptFailed,
    AttemptPassed,
    AttemptReleased,
    AttemptSkipped,
    AttemptStarted,
    BasePinned,
    BranchCanceled,
    BranchesPlanned,
    CallStarted,
    ChildStarted,
    GateFinished,
    HeadMoved,
    OfAttempt,
    OutputProduced,
    PrefixTaken,
    Returned,
    RunCreated,
    RunStateChanged,
    StepFinished,
    TakeOverBegun,
    TakeOverEnded,
    TurnStarted,
)
from app.domain.record import Record
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

__all__ = [
    "GENESIS",
    "PAYLOAD",
    "ApprovalDecided",
    "ApprovalEdited",
    "ApprovalOutcome",
    "ApprovalRebound",
    "ApprovalRequested",
    "ApprovalSettled",
    "ApprovalSupported",
    "ApprovalTold",
    "ApprovalUncertain",
    "ApprovalWithdrawn",
    "AttemptBlocked",
    "AttemptCanceled",
    "AttemptFailed",
    "AttemptPassed",
    "AttemptReleased",
    "AttemptSkipped",
    "AttemptStarted",
    "BasePinned",
    "BranchCanceled",
    "BranchesPlanned",
    "BudgetGranted",
    "CallStarted",
    "ChildStarted",
    "Event",
    "GateFinished",
    "HeadMoved",
    "ItemFinished",
    "ModelSwitched",
    "OfAttempt",
    "OutputProduced",
    "Payload",
    "PrefixTaken",
    "ProcessEnded",
    "ProcessStarted",
    "QuestionAnswered",
    "QuestionAsked",
    "RecipeRecorded",
    "RestartAsked",
    "Returned",
    "ReviewClosed",
    "ReviewEscalated",
    "ReviewOpened",
    "RuleAdded",
    "RuleRemoved",
    "RunCreated",
    "RunStateChanged",
    "SessionAttached",
    "SessionBound",
    "SessionClosed",
    "SessionLost",
    "SessionMoving",
    "SessionOpened",
    "SessionStuck",
    "Snoozed",
    "StepFinished",
    "SupervisorStarted",
    "SupervisorStopped",
    "TakeOverBegun",
    "TakeOverEnded",
    "TurnEnded",
    "TurnStarted",
    "UsageUpdated",
    "VerdictGiven",
    "chain_hash",
    "from_json",
    "to_fields",
    "to_json",
    "with_type",
]


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
    | TakeOverBegun
    | TakeOverEnded
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
    return with_type(payload.type, to_fields(payload))


def to_fields(payload: Payload) -> str:
    """What `to_json` has beside the type."""
    # What `model_dump_json` does after it has looked at a dozen options, for half the time.
    try:
        fields: bytes = payload.__pydantic_serializer__.to_json(payload, exclude_defaults=True)
    except PydanticSerializationError:
        return whole_json(payload, exclude_defaults=True)
    return fields.decode()


def with_type(kind: str, fields: str) -> str:
    """What `to_json` gave for a payload of that kind."""
    more = f",{fields[1:]}" if len(fields) > 2 else "}"
    return f'{{"type":"{kind}"{more}'


class Event(Record, frozen=True, kw_only=True):
    """One entry of the journal. `run_id` is empty for what concerns the store as a whole."""

    seq: int  # from 1, without gaps
    at: datetime
    run_id: RunId | Literal[""] = ""
    trace_id: str = ""
    payload: Payload


def chain_hash(previous: str, seq: int, at: str, run_id: str, trace_id: str, body: str) -> str:
    """Hash of one journal row over its predecessor's; hex SHA-256. `body` is the payload's JSON."""
    text = f"{previous}\x1f{seq}\x1f{at}\x1f{run_id}\x1f{trace_id}\x1f{body}"
    return hashlib.sha256(text.encode()).hexdigest()
