"""Programs for the benchmark of the screens: `python -m tests.benchmarks.pane_apps NAME RATE`.

Each shows eight panes that get RATE lines a second altogether, and answers every key with a
new number in its top line, which is how a key's way to the screen is timed from outside.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from itertools import count

from textual.app import App, ComposeResult
from textual.containers import Container
from textual.events import Key
from textual.widgets import RichLog, Static

from app.domain.base import SessionId
from app.domain.feed import Streamed
from app.domain.session import Chunk, ChunkKind
from app.ui.bridge import Bridge
from app.ui.view import Changes, View
from app.ui.widgets.tail import TailView
from tests.ui.fakes import FakeClient
from tests.ui.parts import NOW

PANES = 8
STEP = 0.01  # seconds between two arrivals
TEXT = "the quick brown fox jumps over the lazy dog and 漢字 again: "
KINDS = [ChunkKind.MESSAGE, ChunkKind.OUTPUT, ChunkKind.THOUGHT, ChunkKind.TOOL]


class Panes(App[None]):
    """Eight panes under a line that counts keys."""

    CSS = """
    Static { height: 1; }
    Container { layout: grid; grid-size: 2 4; }
    """

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.rate = rate
        self.keys = 0

    def compose(self) -> ComposeResult:
        yield Static("begin", markup=False)
        with Container():
            yield from self.panes()

    def panes(self) -> Iterator[TailView | RichLog]:
        raise NotImplementedError

    def on_ready(self) -> None:
        self.run_worker(self.feed_panes())

    async def feed_panes(self) -> None:
        raise NotImplementedError

    def on_key(self, event: Key) -> None:
        self.keys += 1
        self.query_one(Static).update(f"key<{self.keys}>")

    async def arrivals(self) -> AsyncIterator[list[int]]:
        """Numbers of the lines that have come by now, at a steady rate whatever the load."""
        loop = asyncio.get_running_loop()
        begin, sent = loop.time(), 0
        while True:
            due = int((loop.time() - begin) * self.rate)
            yield list(range(sent, due))
            sent = due
            await asyncio.sleep(STEP)


class Tails(Panes):
    """Ours: feed, bridge, view, and tails that draw lines."""

    def panes(self) -> Iterator[TailView]:
        return (TailView(id=f"pane-{n}") for n in range(PANES))

    async def feed_panes(self) -> None:
        self.view = View()
        self.views = list(self.query(TailView))
        for number, pane in enumerate(self.views):
            pane.show(self.view.tail(SessionId(f"s-{number}")))
        client = FakeClient()
        bridge = Bridge(self.view, lambda: _ready(client), changed=self.changed)
        self.run_worker(bridge.run())
        ordinals = [count(1) for _ in range(PANES)]
        async for numbers in self.arrivals():
            chunks = tuple(_chunk(number, ordinals) for number in numbers)
            client.push(Streamed(chunks=chunks))

    def changed(self, changes: Changes) -> None:
        for number, pane in enumerate(self.views):
            if SessionId(f"s-{number}") in changes.sessions:
                pane.moved()


async def _ready(client: FakeClient) -> FakeClient:
    return client


def _chunk(number: int, ordinals: list[count[int]]) -> Chunk:
    pane = number % PANES
    return Chunk(
        session_id=SessionId(f"s-{pane}"),
        ordinal=next(ordinals[pane]),
        kind=KINDS[number // 200 % len(KINDS)],
        item_id=f"i{number}",
        text=f"{number} {TEXT}{number}",
        end=True,
        at=NOW,
    )


class Logs(Panes):
    """The stock RichLog, a line at a time."""

    def panes(self) -> Iterator[RichLog]:
        return (RichLog(max_lines=5_000, markup=False, wrap=True) for _ in range(PANES))

    async def feed_panes(self) -> None:
        logs = list(self.query(RichLog))
        async for numbers in self.arrivals():
            for number in numbers:
                logs[number % PANES].write(f"{number} {TEXT}{number}")


class Batched(Logs):
    """The stock RichLog, all that came in a fifteenth of a second in one text."""

    async def feed_panes(self) -> None:
        logs = list(self.query(RichLog))
        waiting: list[list[str]] = [[] for _ in range(PANES)]
        last = 0.0
        loop = asyncio.get_running_loop()
        async for numbers in self.arrivals():
            for number in numbers:
                waiting[number % PANES].append(f"{number} {TEXT}{number}")
            if loop.time() - last >= 1 / 15:
                last = loop.time()
                for log, lines in zip(logs, waiting, strict=True):
                    if lines:
                        log.write("\n".join(lines))
                        lines.clear()


APPS: dict[str, type[Panes]] = {"tails": Tails, "richlog": Logs, "richlog-batched": Batched}

if __name__ == "__main__":
    APPS[sys.argv[1]](int(sys.argv[2])).run()
