from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from app.domain.errors import StoreError
from app.domain.feed import Ended, FeedItem, StatusChanged, Streamed
from app.domain.session import Chunk, ChunkKind
from app.link.client import Client
from app.ui import bridge as module
from app.ui.bridge import FLUSHES_PER_SECOND, STOPPED, Bridge
from app.ui.view import Changes, View
from tests.support.waiting import PATIENCE, until
from tests.ui.canned import running_run
from tests.ui.fakes import FakeClient
from tests.ui.parts import NOW, make_status


class Harness:
    """A bridge over clients handed out one after the other, and what it told."""

    def __init__(self, *clients: FakeClient | StoreError) -> None:
        self.clients = list(clients)
        self.told: list[Changes] = []
        self.connects = 0
        self.bridge = Bridge(View(), self.connect, changed=self.told.append)

    async def connect(self) -> Client:
        self.connects += 1
        client = self.clients.pop(0)
        if isinstance(client, StoreError):
            raise client
        return client

    async def until(self, condition: Callable[[], object]) -> None:
        """Run the bridge until the condition holds, then stop it as its owner does."""
        task = asyncio.create_task(self.bridge.run())
        await until(condition)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSES", (0.01, 0.01))


class Mute(FakeClient):
    """A client whose supervisor is gone: its feed ends before it began."""

    async def feed(self) -> AsyncIterator[FeedItem]:
        self.feeds += 1
        yield Ended(why="the supervisor has gone")


class Hosting(Mute):
    hosts = True


def line(number: int) -> Chunk:
    session = next(iter(running_run().sessions))
    return Chunk(
        session_id=session, ordinal=number, kind=ChunkKind.OUTPUT, text=f"{number}\n", at=NOW
    )


async def test_a_flood_is_told_at_most_so_often() -> None:
    client = FakeClient(running_run())
    harness = Harness(client)

    async def flood() -> None:
        for number in range(1, 2001):
            client.push(Streamed(chunks=(line(number),)))
            if number % 40 == 0:
                await asyncio.sleep(0.01)

    session = next(iter(running_run().sessions))
    loop = asyncio.get_running_loop()
    began = loop.time()
    following = asyncio.create_task(harness.bridge.run())
    await flood()
    await until(lambda: harness.bridge.view.tail(session).last_ordinal == 2000)
    took = loop.time() - began  # a loaded machine may need long for it
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert 2 <= len(harness.told) <= took * FLUSHES_PER_SECOND + 2


async def test_the_first_change_after_quiet_is_told_at_once() -> None:
    client = FakeClient()
    harness = Harness(client)
    task = asyncio.create_task(harness.bridge.run())
    await harness.bridge.ready.wait()
    await asyncio.sleep(0.1)
    before = len(harness.told)
    client.push(StatusChanged(status=make_status("disk full")))
    for _ in range(5):  # turns of the loop, however long they take
        await asyncio.sleep(0)
    assert harness.told[before:] == [Changes(status=True)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_idle_means_no_timer() -> None:
    harness = Harness(FakeClient(running_run()))
    task = asyncio.create_task(harness.bridge.run())
    await harness.bridge.ready.wait()
    await asyncio.sleep(0.1)
    loop = asyncio.get_running_loop()
    pending = [handle for handle in vars(loop)["_scheduled"] if not handle.cancelled()]
    assert pending == []
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_feed_that_ends_is_asked_for_again() -> None:
    client = FakeClient(running_run())
    client.push(Ended(why="too slow"))
    harness = Harness(client)
    await harness.until(lambda: client.feeds == 2 and harness.bridge.lost == "")
    assert harness.connects == 1, "the new snapshot takes the banner away"


async def test_a_lost_supervisor_is_reached_anew() -> None:
    gone, back = Mute(), FakeClient(running_run())
    harness = Harness(gone, StoreError("nobody listens"), back)
    await harness.until(lambda: harness.connects == 3 and harness.bridge.view.runs)
    assert gone.closed and harness.bridge.client is back
    assert harness.bridge.lost == ""


async def test_while_it_is_lost_it_says_why() -> None:
    harness = Harness(Mute(), *[StoreError("nobody listens")] * 100)
    said: list[str] = []
    harness.bridge = Bridge(
        View(), harness.connect, changed=lambda changes: said.append(harness.bridge.lost)
    )
    await harness.until(lambda: len(said) > 4)
    refused = "nobody listens; trying again"
    assert said[0] == "connection lost (the supervisor has gone), trying again"
    assert set(said[said.index(refused) :]) == {refused}, "what is in the way stays on screen"


async def test_a_supervisor_stopped_in_this_process_is_not_started_again() -> None:
    harness = Harness(Hosting())
    await asyncio.wait_for(harness.bridge.run(), PATIENCE)
    assert harness.bridge.lost == STOPPED and harness.connects == 1


async def test_a_first_connection_that_fails_is_the_callers_to_tell() -> None:
    harness = Harness(StoreError("the store is from a newer version"))
    with pytest.raises(StoreError, match="newer version"):
        await harness.bridge.run()
    assert not harness.bridge.ready.is_set()


async def test_closing_lets_go_once() -> None:
    client = FakeClient()
    harness = Harness(client)
    await harness.until(harness.bridge.ready.is_set)
    await harness.bridge.close()
    await harness.bridge.close()
    assert client.closed and harness.bridge.client is None
