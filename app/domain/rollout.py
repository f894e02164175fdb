"""Rollouts: which path answers a route's requests, the candidate beside it, and the evidence."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from app.domain.approval import Actor
from app.domain.base import Model, RolloutId, RunId, trusted
from app.domain.compare import CompareRule, Comparison
from app.domain.path_name import PathName
from app.domain.rollout_policy import Policies
from app.domain.text import one_line

RECENT = 60  # answers of each path that are remembered
MOST_HOURS = 400  # hours of comparisons that are remembered
MOST_SHADOWS = 1_000  # that wait for their comparison: a slow candidate must not pile up
MOST_ROLLBACKS = 20  # that are remembered; the journal has all


class PathKind(StrEnum):
    """What a path is made of."""

    WORKFLOW = "workflow"
    HTTP = "http"
    COMMAND = "command"
    RECORDED = "recorded"


class PinnedPath(Model):
    """A way to answer a request, as it was when it was put in place: `recipe` is its hash."""

    kind: PathKind
    title: str  # workflow, address, command or file, for people
    recipe: str

    def __str__(self) -> str:
        return f"{self.title}@{self.recipe[:7]}"


class Phase(StrEnum):
    """Where a rollout stands."""

    ALONE = "stable only"  # there is no candidate
    READY = "ready"  # a candidate that gets nothing yet
    SHADOW = "shadow"
    STEPPING = "stepping"  # a part of the requests goes to the candidate
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"  # the candidate is closed


class Answered(Model):
    """How one run of a path ended; `shadow`: nobody was given its answer."""

    run_id: RunId
    path: PathName
    shadow: bool = False
    at: datetime
    ok: bool
    seconds: float
    rejects: int = 0  # how often something of it was sent back by a review


class HourCount(Model):
    """Comparisons of one hour, by what came of them."""

    hour: datetime  # its beginning
    agreed: int = 0
    disagreed: int = 0
    unknown: int = 0


class Evidence(Model):
    """What is known of a candidate beside the stable path, since it was put in place."""

    answers: tuple[Answered, ...] = ()  # the newest of each path, in the order of their ends
    hours: tuple[HourCount, ...] = ()
    last_at: datetime | None = None  # of the newest comparison

    def of(self, path: PathName, since: datetime | None = None) -> list[Answered]:
        """Of one path; with `since`, those that came later and were given to the caller."""
        found = [a for a in self.answers if a.path is path]
        if since is not None:
            found = [a for a in found if a.at >= since and not a.shadow]
        return found


class Tick(Model):
    """One line of a checklist, done by a person."""

    item: str
    by: Actor
    at: datetime
    note: str = ""


class Rollback(Model):
    """What was done, by whom and how fast; open until every line of its checklist is ticked."""

    number: int
    from_path: str
    to_path: str
    why: str
    trigger: Literal["person", "watch"]
    by: Actor
    share_before: int
    shadow_before: int
    asked_at: datetime
    at: datetime  # committed: from here on the stable path answers
    frozen: tuple[RunId, ...] = ()  # runs of the candidate that were under way
    stopped_at: datetime | None = None  # when the last of them had stopped
    window_seconds: float
    checklist: tuple[str, ...]
    ticks: tuple[Tick, ...] = ()

    @property
    def open(self) -> bool:
        return len(self.ticks) < len(self.checklist)

    @property
    def to_tick(self) -> list[str]:
        done = {tick.item for tick in self.ticks}
        return [item for item in self.checklist if item not in done]

    @property
    def seconds(self) -> float | None:
        """From the command until the last run of the candidate had stopped."""
        return (self.stopped_at - self.asked_at).total_seconds() if self.stopped_at else None

    @property
    def within_window(self) -> bool | None:
        return None if self.seconds is None else self.seconds <= self.window_seconds


class Shadowed(Model):
    """A shadow run whose comparison is still to be made. `of` None: its expected answer was
    given beforehand."""

    run_id: RunId
    of: RunId | None
    judge: RunId | None = None  # the run in which an agent judges it


class ShadowResult(Model):
    """One comparison with both texts, capped; hashes and sizes are those of the whole texts."""

    shadow: RunId
    of: RunId | None = None
    at: datetime
    comparison: Comparison
    failed: Literal["", "stable", "candidate", "asked"] = ""  # why there is no answer to compare
    stable_text: str
    stable_sha256: str
    stable_size: int  # characters
    candidate_text: str
    candidate_sha256: str
    candidate_size: int
    stable_seconds: float | None = None
    candidate_seconds: float | None = None


class DrillReport(Model):
    """What a rollback would do, and how long it took on a copy of the store."""

    name: str
    from_share: int  # per cent that the candidate answered
    shadow: int
    frozen: int  # runs that would be frozen
    committed_ms: float  # from the command until the stable path answers
    first_request_ms: float  # from the command until the first request was admitted to it
    requests: int  # admitted afterwards
    on_stable: int  # of them; all, or the drill has failed


class Rollout(Model):
    """The state of one route's paths. `version` moves with everything that admission reads."""

    rollout_id: RolloutId
    name: str
    project: str
    version: int = 1
    stable: PinnedPath
    candidate: PinnedPath | None = None
    policies: Policies = trusted(Policies)
    compare: CompareRule = trusted(CompareRule)
    judge: str = ""  # hash of the recipe of a judge's runs, where one judges
    share: int = 0  # per cent of the requests that the candidate answers
    shadow: int = 0  # per cent of the others that it answers without effect
    closed: bool = False  # rolled back: no request goes to the candidate
    step: int = -1  # index of the promotion step; -1 before the first
    step_since: datetime | None = None
    held: str = ""  # why no step is taken until a person says so
    override: str = ""  # why it was promoted although something was missing
    ticks: tuple[Tick, ...] = ()  # of the promotion's checklist
    evidence: Evidence = trusted(Evidence)
    shadows: tuple[Shadowed, ...] = ()
    rollbacks: tuple[Rollback, ...] = ()  # oldest first
    requests: int = 0  # admitted since it was opened
    author: Actor  # who put the candidate, or the rollout, in place
    since: datetime  # when its two paths were put beside each other: evidence begins there
    opened_at: datetime
    updated_at: datetime

    @property
    def phase(self) -> Phase:
        if self.candidate is None:
            return Phase.ALONE
        if self.closed:
            return Phase.ROLLED_BACK
        if self.share == 100:
            return Phase.PROMOTED
        if self.share:
            return Phase.STEPPING
        return Phase.SHADOW if self.shadow else Phase.READY

    @property
    def has_open_candidate(self) -> bool:
        """Whether there is a candidate, and none that a rollback has closed."""
        return self.candidate is not None and not self.closed

    @property
    def rollback(self) -> Rollback | None:
        """The newest one while it is open."""
        newest = self.rollbacks[-1] if self.rollbacks else None
        return newest if newest is not None and newest.open else None

    @property
    def to_tick(self) -> list[str]:
        """What of the promotion's checklist is not done."""
        done = {tick.item for tick in self.ticks}
        return [item for item in self.policies.promotion.checklist if item not in done]

    @property
    def recipes(self) -> tuple[str, ...]:
        """Hashes of all that its runs pin."""
        return tuple(filter(None, (*(path.recipe for path in self.paths), self.judge)))

    @property
    def paths(self) -> tuple[PinnedPath, ...]:
        return (self.stable,) if self.candidate is None else (self.stable, self.candidate)

    def path(self, name: PathName) -> PinnedPath | None:
        return self.stable if name is PathName.STABLE else self.candidate

    @property
    def title(self) -> str:
        return one_line(self.name, 60)
