"""The world outside of the supervisor: what survives when the machine goes off, and the switch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from app.domain.errors import LongwatchError

_START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Cut(BaseException):
    """The machine is off: nothing that runs after this instant has an effect."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How often things go wrong; each a probability."""

    store: float = 0.0  # of one statement
    agent: float = 0.0  # of one turn
    slow: float = 0.0  # of one pause of an agent
    git: float = 0.0  # of one git operation
    gate: float = 0.0  # of one evaluation
    operator: float = 0.0  # of answering other than the run needs to go on
    clock: float = 0.0  # of the wall clock jumping, per look at it


@dataclass
class World:
    """Shared by the lives of a schedule. `alive` says whether the machine is on."""

    seed: int
    alive: bool = False
    faults: Faults = Faults()
    violations: list[str] = field(default_factory=list)
    fuse: int | None = None  # how many boundaries are left until the machine goes off
    life: int = 0
    now: float = 0.0  # seconds of all lives so far
    skew: timedelta = timedelta()
    boundaries: int = 0
    stop: Callable[[], None] = lambda: None
    _ids: int = 0
    _chances: dict[str, Random] = field(default_factory=dict)

    def chance(self, name: str) -> Random:
        """A stream of its own for each use and life, so that one does not move another."""
        key = f"{self.seed}/{self.life}/{name}"
        if key not in self._chances:
            self._chances[key] = Random(key)
        return self._chances[key]

    def happens(self, name: str, probability: float) -> bool:
        return probability > 0 and self.chance(name).random() < probability

    def boundary(self) -> None:
        """An instant at which the machine may go off: before and after every effect."""
        if not self.alive:
            raise asyncio.CancelledError
        self.boundaries += 1
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse <= 0:
                self.cut()
                raise Cut

    def cut(self) -> None:
        self.alive = False
        self.stop()

    def violate(self, what: str) -> None:
        """An invariant does not hold: note it and end the schedule."""
        self.violations.append(what)
        self.cut()

    def new_id(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}-{self._ids:05d}"


class SimClock:
    """The loop's time; the wall clock beside it can be set by somebody, both ways."""

    def __init__(self, world: World, loop: asyncio.AbstractEventLoop) -> None:
        self._world = world
        self._loop = loop

    def now(self) -> datetime:
        world = self._world
        if world.happens("clock", world.faults.clock):
            world.skew += timedelta(seconds=world.chance("clock").uniform(-7200, 7200))
        return _START + timedelta(seconds=self._loop.time()) + world.skew

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SimIds:
    """Ids in order; a crash does not make one come again."""

    def __init__(self, world: World) -> None:
        self._world = world

    def new(self, prefix: str) -> str:
        return self._world.new_id(prefix)


class Misfortune(LongwatchError):
    """Something outside went wrong, as it may."""
