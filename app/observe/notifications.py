"""Notifications: somebody is called for what waits for a person and nobody has seen.

One task that looks whenever something may have begun to wait, and when a time is over. It gets
all that it needs of the engine handed in, and nothing of the engine waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from app.domain import events as ev
from app.domain import rollout_events as rev
from app.domain.attention import urgency
from app.domain.base import Clock
from app.domain.events import Event
from app.domain.feed import Status
from app.domain.notify import NotifySection
from app.domain.seen import Call, Sighting, Waiting, call_for
from app.domain.session import Chunk
from app.observe.unseen import Found, Unseen, Watched

_log = logging.getLogger(__name__)
_GATHER_SECONDS = 0.1  # what begins to wait within so long is looked at together
_LEAST_SECONDS = 0.01
# What can begin to wait for a person with one of these, or cease to.
_TELLING: frozenset[type] = frozenset(
    [
        *rev.OF_THE_STORE,
        ev.ApprovalRequested,
        ev.ApprovalUncertain,
        ev.ApprovalEdited,
        ev.AttemptBlocked,
        ev.AttemptReleased,
        ev.AttemptSkipped,
        ev.QuestionAsked,
        ev.ReviewEscalated,
        ev.ReviewOpened,
        ev.RunStateChanged,
        ev.SessionMoving,
        ev.SessionStuck,
        ev.VerdictGiven,
    ]
)

Find = Callable[[], Iterable[Found]]
Settings = Callable[[str], Awaitable[NotifySection | None]]
Ring = Callable[[NotifySection, Call], Awaitable[str]]


class Notifications:
    """Who has seen what; and the calls, never more than one at a time."""

    def __init__(
        self,
        clock: Clock,
        find: Find,
        settings: Settings,
        ring: Ring,
        changed: Callable[[], None],
    ) -> None:
        """`find` gives what waits, `settings` the `[notify]` of a project as its file is now,
        `ring` starts the command and returns what went wrong; `changed` is told of `problem`."""
        self._clock, self._find = clock, find
        self._settings, self._ring, self._changed = settings, ring, changed
        self._unseen = Unseen()
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ringing: asyncio.Task[None] | None = None  # the one command that is under way
        self.problem = ""  # why nobody could be called the last time, for a banner

    def start(self) -> None:
        self._moved.set()
        self._task = asyncio.create_task(self._run(), name="notifications")

    async def close(self) -> None:
        """Nobody is called any more; a command that is under way is ended."""
        for task in (self._task, self._ringing):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])

    def committed(self, events: Sequence[Event], chunks: Sequence[Chunk]) -> None:
        """What has just come to the disk."""
        if not _TELLING.isdisjoint([type(event.payload) for event in events]):
            self._moved.set()

    # -- who has seen what

    def _look(self) -> float:
        now = self._clock.monotonic()
        self._unseen.update(self._find(), now)
        return now

    def mark(self, sightings: Sequence[Sighting]) -> None:
        """A screen has painted these, or a command has listed them."""
        self._look()
        self._unseen.mark(sightings)

    def waiting(self) -> list[Waiting]:
        """All that waits for a person now, without what was put off."""
        now = self._look()
        return [one.shown(now) for one in self._unseen.waiting]

    def tell(self, status: Status) -> Status:
        """The status with how many wait, and how many nobody has seen."""
        waiting = self.waiting()
        unseen = [one.seconds for one in waiting if not one.seen]
        return status.model_copy(
            update={
                "waiting": len(waiting),
                "unseen": len(unseen),
                "unseen_seconds": round(max(unseen, default=0.0), 3),
                "problem": status.problem or self.problem,
            }
        )

    # -- calling somebody

    async def _run(self) -> None:
        while True:
            self._moved.clear()
            try:
                left = await self._call_for_what_is_due()
            except Exception:
                # A defect here must not end the watch; the next change is looked at again.
                _log.exception("notifications: defect")
                left = None
            await self._wait(left)

    async def _wait(self, seconds: float | None) -> None:
        """Until something has moved, or so many seconds (None: no time) are over."""
        moved: asyncio.Task[object] = asyncio.create_task(self._moved.wait())
        tasks = {moved}
        if seconds is not None:
            tasks.add(asyncio.create_task(self._clock.sleep(max(seconds, _LEAST_SECONDS))))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if moved in done:
            await asyncio.sleep(_GATHER_SECONDS)

    async def _call_for_what_is_due(self) -> float | None:
        """Call for every project where it is time; the seconds until it is time for the next."""
        self._look()
        if self._ringing is not None and not self._ringing.done():
            return None  # its end is told
        times = list[float]()
        for project in dict.fromkeys(one.project for one in self._unseen.unseen):
            section = await self._settings(project)
            if section is not None:
                if self._begin_call(project, section):
                    return None
                times += [_due(one, section) for one in self._calling(project, section)]
        soonest = min(times, default=float("inf"))
        return None if soonest == float("inf") else soonest - self._clock.monotonic()

    def _calling(self, project: str, section: NotifySection) -> list[Watched]:
        return [
            one
            for one in self._unseen.unseen
            if one.project == project and section.wants(one.item.risk)
        ]

    def _begin_call(self, project: str, section: NotifySection) -> bool:
        """Whether it was time: then one call for all of it that is unseen is under way."""
        now = self._look()
        calling = self._calling(project, section)
        if all(_due(one, section) > now for one in calling):
            return False
        for one in calling:
            one.called = now
        calling.sort(key=lambda one: urgency(one.item))
        call = call_for(project, [one.shown(now) for one in calling])
        self._ringing = asyncio.create_task(self._call(section, call), name="notify command")
        self._ringing.add_done_callback(lambda _: self._moved.set())
        return True

    async def _call(self, section: NotifySection, call: Call) -> None:
        try:
            problem = await self._ring(section, call)
        except Exception:
            _log.exception("notifications: defect")
            problem = "the notify command could not be started; the log says more"
        if problem:
            _log.warning("nobody could be called: %s", problem)
        if problem != self.problem:
            self.problem = problem
            self._changed()


def _due(one: Watched, section: NotifySection) -> float:
    """When somebody is to be called for it, in monotonic seconds."""
    if one.called is None:
        return one.noticed + section.after_seconds
    return one.called + section.again_seconds if section.again_seconds else float("inf")
