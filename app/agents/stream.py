"""The events of one turn on their way from the reading task to whoever iterates the prompt."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Iterable

from app.agents.protocol import AgentEvent, TurnDone


class EventStream:
    """A queue that slows its writer: a reader that stands still stops the agent at its pipe
    instead of filling memory."""

    def __init__(self, limit: int = 2048) -> None:
        self._events: deque[AgentEvent] = deque()
        self._limit = limit
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._abandoned = self._over = False

    def push(self, events: Iterable[AgentEvent]) -> None:
        """Add events at once, past the limit if need be."""
        if self._abandoned:
            return
        self._events.extend(events)
        if self._events:
            self._readable.set()
        if len(self._events) >= self._limit:
            self._writable.clear()

    def widen(self) -> None:
        """From now on never slow the writer."""
        self._limit = sys.maxsize
        self._writable.set()

    async def room(self) -> None:
        """Wait until the reader has taken enough."""
        await self._writable.wait()

    def __aiter__(self) -> EventStream:
        """The turn's events as they come; the last is its TurnDone."""
        return self

    async def __anext__(self) -> AgentEvent:
        if self._over:
            raise StopAsyncIteration
        await self._readable.wait()
        event = self._events.popleft()
        if not self._events:
            self._readable.clear()
        if len(self._events) < self._limit // 2:
            self._writable.set()
        self._over = isinstance(event, TurnDone)
        return event

    def abandon(self) -> None:
        """Nobody reads any more: drop what is there and what comes."""
        self._abandoned = True
        self._events.clear()
        self._writable.set()
