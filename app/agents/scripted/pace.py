"""Pacing: how fast a scripted agent talks."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable, Iterator

Sleep = Callable[[float], Awaitable[None]]

_WORD = re.compile(r"\s*\S+\s*|\s+")
_PIECES = (2, 3, 1, 4, 2, 1, 3)  # words in a piece, as uneven as a model's stream
_TOO_SHORT = 0.001  # seconds that are not worth a timer


def pieces(text: str) -> Iterator[tuple[str, int]]:
    """`text` in pieces of a few words, each with its number of words; joined they are `text`."""
    words = _WORD.findall(text)
    sizes, at = itertools.cycle(_PIECES), 0
    while at < len(words):
        part = words[at : at + next(sizes)]
        yield "".join(part), len(part)
        at += len(part)


class Pace:
    """Waiting, at a speed (2 = twice as fast)."""

    def __init__(self, speed: float, sleep: Sleep) -> None:
        self._speed = speed
        self._sleep = sleep

    async def pause(self, seconds: float) -> None:
        """Wait `seconds` at speed 1; always lets others run."""
        scaled = seconds / self._speed
        if scaled >= _TOO_SHORT:
            await self._sleep(scaled)
        else:
            await asyncio.sleep(0)
