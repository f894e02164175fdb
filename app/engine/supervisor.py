"""The supervisor: commands in, subscriptions out. Owns the store, every task and every child."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from app.agents.protocol import Driver
from app.domain import events as ev
from app.domain.approval import Actor, Approval, Scope, StoredRule
from app.domain.attention import waits_for_operator
from app.domain.base import ApprovalId, Clock, IdSource, RolloutId, RunId, SessionId
from app.domain.day_budget import Limit
from app.domain.errors import NotFound, OwnershipError, Refused
from app.domain.events import Event
from app.domain.feed import FeedItem, Snapshot, Status
from app.domain.rollout import DrillReport, Rollout, ShadowResult
from app.domain.run import Question, QuestionState, Review, ReviewState, Run, RunState
from app.domain.session import Chunk, SessionState
from app.domain.workflow import Recipe
from app.engine.approvals import ApprovalDesk
from app.engine.assembly import make_core
from app.engine.broadcast import Broadcast
from app.engine.core import Core
from app.engine.day_budgets import DayBudgets, limits_of_the_store
from app.engine.deadlines import Deadlines
from app.engine.deciding import Decider
from app.engine.drivers import Drivers
from app.engine.machine import MACHINE, Machine
from app.engine.notifying import KnowsSeen, make_notifications
from app.engine.past_sessions import PastSessions, ReadsPast
from app.engine.process_limit import limit_of_a_child
from app.engine.reads_counts import ReadsCounts
from app.engine.recovery import recover
from app.engine.redaction import Redaction
from app.engine.results import run_diff
from app.engine.rollout_watch import RolloutWatch
from app.engine.rollouts import Rollouts
from app.engine.runs import Runs
from app.engine.scratch import sweep
from app.engine.sessions import SessionKeeper
from app.engine.shadowing import Shadowing
from app.engine.slots import Slots, limit_of_the_store
from app.engine.system import RandomIds, SystemClock
from app.store.journal import Draft
from app.store.lock import StoreLock
from app.store.paths import StorePaths
from app.store.traces import runs_of_trace
from app.version import VERSION

if TYPE_CHECKING:
    from app.domain.commands import Command, Done
    from app.domain.covered import Covered
    from app.engine.operator import Operator

_TAIL_CHUNKS = 200  # of each live session in a snapshot; older text is paged
_FINISHED_SHOWN = 50  # runs that are over, when they have to be read from the disk


class Supervisor(ReadsCounts, ReadsPast, KnowsSeen):
    """The one process that writes to a store. Same methods as `app.link.client.Client`."""

    def __init__(
        self,
        core: Core,
        lock: StoreLock,
        *,
        run: bool,
        max_parallel: int,
        day_limits: Sequence[Limit] = (),
    ) -> None:
        self._core = core
        self._lock = lock
        self._journal = core.journal
        self._broadcast = Broadcast()
        recipes = core.journal.projection.recipes.values()
        redaction = self._redaction = Redaction(recipes, core.variables)
        clean = self._clean = redaction.clean
        core.attaching.clean = clean
        self._past = PastSessions(core.workspaces.repository, clean)
        self._keeper = SessionKeeper(core, clean, self._past)
        self._desk = ApprovalDesk(core, clean)
        self._runs = Runs(core, self._keeper, self._desk, Slots(max_parallel), active=run)
        shadowing = Shadowing(core, self._runs, clean)
        self._rollouts = Rollouts(core, self._runs, shadowing, redaction.learn)
        self._watch = RolloutWatch(core, self._rollouts, shadowing)
        self._decider = Decider(core, self._keeper, self._desk, self._runs.wake)
        self._deadlines = Deadlines(core, self._decider)
        self._budgets = DayBudgets(core, day_limits)
        self._budgets.wake = self._runs.wake
        self._runs.before = self._budgets.ready
        self._notices = make_notifications(core, redaction, self._tell_status)
        self._started_at = core.clock.now()
        self._closed = False
        self.stopped = asyncio.Event()  # set when somebody asked for a shutdown
        self.handed_on = False  # whoever needs a supervisor when it has stopped becomes it

    @cached_property
    def _operator(self) -> Operator:
        # Loaded with the first command: taking unfinished runs up needs no reader of projects.
        from app.engine.editing import CallEditor
        from app.engine.operator import Operator

        return Operator(
            self._core,
            self._keeper,
            self._decider,
            CallEditor(self._core, self._decider, self._desk),
            self._runs,
            self._rollouts,
            self._budgets,
            self._redaction,
            self._past,
        )

    @classmethod
    async def open(
        cls,
        store: Path,
        *,
        run: bool = True,
        max_parallel: int | None = None,
        clock: Clock | None = None,
        ids: IdSource | None = None,
        drivers: Mapping[str, Driver] | None = None,
        machine: Machine = MACHINE,
    ) -> Supervisor:
        """Take the store and, with `run`, everything unfinished in it up again.

        Raises StoreBusy when another process holds it, StoreError when it cannot be used.
        Without `run`, commands are committed and wait for the next supervisor. `max_parallel`
        is how many agents may be at work at once (0: any number, None: as the environment says,
        which can be a ConfigError).
        """
        limit = limit_of_the_store() if max_parallel is None else max_parallel
        day_limits = limits_of_the_store()
        limit_of_a_child()  # what the environment says is refused before the store is taken
        paths = StorePaths(store)
        lock = StoreLock(paths.lock)
        await asyncio.to_thread(lock.acquire)
        clock, ids = clock or SystemClock(), ids or RandomIds()
        try:
            journal = await machine.journal(paths, clock)
        except BaseException:
            lock.release()
            raise
        drivers = Drivers() if drivers is None else drivers
        core = make_core(journal, paths, clock, ids, drivers, machine)
        supervisor = cls(core, lock, run=run, max_parallel=limit, day_limits=day_limits)
        try:
            if run:
                await supervisor._begin()
        except BaseException:
            await supervisor.close()
            raise
        return supervisor

    async def _begin(self) -> None:
        core, journal = self._core, self._journal
        journal.listen(self._broadcast.publish)
        journal.listen(self._notices.committed)
        journal.on_problem(lambda _text: self._tell_status())
        self._budgets.changed = self._tell_status
        left_over = list(journal.projection.processes.values())
        started = ev.SupervisorStarted(
            epoch=core.epoch, pid=os.getpid(), host=socket.gethostname(), version=VERSION
        )
        unfinished = [s for s in journal.projection.states.values() if not s.run.state.terminal]
        lost = [Draft(payload, state) for state in unfinished for payload in recover(state)]
        on_disk = journal.append([Draft(started), *lost])  # one write for all of them
        # Until then nothing is started, but what a crash has left can be cleared away.
        await asyncio.to_thread(sweep)
        await asyncio.to_thread(core.attaching.sweep)
        reaping = asyncio.create_task(core.processes.reap_leftovers(left_over), name="reaping")
        await journal.written(reaping)
        await journal.written(on_disk)
        for state in list(journal.projection.states.values()):
            await self._runs.children.ended(state)
        self._runs.take_up()
        await self._rollouts.recover()
        self._watch.start()
        self._deadlines.start()
        await self._budgets.start()
        self._notices.start()

    def _tell_status(self) -> None:
        self._broadcast.status(self._status())

    def _status(self) -> Status:
        status = Status(
            epoch=self._core.epoch,
            pid=os.getpid(),
            host=socket.gethostname(),
            store=str(self._core.paths.root),
            version=VERSION,
            sqlite=sqlite3.sqlite_version,
            started_at=self._started_at,
            seq=self._journal.committed_seq,
            problem=self._journal.problem,
            budgets=self._budgets.standing(),
        )
        return self._notices.tell(status)

    async def execute(self, command: Command) -> Done:
        """Carry a command out; returns once its events are committed. Raises Refused."""
        return await self._operator.execute(command)

    def feed(self) -> AsyncIterator[FeedItem]:
        """A Snapshot first, then every change after it; ends with Ended."""
        return self._broadcast.feed(self._snapshot)

    async def _snapshot(self) -> Snapshot:
        seq, states, rules, rollouts = await self._on_disk()
        tails: list[Chunk] = []
        for state in states:
            for session in state.sessions.values():
                if session.state is not SessionState.CLOSED or not state.run.state.terminal:
                    tails += await self._journal.reader.chunks(
                        session.session_id, limit=_TAIL_CHUNKS
                    )
        return Snapshot(
            seq=seq,
            status=self._status(),
            runs=tuple(states),
            rules=tuple(rules),
            rollouts=tuple(rollouts),
            tails=tuple(tails),
        )

    async def _on_disk(
        self,
    ) -> tuple[int, Sequence[RunState], Sequence[StoredRule], Sequence[Rollout]]:
        """What can be shown: nothing that a crash would take back. While the disk cannot be
        written, that is what was on it before."""
        journal = self._journal
        seq, found = journal.seq, journal.projection
        states, rules = list(found.states.values()), list(found.rules.values())
        rollouts = list(found.rollouts.values())
        if await journal.on_disk():
            return seq, states, rules, rollouts
        while True:
            seq = journal.committed_seq
            found = await journal.reader.projection(_FINISHED_SHOWN)
            if journal.committed_seq == seq:
                states, rules = list(found.states.values()), list(found.rules.values())
                return seq, states, rules, list(found.rollouts.values())

    async def status(self) -> Status:
        await self._budgets.ready()
        return self._status()

    async def runs(self, limit: int = 200, trace: str = "") -> Sequence[Run]:
        """Newest first; with `trace`, those whose trace id is or begins with it."""
        if trace:
            return await runs_of_trace(self._journal.reader, trace, limit)
        found = await self._journal.reader.runs(limit)
        live = {state.run.run_id: state.run for state in await self._states()}
        return [live.get(run.run_id, run) for run in found]

    async def run(self, run_id: RunId) -> RunState:
        """Raises NotFound. An unambiguous prefix of the id is enough."""
        state = self._journal.state(run_id)
        if state is not None and await self._journal.on_disk():
            return state
        return await self._journal.reader.run(await self._full_id(run_id))

    async def _full_id(self, run_id: RunId) -> RunId:
        found = await self._journal.reader.run_ids(run_id)
        if len(found) > 1:
            raise Refused(f"{run_id} fits several runs: {', '.join(found[:5])}")
        if not found:
            raise NotFound(f"there is no run {run_id}; `longwatch runs` lists them")
        return found[0]

    async def recipe(self, run_id: RunId) -> Recipe:
        state = await self.run(run_id)
        known = self._journal.projection.recipes.get(state.run.recipe)
        return known or await self._journal.reader.recipe(state.run.recipe)

    async def events(
        self, run_id: RunId | None = None, after: int = 0, limit: int = 1000
    ) -> Sequence[Event]:
        """In order of sequence, from `after` exclusive."""
        full = (await self.run(run_id)).run.run_id if run_id else None
        return await self._journal.reader.events(full, after, limit)

    async def _states(self) -> Sequence[RunState]:
        _, states, _, _ = await self._on_disk()
        return states

    async def _awaited(self) -> Sequence[RunState]:
        """Runs that a person may be asked something by: nobody waits for a shadow's answer."""
        return [state for state in await self._states() if not state.run.shadow]

    async def approvals(self, open_only: bool = True) -> Sequence[Approval]:
        """Newest first. Open ones are those of unfinished runs that wait for a person."""
        if not open_only:
            return await self._journal.reader.approvals()
        return [
            approval
            for state in await self._awaited()
            for approval in state.approvals.values()
            if approval.state.needs_person and not state.run.state.terminal
        ]

    async def covered(self, approval_id: ApprovalId, scope: Scope) -> Covered:
        """The rule that allowing it for this scope would write, and what of the past it matches."""
        return await self._decider.covered(approval_id, scope)

    async def reviews(self, open_only: bool = True) -> Sequence[Review]:
        """Newest first. Open ones are those that wait for the operator."""
        if not open_only:
            return await self._journal.reader.reviews()
        return [
            review
            for state in await self._awaited()
            for review in state.reviews.values()
            if review.state is ReviewState.OPEN and waits_for_operator(state, review.review_id)
        ]

    async def questions(self, open_only: bool = True) -> Sequence[Question]:
        """Newest first. Open ones are those of unfinished runs that wait for an answer."""
        if not open_only:
            return await self._journal.reader.questions()
        return [
            question
            for state in await self._awaited()
            for question in state.questions.values()
            if question.state is QuestionState.OPEN and not state.run.state.terminal
        ]

    async def rules(self) -> Sequence[StoredRule]:
        return list(self._journal.projection.rules.values())

    async def rollouts(self) -> Sequence[Rollout]:
        """All of the store, in the order in which they were opened."""
        return list((await self._on_disk())[3])

    async def comparisons(
        self, rollout_id: RolloutId, limit: int = 100, *, mismatches: bool = False
    ) -> Sequence[ShadowResult]:
        """Of one rollout, newest first; with `mismatches`, those that do not agree."""
        return await self._journal.reader.comparisons(rollout_id, limit, mismatches=mismatches)

    async def drill(self, rollout_id: RolloutId, by: Actor) -> DrillReport:
        """Rehearse a rollback on a copy of the store. Raises Refused, StoreError."""
        from app.engine.drill import drill  # seldom asked for

        await self._core.settle()
        return await drill(self._core, rollout_id, by)

    async def transcript(
        self, run_id: RunId, session_id: SessionId, before: int | None = None, limit: int = 500
    ) -> Sequence[Chunk]:
        """A page of transcript, oldest first. Raises OwnershipError."""
        state = await self.run(run_id)
        if session_id not in state.sessions:
            raise OwnershipError(f"session {session_id} does not belong to run {run_id}")
        return await self._journal.reader.chunks(session_id, before, limit)

    async def diff(self, run_id: RunId, step: str = "", attempt: int = 0, branch: str = "") -> str:
        """Unified diff of the run's work, or of what one attempt changed."""
        found = await run_diff(self._core, await self.run(run_id), step, attempt, branch)
        return await asyncio.to_thread(self._clean, found)

    async def shutdown(self) -> None:
        """Ask the host to stop; `stopped` tells it."""
        self.stopped.set()

    async def close(self) -> None:
        """Stop loops, agents, children, store. Unfinished runs go on at the next start."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._notices.close()
            await self._deadlines.close()
            await self._watch.close()
            await self._budgets.close()
            await self._rollouts.close()
            await self._runs.close()
            await self._keeper.close()
            await self._core.processes.close()
            await self._core.http.close()
            if self._runs.active:
                stopped = ev.SupervisorStopped(epoch=self._core.epoch)
                await self._journal.written(self._journal.append([Draft(stopped)]))
        finally:
            self._broadcast.end("the supervisor has stopped", handed_on=self.handed_on)
            await self._journal.close()
            self._lock.release()
            self.stopped.set()
