"""The Client protocol: typed commands down; a snapshot at sequence N and the feed after it up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # a host needs none of it by itself
    from app.domain.approval import Actor, Approval, Scope, StoredRule
    from app.domain.base import ApprovalId, RolloutId, RunId, SessionId
    from app.domain.commands import Command, Done
    from app.domain.covered import Covered
    from app.domain.events import Event
    from app.domain.feed import FeedItem, Status, VerifyReport
    from app.domain.metrics import Metrics
    from app.domain.past import PastCursor, PastFound, PastList, PastPage
    from app.domain.past_ref import PastId
    from app.domain.project_report import ProjectReport
    from app.domain.rollout import DrillReport, Rollout, ShadowResult
    from app.domain.run import Question, Review, Run, RunState
    from app.domain.seen import Sighting, Waiting
    from app.domain.session import Chunk
    from app.domain.usage import UsageOfDay
    from app.domain.workflow import Recipe
    from app.domain.worktree_report import CleanReport, WorktreeReport


class Client(Protocol):
    """What screens and commands see of a supervisor. Errors are Refused / NotFound / StoreError."""

    async def execute(self, command: Command) -> Done:
        """Carry a command out; returns once its event is committed. Raises Refused."""

    def feed(self) -> AsyncIterator[FeedItem]:
        """A Snapshot first, then every change after it; ends with Ended."""

    async def status(self) -> Status: ...

    async def runs(self, limit: int = 200, trace: str = "") -> Sequence[Run]:
        """Newest first; with `trace`, those whose trace id is or begins with it."""

    async def run(self, run_id: RunId) -> RunState:
        """Raises NotFound. An unambiguous prefix of the id is enough."""

    async def recipe(self, run_id: RunId) -> Recipe: ...

    async def events(
        self, run_id: RunId | None = None, after: int = 0, limit: int = 1000
    ) -> Sequence[Event]:
        """In order of sequence, from `after` exclusive."""

    async def approvals(self, open_only: bool = True) -> Sequence[Approval]: ...

    async def covered(self, approval_id: ApprovalId, scope: Scope) -> Covered:
        """The rule that allowing it for this scope would write, and the calls of the project's past
        that it matches. Raises NotFound, and Refused for the scope "once"."""

    async def reviews(self, open_only: bool = True) -> Sequence[Review]: ...

    async def questions(self, open_only: bool = True) -> Sequence[Question]: ...

    async def waiting(self) -> Sequence[Waiting]:
        """All that waits for a person, without what was put off, and whether anybody has seen
        it."""

    async def seen(self, sightings: Sequence[Sighting]) -> None:
        """Tell that a screen has painted these, or that a command has listed them."""

    async def rules(self) -> Sequence[StoredRule]: ...

    async def rollouts(self) -> Sequence[Rollout]:
        """All of the store, in the order in which they were opened."""

    async def comparisons(
        self, rollout_id: RolloutId, limit: int = 100, *, mismatches: bool = False
    ) -> Sequence[ShadowResult]:
        """Of one rollout, newest first; with `mismatches`, those that do not agree."""

    async def drill(self, rollout_id: RolloutId, by: Actor) -> DrillReport:
        """Rehearse a rollback on a copy of the store."""

    async def project(self, folder: str) -> ProjectReport:
        """What the repository at `folder` declares, as its files are now. Raises Refused when
        there is none."""

    async def past_sessions(self, folder: str, limit: int = 200, agent: str = "") -> PastList:
        """The newest past sessions of a repository. Raises Refused when `folder` is none."""

    async def past_search(
        self,
        folder: str,
        text: str,
        after: PastCursor | None = None,
        limit: int = 50,
        agent: str = "",
    ) -> PastFound:
        """Places where all of the words stand, newest session first; a part at a time: go on with
        `after` the result's `next`, or stop asking."""

    async def past_page(
        self, folder: str, past_id: PastId, first: int = 1, limit: int = 200
    ) -> PastPage:
        """Entries of a past session from line `first` on. Raises NotFound."""

    async def transcript(
        self, run_id: RunId, session_id: SessionId, before: int | None = None, limit: int = 500
    ) -> Sequence[Chunk]:
        """A page of transcript, oldest first, ending before ordinal `before` (None: the newest).
        Raises OwnershipError when the session is not that run's."""

    async def diff(self, run_id: RunId, step: str = "", attempt: int = 0, branch: str = "") -> str:
        """Unified diff: of the whole run's work (no step), or of what one attempt changed."""

    async def metrics(self) -> Metrics:
        """The seven metrics of all runs, counted at this moment from the journal."""

    async def usage(self, days: int = 7) -> Sequence[UsageOfDay]:
        """What agents have used in the last days, today included, by day and agent."""

    async def worktrees(self) -> Sequence[WorktreeReport]:
        """Every worktree of the store's runs, and why it is still there."""

    async def clean_worktrees(self, run_id: RunId | None = None) -> CleanReport:
        """Remove those of runs that are over; what is not committed goes to their branches."""

    async def verify(self) -> VerifyReport: ...

    async def shutdown(self) -> None:
        """Stop the supervisor in order (`longwatch down`)."""

    async def close(self) -> None:
        """Let go of the supervisor without stopping it (over a socket); in process: stop it."""
