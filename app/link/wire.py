"""The socket's protocol: JSON lines, and the one table of calls that both ends use.

The server speaks first (`Hello`). Then the client sends `{"id", "call", "params"}` and gets
`{"id", "result"}` or `{"id", "error": {"type", "message"}}`, in whatever order calls finish.
A connection that sends the call `feed` gets one `{"item"}` line after another until `ended`
and answers nothing else: a slow reader then holds up no other call.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter

from app.domain.approval import Actor, Approval, Scope, StoredRule
from app.domain.base import ApprovalId, Model, RolloutId, RunId, SessionId
from app.domain.commands import Command, Done
from app.domain.covered import Covered
from app.domain.events import Event
from app.domain.feed import FeedItem, Status, VerifyReport
from app.domain.metrics import Metrics
from app.domain.past import PastCursor, PastFound, PastList, PastPage
from app.domain.past_ref import PastId
from app.domain.rollout import DrillReport, Rollout, ShadowResult
from app.domain.run import Question, Review, Run, RunState
from app.domain.seen import Sighting, Waiting
from app.domain.session import Chunk
from app.domain.usage import MAX_DAYS, UsageOfDay
from app.domain.workflow import Recipe
from app.domain.worktree_report import CleanReport, WorktreeReport
from app.link.client import Client
from app.link.words import PROTOCOL as PROTOCOL
from app.link.words import SEEN as SEEN_CALL
from app.link.words import STATUS as STATUS_CALL
from app.link.words import WAITING as WAITING_CALL

if TYPE_CHECKING:
    from app.domain.project_report import ProjectReport

FEED = "feed"

P = TypeVar("P", bound=Model)
R = TypeVar("R")


class Hello(Model):
    """The first line of every connection. Later versions may say more, so extras are let by."""

    model_config = ConfigDict(extra="ignore")

    protocol: int
    longwatch: str
    pid: int


class RequestLine(Model):
    """One call. `params` is checked by the call's own model."""

    id: int
    call: str
    params: dict[str, Any] = Field(default_factory=dict)


class WireError(Model):
    """An error by class name and message; see `app.link.failures`."""

    type: str
    message: str


class ReplyLine(Model):
    """The answer to one call; `id` is None when the line could not even be read."""

    id: int | None
    result: Any = None
    error: WireError | None = None


class FeedLine(Model):
    """One item of the feed."""

    item: FeedItem


class Nothing(Model):
    """A call without parameters."""


class Execute(Model):
    """Params of `execute`; `do` of the command tells which it is."""

    command: Command


class ListRuns(Model):
    """Params of `runs`; `trace` is the beginning of a trace id, empty for all runs."""

    limit: int = 200
    trace: str = ""


class OfRun(Model):
    """Params of `run` and `recipe`. An unambiguous prefix of the id is enough."""

    run_id: RunId


class OfAnyRun(Model):
    """Params of `clean_worktrees`: those of one run, or (None) of all that are over."""

    run_id: RunId | None = None


class ListEvents(Model):
    """Params of `events`: of one run or (None) of the whole journal, from `after` exclusive."""

    run_id: RunId | None = None
    after: int = 0
    limit: int = 1000


class OpenOnly(Model):
    """Params of `approvals`, `reviews` and `questions`: what waits for a person, or all of them."""

    open_only: bool = True


class Sightings(Model):
    """Params of `seen`: what a screen has painted, or a command has listed."""

    sightings: tuple[Sighting, ...]


class ReadCovered(Model):
    """Params of `covered`. The scope "once" is refused: it writes no rule."""

    approval_id: ApprovalId
    scope: Scope


class OfFolder(Model):
    """Params of a call about the project that `folder` is in; absolute, for the server runs
    elsewhere."""

    folder: str


class ListPast(OfFolder):
    """Params of `past_sessions`; without `agent`, those of all agents."""

    limit: int = Field(default=200, ge=1, le=10_000)
    agent: str = ""


class SearchPast(OfFolder):
    """Params of `past_search`. `after` is the `next` of the part before."""

    text: str
    after: PastCursor | None = None
    limit: int = Field(default=50, ge=1, le=1_000)
    agent: str = ""


class ReadPast(OfFolder):
    """Params of `past_page`; `first` is a line of the session's file, from 1."""

    past_id: PastId
    first: int = Field(default=1, ge=1)
    limit: int = Field(default=200, ge=1, le=1_000)


class ListComparisons(Model):
    """Params of `comparisons`; with `mismatches`, only those that do not agree."""

    rollout_id: RolloutId
    limit: int = Field(default=100, ge=1, le=10_000)
    mismatches: bool = False


class Rehearse(Model):
    """Params of `drill`: a rollback by this person, on a copy of the store."""

    rollout_id: RolloutId
    by: Actor


class ReadTranscript(Model):
    """Params of `transcript`: the page that ends before ordinal `before`, None for the newest. It
    fails with OwnershipError where the session is not that run's."""

    run_id: RunId
    session_id: SessionId
    before: int | None = None
    limit: int = 500


class ReadDiff(Model):
    """Params of `diff`. Without `step` the whole run's work; `attempt` 0 is the newest."""

    run_id: RunId
    step: str = ""
    attempt: int = 0
    branch: str = ""


class ReadUsage(Model):
    """Params of `usage`; today is the last of the days."""

    days: int = Field(default=7, ge=1, le=MAX_DAYS)


@dataclass(frozen=True)
class Call(Generic[P, R]):
    """One call: its name, what it takes, what it gives, and how the serving end does it."""

    name: str
    params: type[P]
    make_result: Callable[[], TypeAdapter[R]]
    serve: Callable[[Client, P], Awaitable[R]]
    changes: bool = False  # whether to make it twice could be too often

    @cached_property
    def result(self) -> TypeAdapter[R]:
        """Made at the first such call: making all of them takes a process's start 40 ms."""
        return self.make_result()


