"""A task beside what somebody is doing, for as long as that lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class BackgroundTask:
    """Begun in the loop's next turn: what is over at once costs no task."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None
        self._begin = asyncio.get_running_loop().call_soon(self._start)

    def _start(self) -> None:
        self._task = asyncio.create_task(self._work())

    async def end(self) -> None:
        """Cancel it and wait for its end; what it raised is dropped."""
        self._begin.cancel()
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
