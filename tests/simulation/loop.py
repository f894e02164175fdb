"""An event loop in which time is virtual and the order of what is ready comes from a seed.

It has no selector and no threads: what would go to a thread is called in the loop itself, some
virtual time later.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

MAX_STEPS = 400_000  # callbacks; a schedule has some ten thousand


class StandStill(AssertionError):
    """Nothing is ready, and nothing ever will be."""


class Runaway(AssertionError):
    """Callbacks without end."""


class SimLoop(asyncio.BaseEventLoop):
    """`disorder` is the part of callbacks, 0 to 1, that run out of the order they came in."""

    # Of asyncio's own loop, not in its stubs; the same from Python 3.8 to 3.14.
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _stopping: bool

    def __init__(self, chance: Random, disorder: float, now: float = 0.0) -> None:
        super().__init__()
        self._chance = chance
        self._disorder = disorder
        self._now = now
        self._outside: deque[asyncio.Handle] = deque()
        self.steps = 0
        self.before_step: Callable[[], None] = lambda: None

    def time(self) -> float:
        return self._now

    def _process_events(self, event_list: Any) -> None:
        raise AssertionError("there is no selector")

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector that would have to be woken."""

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """What comes from outside keeps its order, whatever it is mixed with."""
        handle = asyncio.Handle(callback, args, self, context)
        self._outside.append(handle)
        self.call_soon(self._from_outside)
        return handle

    def _from_outside(self) -> None:
        handle = self._outside.popleft()
        if not handle.cancelled():
            handle._run()

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Call `func` in the loop after a while. As in a pool, what has been taken up runs to its
        end though nobody waits any more."""
        future = self.create_future()
        self.call_later(self._chance.uniform(0, 0.01), self._work, future, func, args)
        return future

    def _work(self, future: asyncio.Future[Any], func: Callable[..., Any], args: Any) -> None:
        if future.cancelled() and self._chance.random() < 0.5:
            return
        try:
            self.call_soon_threadsafe(self._deliver, future, func(*args), None)
        except Exception as error:
            self.call_soon_threadsafe(self._deliver, future, None, error)

    def _deliver(self, future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    def _run_once(self) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise Runaway(f"more than {MAX_STEPS} callbacks by second {self._now:.1f}")
        self.before_step()
        if self._stopping:
            return
        self._advance()
        handle = self._take()
        if not handle.cancelled():
            handle._run()

    def _advance(self) -> None:
        """Let time go to the next timer when there is nothing else to do."""
        timers = self._scheduled
        while timers and timers[0].cancelled():
            heapq.heappop(timers)._scheduled = False  # type: ignore[attr-defined]
        if not self._ready:
            if not timers:
                raise StandStill(f"nothing is left to happen at second {self._now:.1f}")
            self._now = max(self._now, timers[0].when())
        while timers and timers[0].when() <= self._now:
            timer = heapq.heappop(timers)
            timer._scheduled = False  # type: ignore[attr-defined]
            self._ready.append(timer)

    def _take(self) -> asyncio.Handle:
        place = 0
        if len(self._ready) > 1 and self._chance.random() < self._disorder:
            place = self._chance.randrange(len(self._ready))
        handle = self._ready[place]
        del self._ready[place]
        return handle

    def drive(self, main: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run until `main` is done or somebody stops the loop; its task."""
        task = self.create_task(main, name="main")
        task.add_done_callback(lambda _: self.stop())
        self.run_forever()
        return task

    def abandon(self) -> list[str]:
        """End all tasks as if the machine were off; the names of those that do not end.

        Time stands still meanwhile, so that only what is cancelled moves.
        """
        self.before_step = lambda: None
        for _ in range(100):
            tasks = [task for task in asyncio.all_tasks(self) if not task.done()]
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            self.call_soon(self.stop)
            self._disorder = 0.0
            self.run_forever()
        left = [task for task in asyncio.all_tasks(self) if not task.done()]
        for task in left:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._scheduled.clear()
        self._ready.clear()
        self.close()
        return [task.get_name() for task in left]
