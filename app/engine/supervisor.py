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
from app.domain.approval import Actor, Scope
from app.domain.base import ApprovalId, Clock, IdSource, RolloutId, RunId
from app.domain.day_budget import Limit
from app.domain.feed import FeedItem, Snapshot, Status
from app.domain.rollout import DrillReport
from app.domain.session import Chunk, SessionState
from app.domain.task_state import TaskState
from app.engine.approvals import Approvals
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
from app.engine.reads_runs import ReadsRuns
from app.engine.recorded import recorded
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
from app.version import VERSION

if TYPE_CHECKING:
    from app.domain.commands import Command, Done
    from app.domain.covered import Covered
    from app.engine.operator import Operator

_NOT_STARTED = "nothing was started"
# Of each live session in a snapshot; older text is paged. A pane shows less than this, and a
# window that opens must not wait for megabytes of build logs.
_TAIL_CHUNKS = 200
_TAIL_CHARACTERS = 32_000


class Supervisor(ReadsRuns, ReadsCounts, ReadsPast, KnowsSeen):
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
        self._approvals = Approvals(core, clean)
        self._runs = Runs(core, self._keeper, self._approvals, Slots(max_parallel), active=run)
        shadowing = Shadowing(core, self._runs, clean)
        self._rollouts = Rollouts(core, self._runs, shadowing, redaction.learn)
        self._watch = RolloutWatch(core, self._rollouts, shadowing)
        self._decider = Decider(core, self._keeper, self._approvals, self._runs.wake)
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
            CallEditor(self._core, self._decider, self._approvals),
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
        await journal.written(reaping, _NOT_STARTED)
        await journal.written(on_disk, _NOT_STARTED)
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
        """Carry a command out; returns once its events are committed. Raises Refused, StoreError
        when they could not be for some seconds."""
        work = self._operator.execute(command)
        return await recorded(self._journal, work, hosts=self._runs.active)

    def feed(self) -> AsyncIterator[FeedItem]:
        """A Snapshot first, then every change after it; ends with Ended."""
        return self._broadcast.feed(self._snapshot)

    async def _snapshot(self) -> Snapshot:
        shown = await self._on_disk()
        tails: list[Chunk] = []
        for state in shown.states:
            for session in state.sessions.values():
                if session.state is not SessionState.CLOSED or not state.run.state.terminal:
                    tails += await self._journal.reader.newest_chunks(
                        session.session_id, _TAIL_CHUNKS, _TAIL_CHARACTERS
                    )
        return Snapshot(
            seq=shown.seq,
            status=self._status(),
            runs=tuple(shown.states),
            rules=tuple(shown.rules),
            rollouts=tuple(shown.rollouts),
            tails=tuple(tails),
            done=await self._journal.reader.count_of(TaskState.DONE),
        )

    async def status(self) -> Status:
        await self._budgets.ready()
        return self._status()

    async def covered(self, approval_id: ApprovalId, scope: Scope) -> Covered:
        """The rule that allowing it for this scope would write, and what of the past it matches."""
        return await self._decider.covered(approval_id, scope)

    async def drill(self, rollout_id: RolloutId, by: Actor) -> DrillReport:
        """Rehearse a rollback on a copy of the store. Raises Refused, StoreError."""
        from app.engine.drill import drill  # seldom asked for

        await self._core.settle()
        return await drill(self._core, rollout_id, by)

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
                on_disk = self._journal.append([Draft(stopped)])
                await self._journal.written(on_disk, "runs go on from what is on the disk")
        finally:
            self._broadcast.end("the supervisor has stopped", handed_on=self.handed_on)
            await self._journal.close()
            self._lock.release()
            self.stopped.set()
