"""Waiting in tests for something that has no event of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import ModuleType

import pytest

# Seconds after which what is waited for is taken for hanging. It costs nothing while all goes
# well, so it is far longer than anything takes on a machine that is busy with something else.
PATIENCE = 300.0


async def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return once the condition holds; TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 -- there is nothing else to wait on
            await asyncio.sleep(0.01)


class Limits:
    """The time-outs of one module of the product: they run out when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> None:
        self._made: list[asyncio.Timeout] = []
        own = ModuleType("asyncio")
        vars(own).update(vars(asyncio))
        own.timeout = self._timeout  # type: ignore[attr-defined]
        monkeypatch.setattr(module, "asyncio", own)

    def _timeout(self, seconds: float) -> asyncio.Timeout:
        self._made.append(asyncio.timeout(None))
        return self._made[-1]

    async def run_out(self, condition: Callable[[], object]) -> None:
        """Time is over for what waits, once there is such a thing and the condition holds."""
        await until(lambda: self._made and condition())
        for made in self._made:
            made.reschedule(asyncio.get_running_loop().time())
