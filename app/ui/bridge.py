"""The bridge: takes the feed in, and tells the screen what changed a few times a second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import cast

from app.domain.errors import LongwatchError
from app.domain.feed import Ended, FeedItem, Snapshot
from app.link.client import Client
from app.ui.view import Changes, View

Connect = Callable[[], Awaitable[Client]]

FLUSHES_PER_SECOND = 15
SLICE = 0.004  # seconds of feed that are taken in before keys get their turn
STOPPED = "the supervisor in this window was stopped: press q, and start longwatch again"
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between attempts to connect again


class Bridge:
    """Keeps a view in step with a supervisor; `run` is a task that its owner cancels.

    While nothing happens nothing wakes: there is no timer but the one of a pending flush.
    """

    def __init__(
        self,
        view: View,
        connect: Connect,
        *,
        changed: Callable[[Changes], None],
        reconnect: Connect | None = None,
    ) -> None:
        self.view = view
        self.client: Client | None = None
        self.lost = ""  # why there is no feed at the moment; empty while there is
        self.ready = asyncio.Event()  # the first snapshot is in the view
        self._connect = connect
        self._reconnect = reconnect
        self._changed = changed
        # What lies between two attempts to connect; a test says when that is over.
        self.pause: Callable[[float], Awaitable[None]] = asyncio.sleep
        self._pending = Changes()
        self._flush_at = 0.0
        self._flush: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Connect, follow the feed, and come back after every loss until cancelled.

        A feed that ends is asked for again; a client whose feed does not begin is replaced by a
        new connection. Returns only when the supervisor of this process was stopped.

        Raises LongwatchError when the first connection fails: then there is nothing to show.
        """
        try:
            self.client = await self._connect()
            failures, no_other = 0, ""
            while True:
                why, began = await self._follow(self.client)
                failures = 0 if began else failures + 1
                if not began and not self._may_come_back:
                    self._lose(STOPPED)
                    return
                # What is in the way of a new connection tells more than that the old one is gone.
                lost = "" if began else no_other
                self._lose(lost or f"connection lost ({why}), trying again")
                await self.pause(PAUSES[min(failures, len(PAUSES) - 1)])
                if not began:
                    no_other = await self._again()
        finally:
            if self._flush is not None:
                self._flush.cancel()

    @property
    def hosts(self) -> bool:
        """Whether the supervisor lives in this process, so that it ends with the client."""
        return bool(getattr(self.client, "hosts", False))

    @property
    def _may_come_back(self) -> bool:
        """A supervisor that was stopped in this process is not started again behind one's back."""
        return self._reconnect is not None or not self.hosts

    async def _follow(self, client: Client) -> tuple[str, bool]:
        """Take one feed in to its end: why it ended, and whether it had begun."""
        began = False
        loop = asyncio.get_running_loop()
        started = loop.time()
        feed = cast("AsyncGenerator[FeedItem, None]", client.feed())
        try:
            async with aclosing(feed):
                async for item in feed:
                    if isinstance(item, Snapshot):
                        began = True
                        self.lost = ""
                    self._take(item)
                    if isinstance(item, Ended):
                        return item.why, began
                    if loop.time() - started > SLICE:
                        # A busy feed never waits by itself: let keys and drawing in between.
                        await asyncio.sleep(0)
                        started = loop.time()
        except (LongwatchError, OSError) as error:
            return str(error), began
        return "the feed ended", began

    def _take(self, item: FeedItem) -> None:
        self._pending |= self.view.apply(item)
        if isinstance(item, Snapshot):
            self.ready.set()
        if self._pending and self._flush is None:
            loop = asyncio.get_running_loop()
            wait = max(0.0, self._flush_at - loop.time())
            self._flush = loop.call_later(wait, self._tell)

    def _tell(self) -> None:
        self._flush = None
        self._flush_at = asyncio.get_running_loop().time() + 1 / FLUSHES_PER_SECOND
        changes, self._pending = self._pending, Changes()
        self._changed(changes)

    def _lose(self, why: str) -> None:
        self.lost = why
        self._changed(Changes(status=True))

    async def _again(self) -> str:
        """Try to reach a supervisor anew; why that did not work, for the banner. The old client is
        let go of once it did."""
        before = self.client
        try:
            self.client = await (self._reconnect or self._connect)()
        except (LongwatchError, OSError) as error:
            return f"{error}; trying again"
        if before is not None and before is not self.client:
            await before.close()
        return ""

    async def close(self) -> None:
        """Let go of the supervisor; the host's own client stops it."""
        if self.client is not None:
            client, self.client = self.client, None
            await client.close()
