"""A clock that a test moves by hand: nothing is ever too early or too late by it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from tests.support.waiting import until


class HandClock:
    """Stands still until it is moved; who sleeps by it wakes when it has come so far."""

    def __init__(self) -> None:
        self._since = datetime.now(UTC)
        self._gone = 0.0
        self._sleeping: list[tuple[float, asyncio.Event]] = []

    def now(self) -> datetime:
        return self._since + timedelta(seconds=self._gone)

    def monotonic(self) -> float:
        return 1_000.0 + self._gone

    async def sleep(self, seconds: float) -> None:
        entry = (self._gone + seconds, asyncio.Event())
        self._sleeping.append(entry)
        try:
            await entry[1].wait()
        finally:
            self._sleeping.remove(entry)

    def move(self, seconds: float) -> None:
        """Let so much time pass at once."""
        self._reach(self._gone + seconds)

    async def next(self, times: int = 1) -> None:
        """Let time pass until the first who sleeps wakes; so many times, when all sleep again."""
        for _ in range(times):
            await self.all_asleep()
            self._reach(min(when for when, _ in self._sleeping))

    async def all_asleep(self) -> None:
        """Until somebody sleeps, and nobody is about to wake."""
        await until(self._all_asleep)

    def _reach(self, seconds: float) -> None:
        self._gone = seconds
        for when, wake in self._sleeping:
            if when <= seconds:
                wake.set()

    def _all_asleep(self) -> bool:
        return bool(self._sleeping) and not any(wake.is_set() for _, wake in self._sleeping)
