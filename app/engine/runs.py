"""The runs' loops: one task each, owned here, ended here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from app.domain import events as ev
from app.domain.approval import Actor, ApprovalState
from app.domain.base import RunId
from app.domain.errors import NotFound, StoreError
from app.domain.overtaken import Overtaken
from app.domain.run import Blocked, RunState
from app.domain.task_state import TaskState
from app.domain.text import one_line
from app.engine.approvals import Approvals
from app.engine.carry import ENGINE, Carrier
from app.engine.children import Children
from app.engine.core import Core
from app.engine.results import release_workspaces
from app.engine.runner import Runner
from app.engine.sessions import SessionKeeper
from app.engine.slots import Slots

_log = logging.getLogger(__name__)
_MOMENT, _GRACE = 0.3, 0.2  # seconds: to end in order, and between SIGTERM and SIGKILL
_DEFECT = 1000  # characters of what a defect says
_AT_ONCE = 8  # runs that are taken up between two commits


class Runs:
    """Starts a run's loop when it has something to do; never two loops for one run."""

    def __init__(
        self,
        core: Core,
        keeper: SessionKeeper,
        approvals: Approvals,
        slots: Slots,
        *,
        active: bool,
    ) -> None:
        self._core = core
        self._keeper = keeper
        self._approvals = approvals
        self._slots = slots
        # Shadow runs wait for each other and never for a slot that a request wants.
        self._shadow_slots = Slots(max(1, slots.limit // 4))
        self.children = Children(core, self._cancel_unwanted)
        self.children.wake = self.wake
        self.before: Callable[[RunId], Awaitable[None]] | None = None  # a loop's first step
        self._tasks: dict[RunId, asyncio.Task[None]] = {}
        self._taking_up: asyncio.Task[None] | None = None
        self.active = active
        core.journal.projection.in_use = self._in_use

    def _in_use(self, run_id: RunId) -> bool:
        task = self._tasks.get(run_id)
        return (task is not None and not task.done()) or self._keeper.holds(run_id)

    def wake(self, run_id: RunId) -> None:
        """Make sure that the run's loop runs and looks at its state."""
        if not self.active:
            return
        self._core.changed(run_id).set()
        task = self._tasks.get(run_id)
        if task is None or task.done():
            before = task
            self._tasks[run_id] = asyncio.create_task(self._loop(run_id, before), name=run_id)

    def take_up(self) -> None:
        """Wake every run that can go on, the oldest first: at once where they are few, else bit by
        bit, so that the first one's next step does not come after a look at the last."""
        runs = [run_id for run_id in self._core.journal.projection.states if self._goes_on(run_id)]
        for run_id in runs[:_AT_ONCE]:
            self.wake(run_id)
        if len(runs) > _AT_ONCE:
            self._taking_up = asyncio.create_task(self._take_up(runs[_AT_ONCE:]), name="take up")

    async def _take_up(self, runs: Sequence[RunId]) -> None:
        for number, run_id in enumerate(runs):
            if number % _AT_ONCE == 0:
                # Those that were woken go on meanwhile, each commit of theirs with this one.
                try:
                    await self._core.settle()
                except StoreError as error:
                    _log.error("unfinished runs stand still: %s", error)
                    return
            if self._goes_on(run_id):  # nobody has stopped it meanwhile
                self.wake(run_id)

    def _goes_on(self, run_id: RunId) -> bool:
        state = self._core.journal.state(run_id)
        return state is not None and state.run.state in (TaskState.PENDING, TaskState.IN_PROGRESS)

    async def _loop(self, run_id: RunId, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        try:
            if self.before is not None:
                await self.before(run_id)
            await Runner(self._carrier(run_id), run_id).run()
            await self._leave(run_id)
        except StoreError as error:
            _log.error("run %s stands still: %s", run_id, error)
        except Exception as error:
            # A defect of ours must not look like a run that works: say it where it is seen.
            _log.exception("run %s: defect", run_id)
            await self._defect(run_id, error)

    def _carrier(self, run_id: RunId) -> Carrier:
        shadow = self._core.state(run_id).run.shadow
        slots = self._shadow_slots if shadow else self._slots
        return Carrier(self._core, self._keeper, self._approvals, slots, self.children, run_id)

    async def _leave(self, run_id: RunId) -> None:
        """The run is over or waits for a person to take it up: its agents need not wait too."""
        state = self._core.state(run_id)
        over = state.run.state.terminal
        await self._keeper.close_run(run_id, f"the run is {state.run.state}", final=over)
        if over:
            await release_workspaces(self._core, self._core.state(run_id))
        await self.children.ended(self._core.state(run_id))
        # A command may have taken the run up again while its agents were ending.
        if self._core.state(run_id).run.state is TaskState.IN_PROGRESS:
            asyncio.get_running_loop().call_soon(self.wake, run_id)

    async def _defect(self, run_id: RunId, error: Exception) -> None:
        said = one_line(f"{type(error).__name__}: {error}", _DEFECT)
        message = f"Longwatch itself failed: {said}"
        state = self._core.state(run_id).run.state
        if state in (TaskState.PENDING, TaskState.IN_PROGRESS):
            blocked = Blocked(kind="aborted", message=message)
            stopped = ev.RunStateChanged(
                state=TaskState.BLOCKED, reason=message, by=ENGINE, blocked=blocked
            )
            await self._core.commit(run_id, stopped)
        await self._keeper.close_run(run_id, message, final=False)

    async def cancel(self, run_id: RunId, reason: str, by: Actor) -> None:
        """End a run for good, and those that it has started. Raises Overtaken when it is over."""
        state = self._core.state(run_id)
        children = list(self.children.unfinished(state))
        canceled = ev.RunStateChanged(state=TaskState.CANCELED, reason=reason, by=by)
        await self._core.commit(run_id, canceled, *_withdrawn(state))
        await self.halt(run_id)
        for child in children:
            why = f"the run that it belongs to was canceled: {reason}"
            with suppress(Overtaken, NotFound):  # it has ended meanwhile
                await self.cancel(child.run.run_id, why, by)

    async def _cancel_unwanted(self, run_id: RunId, why: str) -> None:
        await self.cancel(run_id, why, ENGINE)

    async def halt(self, run_id: RunId) -> None:
        """End the run's loop and its agents, who have a moment to end by themselves: it was
        canceled or paused, and within a second nothing of it is to be at work."""
        later = asyncio.get_running_loop().call_later(
            _MOMENT, self._core.processes.hurry_run, run_id, _GRACE
        )
        try:
            task = self._tasks.pop(run_id, None)
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait([task])
            await self._leave(run_id)
        finally:
            later.cancel()

    async def close(self) -> None:
        """End all loops; the runs stay as they are."""
        if self._taking_up is not None:
            self._taking_up.cancel()
            await asyncio.wait([self._taking_up])
        tasks = [t for t in self._tasks.values() if not t.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._tasks.clear()


def _withdrawn(state: RunState) -> list[ev.Payload]:
    open_states = (ApprovalState.PENDING, ApprovalState.APPROVED)
    return [
        ev.ApprovalWithdrawn(approval_id=approval.approval_id, why="the run was canceled")
        for approval in state.approvals.values()
        if approval.state in open_states
    ]