def _project_report() -> "TypeAdapter[ProjectReport]":
    from app.domain.project_report import ProjectReport  # all of a project's files: seldom asked

    return TypeAdapter(ProjectReport)


EXECUTE = Call(
    "execute", Execute, lambda: TypeAdapter(Done), lambda c, p: c.execute(p.command), changes=True
)
STATUS = Call(STATUS_CALL, Nothing, lambda: TypeAdapter(Status), lambda c, _: c.status())
RUNS = Call(
    "runs", ListRuns, lambda: TypeAdapter(Sequence[Run]), lambda c, p: c.runs(p.limit, p.trace)
)
RUN = Call("run", OfRun, lambda: TypeAdapter(RunState), lambda c, p: c.run(p.run_id))
RECIPE = Call("recipe", OfRun, lambda: TypeAdapter(Recipe), lambda c, p: c.recipe(p.run_id))
EVENTS = Call(
    "events",
    ListEvents,
    lambda: TypeAdapter(Sequence[Event]),
    lambda c, p: c.events(p.run_id, p.after, p.limit),
)
APPROVALS = Call(
    "approvals",
    OpenOnly,
    lambda: TypeAdapter(Sequence[Approval]),
    lambda c, p: c.approvals(p.open_only),
)
COVERED = Call(
    "covered",
    ReadCovered,
    lambda: TypeAdapter(Covered),
    lambda c, p: c.covered(p.approval_id, p.scope),
)
REVIEWS = Call(
    "reviews", OpenOnly, lambda: TypeAdapter(Sequence[Review]), lambda c, p: c.reviews(p.open_only)
)
QUESTIONS = Call(
    "questions",
    OpenOnly,
    lambda: TypeAdapter(Sequence[Question]),
    lambda c, p: c.questions(p.open_only),
)
WAITING = Call(
    WAITING_CALL, Nothing, lambda: TypeAdapter(Sequence[Waiting]), lambda c, _: c.waiting()
)
SEEN = Call(SEEN_CALL, Sightings, lambda: TypeAdapter(None), lambda c, p: c.seen(p.sightings))
RULES = Call("rules", Nothing, lambda: TypeAdapter(Sequence[StoredRule]), lambda c, _: c.rules())
ROLLOUTS = Call(
    "rollouts", Nothing, lambda: TypeAdapter(Sequence[Rollout]), lambda c, _: c.rollouts()
)
COMPARISONS = Call(
    "comparisons",
    ListComparisons,
    lambda: TypeAdapter(Sequence[ShadowResult]),
    lambda c, p: c.comparisons(p.rollout_id, p.limit, mismatches=p.mismatches),
)
DRILL = Call(
    "drill", Rehearse, lambda: TypeAdapter(DrillReport), lambda c, p: c.drill(p.rollout_id, p.by)
)
PROJECT = Call("project", OfFolder, _project_report, lambda c, p: c.project(p.folder))
PAST_SESSIONS = Call(
    "past_sessions",
    ListPast,
    lambda: TypeAdapter(PastList),
    lambda c, p: c.past_sessions(p.folder, p.limit, p.agent),
)
PAST_SEARCH = Call(
    "past_search",
    SearchPast,
    lambda: TypeAdapter(PastFound),
    lambda c, p: c.past_search(p.folder, p.text, p.after, p.limit, p.agent),
)
PAST_PAGE = Call(
    "past_page",
    ReadPast,
    lambda: TypeAdapter(PastPage),
    lambda c, p: c.past_page(p.folder, p.past_id, p.first, p.limit),
)
TRANSCRIPT = Call(
    "transcript",
    ReadTranscript,
    lambda: TypeAdapter(Sequence[Chunk]),
    lambda c, p: c.transcript(p.run_id, p.session_id, p.before, p.limit),
)
DIFF = Call(
    "diff",
    ReadDiff,
    lambda: TypeAdapter(str),
    lambda c, p: c.diff(p.run_id, p.step, p.attempt, p.branch),
)
METRICS = Call("metrics", Nothing, lambda: TypeAdapter(Metrics), lambda c, _: c.metrics())
USAGE = Call(
    "usage", ReadUsage, lambda: TypeAdapter(Sequence[UsageOfDay]), lambda c, p: c.usage(p.days)
)
WORKTREES = Call(
    "worktrees", Nothing, lambda: TypeAdapter(Sequence[WorktreeReport]), lambda c, _: c.worktrees()
)
CLEAN_WORKTREES = Call(
    "clean_worktrees",
    OfAnyRun,
    lambda: TypeAdapter(CleanReport),
    lambda c, p: c.clean_worktrees(p.run_id),
)
VERIFY = Call("verify", Nothing, lambda: TypeAdapter(VerifyReport), lambda c, _: c.verify())
SHUTDOWN = Call("shutdown", Nothing, lambda: TypeAdapter(None), lambda c, _: c.shutdown())

CALLS: dict[str, Call[Any, Any]] = {
    call.name: call
    for call in (
        EXECUTE,
        STATUS,
        RUNS,
        RUN,
        RECIPE,
        EVENTS,
        APPROVALS,
        COVERED,
        REVIEWS,
        QUESTIONS,
        WAITING,
        SEEN,
        RULES,
        ROLLOUTS,
        COMPARISONS,
        DRILL,
        PROJECT,
        PAST_SESSIONS,
        PAST_SEARCH,
        PAST_PAGE,
        TRANSCRIPT,
        DIFF,
        METRICS,
        USAGE,
        WORKTREES,
        CLEAN_WORKTREES,
        VERIFY,
        SHUTDOWN,
    )
}
