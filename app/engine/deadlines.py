"""Deadlines of approvals: what nobody has answered by then times out, and permits nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence

from app.domain import events as ev
from app.domain.approval import Approval, ApprovalState
from app.domain.errors import LongwatchError
from app.domain.events import Event
from app.domain.session import Chunk
from app.engine.core import Core
from app.engine.deciding import Decider, overdue

_log = logging.getLogger(__name__)
_LEAST_SECONDS = 0.05  # between two looks
_PATIENCE_SECONDS = 2.0  # the same, after one that failed
_MOST_SECONDS = 60.0  # asleep at a stretch: a machine that slept itself has lost its sense of time


class Deadlines:
    """One task that sleeps until the next deadline. It acts on committed state only, so that
    deadlines hold over restarts: what ran out while nobody was there times out at the start."""

    def __init__(self, core: Core, decider: Decider) -> None:
        self._core = core
        self._decider = decider
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stop: Callable[[], None] = lambda: None

    def start(self) -> None:
        self._stop = self._core.journal.listen(self._committed)
        self._task = asyncio.create_task(self._run(), name="deadlines")

    async def close(self) -> None:
        self._stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _committed(self, events: Sequence[Event], chunks: Sequence[Chunk]) -> None:
        for event in events:
            asked = event.payload
            if isinstance(asked, ev.ApprovalRequested) and asked.approval.deadline is not None:
                self._moved.set()

    def _waiting(self) -> Iterator[Approval]:
        for state in list(self._core.journal.projection.states.values()):
            if not state.run.state.terminal:
                for approval in state.approvals.values():
                    if approval.state is ApprovalState.PENDING and approval.deadline is not None:
                        yield approval

    async def _run(self) -> None:
        while True:
            self._moved.clear()
            now = self._core.clock.now()
            late = [approval for approval in self._waiting() if overdue(approval, now)]
            well = [await self._time_out(approval) for approval in late]
            await self._wait(all(well))

    async def _time_out(self, approval: Approval) -> bool:
        try:
            await self._decider.time_out(approval.run_id, approval.approval_id)
        except LongwatchError as error:  # the run is over, or the disk is full: looked at again
            _log.warning("approval %s could not time out: %s", approval.approval_id, error)
            return False
        return True

    async def _wait(self, well: bool) -> None:
        """Until the next deadline, or until something with one is asked."""
        ends = [approval.deadline for approval in self._waiting() if approval.deadline]
        moved: asyncio.Task[object] = asyncio.create_task(self._moved.wait())
        tasks: set[asyncio.Task[object]] = {moved}
        if ends:
            left = (min(ends) - self._core.clock.now()).total_seconds()
            least = _LEAST_SECONDS if well else _PATIENCE_SECONDS
            seconds = min(max(left, least), _MOST_SECONDS)
            tasks.add(asyncio.create_task(self._core.clock.sleep(seconds)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
