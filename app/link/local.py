"""The client in the process that hosts the supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from app.link.client import Client
from app.link.server import Server

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


class Hosted(Client, Protocol):
    """What this end needs of a supervisor (`app.engine.supervisor.Supervisor`)."""

    stopped: asyncio.Event  # set when shutdown() was asked
    handed_on: bool  # said to those who follow when it stops


class LocalClient:
    """`Client` over a supervisor in this process, with its socket when it is to be shared.

    Whoever asks for a shutdown, here or over the socket, gets it: the host stops in order by
    itself, feeds end with Ended, and `wait_stopped` returns.
    """

    hosts = True
    changed = True  # as far as anybody knows: nothing that is asked of it is asked again

    def __init__(self, supervisor: Hosted) -> None:
        self._supervisor = supervisor
        self._server: Server | None = None
        self._watch: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    async def share(self, path: Path) -> None:
        """Let other processes attach at `path`. Raises StoreError."""
        server = Server(self, path)
        await server.start()
        self._server = server

    def watch(self) -> None:
        """Begin to carry out shutdowns that are asked for."""
        self._watch = asyncio.create_task(self._stop_when_asked(), name="link shutdown")

    async def _stop_when_asked(self) -> None:
        await self._supervisor.stopped.wait()
        await self._end()

    def hand_on(self) -> None:
        """What this process was started for is done, and it will close: whoever follows other
        runs is told to go on as their supervisor."""
        self._supervisor.handed_on = True

    async def wait_stopped(self) -> None:
        """Until somebody asked for a shutdown and it is complete."""
        await self._supervisor.stopped.wait()
        await self._end()

    async def close(self) -> None:
        """Stop the supervisor in order; safe to call again."""
        try:
            await self._end()
        finally:
            if self._watch is not None:
                self._watch.cancel()
                await asyncio.gather(self._watch, return_exceptions=True)

    async def _end(self) -> None:
        """One ending, however many ask for it and even if one of them is cancelled."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._shut(), name="link ending")
        await asyncio.shield(self._ending)

    async def _shut(self) -> None:
        try:
            if self._server is not None:
                await self._server.stop_accepting()
        finally:
            await self._supervisor.close()
            if self._server is not None:
                await self._server.close()

    async def shutdown(self) -> None:
        await self._supervisor.shutdown()

    def feed(self) -> AsyncIterator[FeedItem]:
        return self._supervisor.feed()

    async def execute(self, command: Command) -> Done:
        return await self._supervisor.execute(command)

    async def status(self) -> Status:
        return await self._supervisor.status()

    async def runs(self, limit: int = 200, trace: str = "") -> Sequence[Run]:
        return await self._supervisor.runs(limit, trace)

    async def run(self, run_id: RunId) -> RunState:
        return await self._supervisor.run(run_id)

    async def recipe(self, run_id: RunId) -> Recipe:
        return await self._supervisor.recipe(run_id)

    async def events(
        self, run_id: RunId | None = None, after: int = 0, limit: int = 1000
    ) -> Sequence[Event]:
        return await self._supervisor.events(run_id, after, limit)

    async def approvals(self, open_only: bool = True) -> Sequence[Approval]:
        return await self._supervisor.approvals(open_only)

    async def covered(self, approval_id: ApprovalId, scope: Scope) -> Covered:
        return await self._supervisor.covered(approval_id, scope)

    async def reviews(self, open_only: bool = True) -> Sequence[Review]:
        return await self._supervisor.reviews(open_only)

    async def questions(self, open_only: bool = True) -> Sequence[Question]:
        return await self._supervisor.questions(open_only)

    async def waiting(self) -> Sequence[Waiting]:
        return await self._supervisor.waiting()

    async def seen(self, sightings: Sequence[Sighting]) -> None:
        await self._supervisor.seen(sightings)

    async def rules(self) -> Sequence[StoredRule]:
        return await self._supervisor.rules()

    async def rollouts(self) -> Sequence[Rollout]:
        return await self._supervisor.rollouts()

    async def comparisons(
        self, rollout_id: RolloutId, limit: int = 100, *, mismatches: bool = False
    ) -> Sequence[ShadowResult]:
        return await self._supervisor.comparisons(rollout_id, limit, mismatches=mismatches)

    async def drill(self, rollout_id: RolloutId, by: Actor) -> DrillReport:
        return await self._supervisor.drill(rollout_id, by)

    async def project(self, folder: str) -> ProjectReport:
        return await self._supervisor.project(folder)

    async def past_sessions(self, folder: str, limit: int = 200, agent: str = "") -> PastList:
        return await self._supervisor.past_sessions(folder, limit, agent)

    async def past_search(
        self,
        folder: str,
        text: str,
        after: PastCursor | None = None,
        limit: int = 50,
        agent: str = "",
    ) -> PastFound:
        return await self._supervisor.past_search(folder, text, after, limit, agent)

    async def past_page(
        self, folder: str, past_id: PastId, first: int = 1, limit: int = 200
    ) -> PastPage:
        return await self._supervisor.past_page(folder, past_id, first, limit)

    async def transcript(
        self, run_id: RunId, session_id: SessionId, before: int | None = None, limit: int = 500
    ) -> Sequence[Chunk]:
        return await self._supervisor.transcript(run_id, session_id, before, limit)

    async def diff(self, run_id: RunId, step: str = "", attempt: int = 0, branch: str = "") -> str:
        return await self._supervisor.diff(run_id, step, attempt, branch)

    async def metrics(self) -> Metrics:
        return await self._supervisor.metrics()

    async def usage(self, days: int = 7) -> Sequence[UsageOfDay]:
        return await self._supervisor.usage(days)

    async def worktrees(self) -> Sequence[WorktreeReport]:
        return await self._supervisor.worktrees()

    async def clean_worktrees(self, run_id: RunId | None = None) -> CleanReport:
        return await self._supervisor.clean_worktrees(run_id)

    async def verify(self) -> VerifyReport:
        return await self._supervisor.verify()
