"""What the supervisor shows: a snapshot at sequence N, then everything after it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from app.domain.approval import StoredRule
from app.domain.base import Model
from app.domain.day_budget import DayBudget
from app.domain.events import Event
from app.domain.rollout import Rollout
from app.domain.run import RunState
from app.domain.session import Chunk


class Status(Model):
    """The supervisor itself. `problem` is empty, or one sentence for a banner."""

    epoch: int
    pid: int
    host: str
    store: str
    version: str
    sqlite: str
    started_at: datetime
    seq: int
    problem: str = ""
    budgets: tuple[DayBudget, ...] = ()  # per day, as they stand
    waiting: int = 0  # things that wait for a person, without those that were put off
    unseen: int = 0  # of these: no screen has painted them and no command has listed them
    unseen_seconds: float = 0.0  # for how long, the one that waits longest


class Snapshot(Model):
    """Everything a screen needs to start: unfinished runs whole, finished ones the newest."""

    kind: Literal["snapshot"] = "snapshot"
    seq: int
    status: Status
    runs: tuple[RunState, ...]
    rules: tuple[StoredRule, ...]
    rollouts: tuple[Rollout, ...] = ()
    tails: tuple[Chunk, ...]  # the newest transcript of each live session, in order
    done: int = 0  # runs, also those that are over for so long that `runs` leaves them out


class Committed(Model):
    """Events that are on disk, in order, without gaps after the snapshot."""

    kind: Literal["events"] = "events"
    events: tuple[Event, ...]


class Streamed(Model):
    """Transcript as it arrives."""

    kind: Literal["chunks"] = "chunks"
    chunks: tuple[Chunk, ...]


class StatusChanged(Model):
    """The whole status, anew: its problem, a budget or what waits for a person has changed."""

    kind: Literal["status"] = "status"
    status: Status


class Ended(Model):
    """The supervisor stops, or dropped a reader that was too slow: connect again."""

    kind: Literal["ended"] = "ended"
    why: str
    # Nobody has stopped the supervisor: what its process was started for is done. Who needs one
    # goes on as that.
    handed_on: bool = False


FeedItem = Annotated[
    Snapshot | Committed | Streamed | StatusChanged | Ended, Field(discriminator="kind")
]


class VerifyReport(Model):
    """What `longwatch verify` checked, and what it found."""

    ok: bool
    events: int
    runs: int
    rows: int  # read-model rows compared with the replay
    checked: tuple[str, ...]  # one sentence per check
    problems: tuple[str, ...]
    mendable: bool = False  # the journal is whole, and `longwatch rebuild` mends what is not
