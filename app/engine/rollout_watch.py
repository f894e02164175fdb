"""The watch over rollouts: comparisons made, steps taken or held, candidates rolled back.

It acts on committed events only, and again after a restart from the same state.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

from app.domain import events as ev
from app.domain import rollout_events as rev
from app.domain.errors import Refused, StoreError
from app.domain.events import Event
from app.domain.promotion import Advance, GoBack, Hold, next_move, step_ends
from app.domain.rollout import Rollout
from app.domain.session import Chunk
from app.engine.core import Core
from app.engine.rollouts import Rollouts
from app.engine.shadowing import WATCH, Shadowing

_log = logging.getLogger(__name__)
# What can end a shadow run, or change what is known of a path.
_TELLING = (
    *rev.OF_THE_STORE,
    ev.RunStateChanged,
    ev.ApprovalRequested,
    ev.ReviewOpened,
    ev.ReviewEscalated,
    ev.VerdictGiven,
    ev.QuestionAsked,
)
_LEAST_SECONDS = 0.05  # between two looks at a step whose bake time ends


class RolloutWatch:
    """One task that looks whenever something was committed, and when a bake time is over."""

    def __init__(self, core: Core, rollouts: Rollouts, shadowing: Shadowing) -> None:
        self._core = core
        self._rollouts = rollouts
        self._shadowing = shadowing
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stop: Callable[[], None] = lambda: None

    def start(self) -> None:
        self._stop = self._core.journal.listen(self._committed)
        self._moved.set()
        self._task = asyncio.create_task(self._run(), name="rollout watch")

    async def close(self) -> None:
        self._stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _committed(self, events: Sequence[Event], chunks: Sequence[Chunk]) -> None:
        if self._core.journal.projection.rollouts and any(
            isinstance(event.payload, _TELLING) for event in events
        ):
            self._moved.set()

    async def _run(self) -> None:
        while True:
            await self._wait()
            self._moved.clear()
            for rollout in list(self._core.journal.projection.rollouts.values()):
                try:
                    await self._look(rollout)
                except StoreError as error:
                    _log.error("rollout %s stands still: %s", rollout.name, error)
                except Exception:
                    # A defect in one rollout must not blind the watch over the others.
                    _log.exception("rollout %s: defect", rollout.name)

    async def _wait(self) -> None:
        """Until something has moved, or the next bake time is over."""
        ends = self._next_end()
        if ends is None:
            await self._moved.wait()
            return
        seconds = max((ends - self._core.clock.now()).total_seconds(), _LEAST_SECONDS)
        moved = asyncio.create_task(self._moved.wait())
        slept = asyncio.create_task(self._core.clock.sleep(seconds))
        try:
            await asyncio.wait({moved, slept}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (moved, slept):
                task.cancel()
            await asyncio.gather(moved, slept, return_exceptions=True)

    def _next_end(self) -> datetime | None:
        rollouts = self._core.journal.projection.rollouts.values()
        ends = [step_ends(rollout) for rollout in rollouts if not rollout.held]
        return min((end for end in ends if end is not None), default=None)

    async def _look(self, rollout: Rollout) -> None:
        await self._core.settle()  # nothing is decided that a crash would take back
        await self._shadowing.settle(rollout)
        rollout = self._core.journal.projection.rollouts[rollout.rollout_id]
        with suppress(Refused):  # somebody was quicker: it is looked at again
            match next_move(rollout, self._core.clock.now()):
                case GoBack(why=why):
                    await self._rollouts.roll_back(rollout.rollout_id, why, WATCH)
                case Hold(why=why):
                    await self._rollouts.hold(rollout, why, WATCH)
                case Advance(why=why):
                    await self._rollouts.advance(rollout, why, WATCH)
