"""What a followed run waits for a person with: said at once, again while it lasts, and not for
longer than was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from datetime import UTC, datetime, timedelta

from app.cli.output import note
from app.cli.waiting import answer
from app.domain.attention import AttentionItem
from app.domain.base import RunId
from app.domain.text import spell

_AGAIN = (60.0, 300.0, 900.0, 3600.0)  # seconds; after that, each time as long again


class Awaited:
    """Keeps account of what is unanswered. Time counts from when it was first seen here."""

    def __init__(self, run_id: RunId, most: float | None) -> None:
        self._run_id, self._most = run_id, most
        self._open: dict[Hashable, tuple[AttentionItem, float]] = {}
        self._changed = asyncio.Event()
        self._told_how_to_end = False

    def put(self, key: Hashable, item: AttentionItem) -> None:
        """Something waits that nobody here answers: say so, and how a person can."""
        self._open[key] = (item, _now())
        self._changed.set()
        end = "" if self._told_how_to_end else f"\n    longwatch cancel {self._run_id}  (ends it)"
        self._told_how_to_end = True
        note(f"waits for you: {answer(item)}{end}")

    def keep(self, keys: Sequence[Hashable]) -> None:
        """What does not wait any more is forgotten."""
        for key in self._open.keys() - set(keys):
            del self._open[key]
            self._changed.set()

    async def too_long(self) -> None:
        """Until something has waited for longer than it may; says from time to time that it still
        does."""
        said = 0.0
        while True:
            self._changed.clear()
            began = min((since for _, since in self._open.values()), default=None)
            if began is None:
                said = 0.0
                await self._changed.wait()
                continue
            waited = _now() - began
            if self._most is not None and waited >= self._most:
                if self._most:
                    note(f"nobody has answered within {spell(timedelta(seconds=self._most))}")
                return
            due = _next(said)
            if waited >= due:
                said = waited
                self._say_again()
                continue
            left = due - waited if self._most is None else min(due, self._most) - waited
            await _wait(self._changed, left)

    def _say_again(self) -> None:
        now = datetime.now(UTC)
        for item, _ in self._open.values():
            waited = timedelta(seconds=round((now - item.since).total_seconds()))
            note(f"still waits for you, since {spell(waited)}: {answer(item)}")


def _now() -> float:
    return asyncio.get_running_loop().time()


def _next(said: float) -> float:
    """How long it has waited when it is said the next time."""
    return next((at for at in _AGAIN if at > said), said + _AGAIN[-1])


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
