"""A client over canned states: records commands, and plays what it is given on the feed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from app.domain.approval import Actor, Approval, Scope, StoredRule
from app.domain.base import ApprovalId, RolloutId, RunId, SessionId
from app.domain.commands import Command, Done
from app.domain.covered import Covered, covered
from app.domain.day_budget import DayBudget
from app.domain.errors import LongwatchError, NotFound
from app.domain.events import Event
from app.domain.feed import FeedItem, Snapshot, Status, VerifyReport
from app.domain.metrics import Counts, Metrics
from app.domain.past import PastCursor, PastFound, PastList, PastPage
from app.domain.past_ref import PastId
from app.domain.policy import rule_for
from app.domain.project_report import ProjectReport
from app.domain.rollout import DrillReport, Rollout, ShadowResult
from app.domain.run import Question, QuestionState, Review, ReviewState, Run, RunState
from app.domain.seen import Sighting, Waiting
from app.domain.session import Chunk
from app.domain.usage import UsageOfDay
from app.domain.workflow import Recipe
from app.domain.worktree_report import CleanReport, WorktreeReport
from tests.support.supervisor import A_DRILL
from tests.ui.parts import DIFF, RECIPE, make_status


class FakeClient:
    """`app.link.client.Client`, as far as screens use it."""

    hosts = False  # set on an instance: the supervisor ends with this client

    def __init__(self, *runs: RunState, problem: str = "", tails: Sequence[Chunk] = ()) -> None:
        self.states = {state.run.run_id: state for state in runs}
        self.tails = list(tails)
        self.problem = problem
        self.budgets: tuple[DayBudget, ...] = ()
        self.commands: list[Command] = []
        self.refuse: LongwatchError | None = None  # raised by every command while set
        self.known_rules: list[StoredRule] = []
        self.diffs: dict[tuple[str, int], str] = {("", 0): DIFF}
        self.older: list[Chunk] = []  # the whole transcript, for paging
        self.pages: list[int | None] = []  # the `before` of every page asked for
        self.known_rollouts: list[Rollout] = []
        self.compared: list[ShadowResult] = []
        self.declared = ProjectReport(root="")  # what the project is said to declare
        self.past = PastList(folder="/home/mara/uploader/.longwatch/imported")
        self.past_pages: list[PastPage] = []
        self.found: list[PastFound] = []  # what searches give, one after the other
        self.searches: list[tuple[str, PastCursor | None]] = []
        self.told: list[Sequence[Sighting]] = []  # what was painted, by batches
        self.feeds = 0
        self.closed = False
        self._items: asyncio.Queue[FeedItem] = asyncio.Queue()

    def push(self, item: FeedItem) -> None:
        """Put something on the feed, after the snapshot."""
        self._items.put_nowait(item)

    @property
    def coming(self) -> bool:
        """Whether something on the feed was not taken in yet."""
        return not self._items.empty()

    def snapshot(self) -> Snapshot:
        return Snapshot(
            seq=120,
            status=make_status(self.problem, self.budgets),
            runs=tuple(self.states.values()),
            rules=tuple(self.known_rules),
            rollouts=tuple(self.known_rollouts),
            tails=tuple(self.tails),
        )

    async def feed(self) -> AsyncIterator[FeedItem]:
        self.feeds += 1
        yield self.snapshot()
        while True:
            item = await self._items.get()
            yield item
            if item.kind == "ended":
                return

    async def execute(self, command: Command) -> Done:
        if self.refuse is not None:
            raise self.refuse
        self.commands.append(command)
        return Done(message=f"{command.do.replace('_', ' ')}: done", seq=121)

    async def rollouts(self) -> Sequence[Rollout]:
        return self.known_rollouts

    async def comparisons(
        self, rollout_id: RolloutId, limit: int = 100, *, mismatches: bool = False
    ) -> Sequence[ShadowResult]:
        wanted = [r for r in self.compared if not (mismatches and r.comparison.agrees)]
        return wanted[:limit]

    async def drill(self, rollout_id: RolloutId, by: Actor) -> DrillReport:
        return A_DRILL

    async def status(self) -> Status:
        return make_status(self.problem, self.budgets)

    async def runs(self, limit: int = 200, trace: str = "") -> Sequence[Run]:
        found = [state.run for state in self.states.values()]
        return [run for run in found if run.trace_id.startswith(trace)][:limit]

    async def run(self, run_id: RunId) -> RunState:
        if run_id not in self.states:
            raise NotFound(f"there is no run {run_id}")
        return self.states[run_id]

    async def recipe(self, run_id: RunId) -> Recipe:
        return RECIPE

    async def events(
        self, run_id: RunId | None = None, after: int = 0, limit: int = 1000
    ) -> Sequence[Event]:
        return []

    async def approvals(self, open_only: bool = True) -> Sequence[Approval]:
        found = [a for state in self.states.values() for a in state.approvals.values()]
        return [a for a in found if a.state.needs_person or not open_only]

    async def covered(self, approval_id: ApprovalId, scope: Scope) -> Covered:
        if self.refuse is not None:
            raise self.refuse
        known = [a for state in self.states.values() for a in state.approvals.values()]
        approval = next(a for a in known if a.approval_id == approval_id)
        others = [a for a in known if a.approval_id != approval_id]
        return covered(rule_for(approval, scope, "(named when it is written)"), others)

    async def reviews(self, open_only: bool = True) -> Sequence[Review]:
        found = [r for state in self.states.values() for r in state.reviews.values()]
        return [r for r in found if r.state is ReviewState.OPEN or not open_only]

    async def questions(self, open_only: bool = True) -> Sequence[Question]:
        found = [q for state in self.states.values() for q in state.questions.values()]
        return [q for q in found if q.state is QuestionState.OPEN or not open_only]

    async def waiting(self) -> Sequence[Waiting]:
        return ()

    async def seen(self, sightings: Sequence[Sighting]) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.told.append(sightings)

    async def rules(self) -> Sequence[StoredRule]:
        return self.known_rules

    async def project(self, folder: str) -> ProjectReport:
        if self.refuse is not None:
            raise self.refuse
        return self.declared.model_copy(update={"root": folder})

    async def past_sessions(self, folder: str, limit: int = 200, agent: str = "") -> PastList:
        if self.refuse is not None:
            raise self.refuse
        return self.past

    async def past_search(
        self,
        folder: str,
        text: str,
        after: PastCursor | None = None,
        limit: int = 50,
        agent: str = "",
    ) -> PastFound:
        self.searches.append((text, after))
        return self.found.pop(0) if self.found else PastFound(total=self.past.total)

    async def past_page(
        self, folder: str, past_id: PastId, first: int = 1, limit: int = 200
    ) -> PastPage:
        for page in self.past_pages:
            if (page.session.past_id, page.first) == (past_id, first):
                return page
        raise NotFound(f"there is no past session {past_id} with a line {first}")

    async def transcript(
        self, run_id: RunId, session_id: SessionId, before: int | None = None, limit: int = 500
    ) -> Sequence[Chunk]:
        self.pages.append(before)
        found = [c for c in self.older if c.session_id == session_id]
        if before is not None:
            found = [c for c in found if c.ordinal < before]
        return found[-limit:]

    async def diff(self, run_id: RunId, step: str = "", attempt: int = 0, branch: str = "") -> str:
        return self.diffs.get((step, attempt), "")

    async def metrics(self) -> Metrics:
        return Metrics.of(Counts(runs=len(self.states)))

    async def usage(self, days: int = 7) -> Sequence[UsageOfDay]:
        return ()

    async def worktrees(self) -> Sequence[WorktreeReport]:
        return ()

    async def clean_worktrees(self, run_id: RunId | None = None) -> CleanReport:
        return CleanReport()

    async def verify(self) -> VerifyReport:
        return VerifyReport(
            ok=True, events=120, runs=len(self.states), rows=0, checked=(), problems=()
        )

    async def shutdown(self) -> None:
        self.closed = True

    async def close(self) -> None:
        self.closed = True
