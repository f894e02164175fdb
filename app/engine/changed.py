"""Whether something has moved since who waits for it has looked last."""

from __future__ import annotations

import asyncio


class Changed:
    """As asyncio.Event for one waiter, but who waits is woken a moment later: a change that is
    seen by another way meanwhile, and cleared, wakes nobody."""

    def __init__(self) -> None:
        self._moved = False
        self._waiting: asyncio.Future[None] | None = None
        self._waking = False

    def set(self) -> None:
        self._moved = True
        if self._waiting is not None and not self._waking:
            self._waking = True
            self._waiting.get_loop().call_soon(self._wake)

    def clear(self) -> None:
        self._moved = False

    async def wait(self) -> None:
        """Until it is set."""
        if self._moved:
            return
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def _wake(self) -> None:
        self._waking = False
        waiting = self._waiting
        if self._moved and waiting is not None and not waiting.done():
            waiting.set_result(None)
