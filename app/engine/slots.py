"""Slots: how many agents may be at work at once, in the store, for a workflow, of one agent.

Fair between runs: a free slot goes to the run that holds the fewest, then to who has waited
longest. Who waits for a person holds none; going on after the answer never waits, so for that
moment there may be more at work than the limit.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Mapping

from msgspec import Struct

from app.domain.base import RunId
from app.domain.errors import ConfigError

LIMIT_VARIABLE = "LONGWATCH_MAX_PARALLEL"
_DEFAULT_LIMIT = 32


def limit_of_the_store() -> int:
    """How many agents may be at work at once in one store; the environment may say otherwise.

    Raises ConfigError for a value that is no such number.
    """
    named = os.environ.get(LIMIT_VARIABLE, "").strip()
    if not named:
        return _DEFAULT_LIMIT
    if not named.isdecimal() or not 1 <= int(named) <= 10_000:
        raise ConfigError(
            f"{LIMIT_VARIABLE} = {named!r}: how many agents may be at work at once is a whole "
            "number from 1 to 10000"
        )
    return int(named)


class _Waiting(Struct, frozen=True, eq=False):
    run_id: RunId
    limits: Mapping[str, int]
    turn: asyncio.Future[None]


class Slot:
    """One agent's right to be at work, for as long as its block lasts."""

    __slots__ = ("_held", "_limits", "_run_id", "_slots")

    def __init__(self, slots: Slots, run_id: RunId, limits: Mapping[str, int]) -> None:
        self._slots = slots
        self._run_id = run_id
        self._limits = limits
        self._held = False

    def taken_at_once(self) -> bool:
        """Take it for the block that follows; False when that has to wait for it."""
        self._held = self._slots.taken_at_once(self._run_id, self._limits)
        return self._held

    async def __aenter__(self) -> Slot:
        if not self._held and not self.taken_at_once():
            await self._slots.wait(self._run_id, self._limits)
            self._held = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.pause()

    def pause(self) -> None:
        """It waits for a person: others may go on meanwhile."""
        if self._held:
            self._held = False
            self._slots.give_back(self._run_id, self._limits)

    def resume(self) -> None:
        """The person has answered."""
        if not self._held:
            self._held = True
            self._slots.take(self._run_id, self._limits)


class Slots:
    """Counts what is at work under each limit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._at_work = 0
        # Not Counters: to change a count in one takes ten times as long.
        self._used: defaultdict[str, int] = defaultdict(int)
        self._held: defaultdict[RunId, int] = defaultdict(int)
        self._waiting: list[_Waiting] = []

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return len(self._waiting)

    def slot(self, run_id: RunId, limits: Mapping[str, int]) -> Slot:
        """A block that waits for a slot under every limit (0: none) and under the store's, and
        holds it meanwhile."""
        return Slot(self, run_id, limits)

    def taken_at_once(self, run_id: RunId, limits: Mapping[str, int]) -> bool:
        """Take a slot if there is one under every limit and nobody waits for one."""
        if self._waiting or not self._free(limits):
            return False
        self.take(run_id, limits)
        return True

    async def wait(self, run_id: RunId, limits: Mapping[str, int]) -> None:
        """Take a slot, as soon as it is its turn and there is one under every limit."""
        waiting = _Waiting(run_id, limits, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._hand_out()
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            elif waiting.turn.done() and not waiting.turn.cancelled():
                self.give_back(run_id, limits)
            raise

    def _free(self, limits: Mapping[str, int]) -> bool:
        if self.limit and self._at_work >= self.limit:
            return False
        return not any(limit and self._used[key] >= limit for key, limit in limits.items())

    def take(self, run_id: RunId, limits: Mapping[str, int]) -> None:
        self._at_work += 1
        for key in limits:
            self._used[key] += 1
        self._held[run_id] += 1

    def give_back(self, run_id: RunId, limits: Mapping[str, int]) -> None:
        self._at_work -= 1
        for key in limits:
            self._used[key] -= 1
        self._held[run_id] -= 1
        if not self._held[run_id]:
            del self._held[run_id]
        if self._waiting:
            self._hand_out()

    def _hand_out(self) -> None:
        while True:
            # One that was canceled this instant is still in the list, but will not take its turn.
            waiting = [w for w in self._waiting if not w.turn.done()]
            ready = [w for w in waiting if self._free(w.limits)]
            if not ready:
                return
            following = min(ready, key=lambda w: self._held[w.run_id])
            self._waiting.remove(following)
            self.take(following.run_id, following.limits)
            following.turn.set_result(None)
