"""A supervisor without a store or agents: what the link's own tests are run against."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from app.domain.approval import Actor, ActorKind, Approval, Scope, StoredRule
from app.domain.attention import AttentionItem, AttentionKind
from app.domain.base import ApprovalId, RolloutId, RunId, SessionId
from app.domain.commands import CancelRun, Command, DecideApproval, Done
from app.domain.compare import compare
from app.domain.covered import Covered, covered
from app.domain.errors import NotFound, OwnershipError, Refused, StoreError
from app.domain.events import Event, RunStateChanged
from app.domain.feed import Committed, Ended, FeedItem, Snapshot, Status, VerifyReport
from app.domain.gate import Gate
from app.domain.metrics import Counts, Metrics
from app.domain.past import (
    PastCursor,
    PastEntry,
    PastFound,
    PastHit,
    PastKind,
    PastList,
    PastPage,
    PastSession,
)
from app.domain.past_ref import PastId
from app.domain.persistent import PersistentMap
from app.domain.policy import rule_for
from app.domain.project_report import ProjectReport
from app.domain.request import Request, Risk
from app.domain.rollout import (
    DrillReport,
    PathKind,
    PinnedPath,
    Rollout,
    ShadowResult,
)
from app.domain.run import Question, Review, Run, RunState, StepBrief
from app.domain.seen import Sighting, Waiting
from app.domain.session import Chunk, ChunkKind, Usage
from app.domain.step import AgentStep
from app.domain.task_state import TaskState
from app.domain.toolcall import ToolCall, ToolKind
from app.domain.usage import UsageOfDay
from app.domain.workflow import AgentConfig, Recipe, Workflow
from app.domain.worktree_report import CleanReport, WorktreeReport
from app.store.lock import StoreLock
from app.store.paths import StorePaths

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PERSON = Actor(kind=ActorKind.PERSON, name="ada")
RUN = RunId("run-1")
SESSION = SessionId("s-1")
A_DRILL = DrillReport(
    name="change",
    from_share=25,
    shadow=0,
    frozen=2,
    committed_ms=3.5,
    first_request_ms=4.5,
    requests=100,
    on_stable=100,
)


def a_run(run_id: str = RUN) -> Run:
    return Run(
        run_id=RunId(run_id),
        trace_id="t" * 32,
        request=Request(text="add retry\nto the uploader", user="ada"),
        project="/work/project",
        workflow="change",
        recipe="0" * 64,
        current_step="plan",
        steps=(StepBrief(name="plan", kind="agent"),),
        state=TaskState.IN_PROGRESS,
        created_at=NOW,
        updated_at=NOW,
    )


def a_rollout() -> Rollout:
    return Rollout(
        rollout_id=RolloutId("ro-1"),
        name="change",
        project="/work/project",
        stable=PinnedPath(kind=PathKind.WORKFLOW, title="change", recipe="0" * 64),
        candidate=PinnedPath(kind=PathKind.WORKFLOW, title="change-2", recipe="1" * 64),
        author=PERSON,
        since=NOW,
        opened_at=NOW,
        updated_at=NOW,
    )


def a_result() -> ShadowResult:
    return ShadowResult(
        shadow=RunId("run-2"),
        of=RUN,
        at=NOW,
        comparison=compare("yes", "no"),
        stable_text="yes",
        stable_sha256="0" * 64,
        stable_size=3,
        candidate_text="no",
        candidate_sha256="1" * 64,
        candidate_size=2,
    )


def an_approval() -> Approval:
    call = ToolCall(
        call_id="c1", tool="shell", kind=ToolKind.SHELL, title="git push", command="git push"
    )
    return Approval(
        approval_id=ApprovalId("ap-1"),
        revision=3,
        run_id=RUN,
        session_id=SESSION,
        step="plan",
        attempt=1,
        turn=1,
        agent="coder",
        call=call,
        risk=Risk.HIGH,
        epoch=1,
        requested_at=NOW,
    )


def a_recipe() -> Recipe:
    gate = Gate(name="tests", command=("true",))
    step = AgentStep.model_validate(
        {"name": "plan", "agent": "coder", "prompt": "x", "gate": [gate]}
    )
    workflow = Workflow.model_validate({"name": "change", "step": [step]})
    return Recipe(workflow=workflow, agents=(AgentConfig(name="coder", driver="scripted"),))


def an_event(seq: int) -> Event:
    payload = RunStateChanged(state=TaskState.IN_PROGRESS, by=PERSON, reason=f"event {seq}")
    return Event(seq=seq, at=NOW, run_id=RUN, payload=payload)


A_PAST = PastSession(
    past_id=PastId("main/abc"), agent="main", session="abc", title="hello", size=9, last=NOW
)
A_PAST_ENTRY = PastEntry(line=2, kind=PastKind.USER, text="häl[/lo]", at=NOW)


class FakeSupervisor:
    """Answers from memory; holds the store's real lock, so that starts can race."""

    def __init__(self, store: Path, *, run: bool = True) -> None:
        store.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.store, self.runs_agents = store, run
        self.stopped = asyncio.Event()
        self.closed = False
        self.handed_on = False
        self.done: list[Command] = []
        self.sightings: list[Sighting] = []
        self.readers: set[asyncio.Queue[FeedItem]] = set()
        self.hold = asyncio.Event()  # while clear, `verify` does not return
        self.hold.set()
        self._lock = StoreLock(StorePaths(store).lock)

    @classmethod
    async def open(cls, store: Path, *, run: bool = True) -> FakeSupervisor:
        made = cls(store, run=run)
        made._lock.acquire()
        return made

    def publish(self, item: FeedItem) -> None:
        for queue in self.readers:
            queue.put_nowait(item)

    async def feed(self) -> AsyncIterator[FeedItem]:
        queue: asyncio.Queue[FeedItem] = asyncio.Queue()
        state = RunState(run=a_run())
        queue.put_nowait(
            Snapshot(seq=7, status=await self.status(), runs=(state,), rules=(), tails=())
        )
        self.readers.add(queue)
        try:
            while True:
                item = await queue.get()
                yield item
                if isinstance(item, Ended):
                    return
        finally:
            self.readers.discard(queue)

    async def execute(self, command: Command) -> Done:
        if isinstance(command, DecideApproval) and command.revision != 3:
            raise Refused("this question has changed; read it again")
        if isinstance(command, CancelRun) and command.run_id != RUN:
            raise NotFound(f"there is no run {command.run_id}")
        self.done.append(command)
        self.publish(Committed(events=(an_event(7 + len(self.done)),)))
        return Done(message="done", run_id=RUN, seq=7 + len(self.done))

    async def rollouts(self) -> Sequence[Rollout]:
        return [a_rollout()]

    async def comparisons(
        self, rollout_id: RolloutId, limit: int = 100, *, mismatches: bool = False
    ) -> Sequence[ShadowResult]:
        return [] if mismatches else [a_result()][:limit]

    async def drill(self, rollout_id: RolloutId, by: Actor) -> DrillReport:
        return A_DRILL

    async def status(self) -> Status:
        return Status(
            epoch=1,
            pid=os.getpid(),
            host="here",
            store=str(self.store),
            version="0",
            sqlite="3",
            started_at=NOW,
            seq=7,
            waiting=1,
            unseen=0 if self.sightings else 1,
            unseen_seconds=90,
        )

    async def runs(self, limit: int = 200, trace: str = "") -> Sequence[Run]:
        found = [a_run(f"run-{n}") for n in range(1, 4)]
        return [run for run in found if run.trace_id.startswith(trace)][:limit]

    async def run(self, run_id: RunId) -> RunState:
        if not RUN.startswith(run_id):
            raise NotFound(f"there is no run {run_id}")
        approval = an_approval()
        return RunState(
            run=a_run(), approvals=PersistentMap({approval.approval_id: approval}), seq=7
        )

    async def recipe(self, run_id: RunId) -> Recipe:
        return a_recipe()

    async def events(
        self, run_id: RunId | None = None, after: int = 0, limit: int = 1000
    ) -> Sequence[Event]:
        return [an_event(seq) for seq in range(1, 8) if seq > after][:limit]

    async def approvals(self, open_only: bool = True) -> Sequence[Approval]:
        return [an_approval()]

    async def covered(self, approval_id: ApprovalId, scope: Scope) -> Covered:
        if approval_id != an_approval().approval_id:
            raise NotFound(f"there is no approval {approval_id}")
        past = an_approval().model_copy(update={"approval_id": ApprovalId("ap-0")})
        return covered(rule_for(an_approval(), scope, "(named when it is written)"), [past])

    async def reviews(self, open_only: bool = True) -> Sequence[Review]:
        return []

    async def waiting(self) -> Sequence[Waiting]:
        item = AttentionItem(
            kind=AttentionKind.APPROVAL, run_id=RUN, item_id="ap-1", title="git push", since=NOW
        )
        return [Waiting(item=item, project="/p", seen=bool(self.sightings), seconds=90)]

    async def seen(self, sightings: Sequence[Sighting]) -> None:
        self.sightings += sightings

    async def rules(self) -> Sequence[StoredRule]:
        return []

    async def project(self, folder: str) -> ProjectReport:
        return ProjectReport(root=folder, default_workflow="change")

    async def past_sessions(self, folder: str, limit: int = 200, agent: str = "") -> PastList:
        found = (A_PAST,) if agent in ("", A_PAST.agent) else ()
        return PastList(folder=folder, sessions=found[:limit], total=1)

    async def past_search(
        self,
        folder: str,
        text: str,
        after: PastCursor | None = None,
        limit: int = 50,
        agent: str = "",
    ) -> PastFound:
        if after is not None:
            return PastFound(searched=1, total=1)
        hit = PastHit(past_id=A_PAST.past_id, title=text, entry=A_PAST_ENTRY)
        return PastFound(
            hits=(hit,), next=PastCursor(past_id=A_PAST.past_id, line=2, offset=9), total=1
        )

    async def past_page(
        self, folder: str, past_id: PastId, first: int = 1, limit: int = 200
    ) -> PastPage:
        if past_id != A_PAST.past_id:
            raise NotFound(f"there is no past session {past_id}")
        return PastPage(session=A_PAST, first=first, entries=(A_PAST_ENTRY,), next=first + limit)

    async def transcript(
        self, run_id: RunId, session_id: SessionId, before: int | None = None, limit: int = 500
    ) -> Sequence[Chunk]:
        if (run_id, session_id) != (RUN, SESSION):
            raise OwnershipError(f"session {session_id} does not belong to run {run_id}")
        kind = ChunkKind.MESSAGE
        return [Chunk(session_id=SESSION, ordinal=1, kind=kind, text="häl[/lo]", at=NOW)]

    async def questions(self, open_only: bool = True) -> Sequence[Question]:
        return []

    async def diff(self, run_id: RunId, step: str = "", attempt: int = 0, branch: str = "") -> str:
        if step == "boom":
            raise ValueError("a defect")
        return f"diff of {run_id} {step} {attempt}\n"

    async def metrics(self) -> Metrics:
        return Metrics.of(Counts(runs=4, done=2, failed=1, attempts=7, retries=1))

    async def usage(self, days: int = 7) -> list[UsageOfDay]:
        used = Usage(input_tokens=900, output_tokens=100, total_tokens=1000, cost_usd=0.5)
        return [UsageOfDay(day=NOW.date(), agent="coder", runs=days, usage=used)]

    async def worktrees(self) -> list[WorktreeReport]:
        return [self._worktree("has uncommitted changes")]

    async def clean_worktrees(self, run_id: RunId | None = None) -> CleanReport:
        kept = () if run_id is None else (self._worktree("its run is not over"),)
        return CleanReport(removed=("longwatch/r-1/work",), kept=kept)

    def _worktree(self, why: str) -> WorktreeReport:
        branch, done = "longwatch/r-1/work", TaskState.DONE
        return WorktreeReport(
            run_id=RunId("r-1"), state=done, path="/w/work", git_branch=branch, why=why
        )

    async def verify(self) -> VerifyReport:
        await self.hold.wait()
        if self.closed:
            raise StoreError("the store is closed")
        return VerifyReport(ok=True, events=7, runs=1, rows=9, checked=("chain",), problems=())

    async def shutdown(self) -> None:
        self.stopped.set()

    async def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.hold.set()
            self.publish(Ended(why="the supervisor stops"))
            self._lock.release()
