"""What every client promises, whichever way it reaches the supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from app.domain.approval import Action, Scope
from app.domain.base import RunId, SessionId
from app.domain.commands import CancelRun, DecideApproval
from app.domain.errors import LongwatchError, NotFound, OwnershipError, Refused
from app.domain.feed import Committed, Ended, Snapshot
from app.domain.past_ref import PastId
from app.domain.seen import sighting
from app.link.client import Client
from app.link.local import LocalClient
from app.link.remote import SocketClient
from tests.support.supervisor import (
    A_PAST,
    A_PAST_ENTRY,
    PERSON,
    RUN,
    SESSION,
    FakeSupervisor,
    a_recipe,
    an_approval,
    an_event,
)
from tests.support.waiting import PATIENCE, until


@pytest.fixture
async def supervisor(tmp_path: Path) -> FakeSupervisor:
    return await FakeSupervisor.open(tmp_path / "store")


@pytest.fixture
async def host(supervisor: FakeSupervisor, tmp_path: Path) -> AsyncIterator[LocalClient]:
    local = LocalClient(supervisor)
    await local.share(tmp_path / "s.sock")
    local.watch()
    yield local
    await local.close()


@pytest.fixture(params=["in process", "over the socket"])
async def client(
    request: pytest.FixtureRequest, host: LocalClient, tmp_path: Path
) -> AsyncIterator[Client]:
    if request.param == "in process":
        yield host
        return
    remote = await SocketClient.dial(tmp_path / "s.sock")
    yield remote
    await remote.close()


async def test_reads_give_the_same_models(client: Client, supervisor: FakeSupervisor) -> None:
    assert await client.status() == await supervisor.status()
    assert list(await client.runs(2)) == list(await supervisor.runs(2))
    assert await client.run(RUN) == await supervisor.run(RUN)
    assert await client.recipe(RUN) == a_recipe()
    assert (await client.recipe(RUN)).digest == a_recipe().digest
    assert [e.seq for e in await client.events(after=3, limit=2)] == [4, 5]
    assert list(await client.approvals()) == [an_approval()]
    assert list(await client.reviews(open_only=False)) == []
    asked = an_approval().approval_id
    assert (await client.covered(asked, Scope.ALWAYS)).total == 1
    assert await client.covered(asked, Scope.ALWAYS) == await supervisor.covered(
        asked, Scope.ALWAYS
    )
    assert list(await client.rules()) == []
    assert [c.text for c in await client.transcript(RUN, SESSION)] == ["häl[/lo]"]
    assert await client.diff(RUN, "plan", 2) == "diff of run-1 plan 2\n"
    assert await client.project("/work/x") == await supervisor.project("/work/x")
    assert await client.metrics() == await supervisor.metrics()
    assert await client.usage(3) == await supervisor.usage(3)
    assert [r.run_id for r in await client.runs(2, "ttt")] == ["run-1", "run-2"]
    assert list(await client.runs(trace="nope")) == []
    assert (await client.verify()).ok


async def test_past_sessions_are_listed_searched_and_read(client: Client) -> None:
    listed = await client.past_sessions("/work/x")
    assert (listed.folder, listed.sessions, listed.total) == ("/work/x", (A_PAST,), 1)
    assert (await client.past_sessions("/work/x", agent="other")).sessions == ()
    found = await client.past_search("/work/x", "words")
    assert [(hit.title, hit.entry) for hit in found.hits] == [("words", A_PAST_ENTRY)]
    assert (await client.past_search("/work/x", "words", found.next)).next is None
    page = await client.past_page("/work/x", A_PAST.past_id, 7, 5)
    assert (page.first, page.next, page.entries) == (7, 12, (A_PAST_ENTRY,))
    with pytest.raises(NotFound, match="no past session nope"):
        await client.past_page("/work/x", PastId("nope"))


async def test_a_command_is_carried_out(client: Client, supervisor: FakeSupervisor) -> None:
    approval = an_approval()
    command = DecideApproval(
        approval_id=approval.approval_id, revision=3, action=Action.DENY, reason="no", by=PERSON
    )
    assert (await client.execute(command)).seq == 8
    assert supervisor.done == [command]


async def test_errors_keep_their_class_and_words(client: Client) -> None:
    stale = DecideApproval(
        approval_id=an_approval().approval_id, revision=2, action=Action.ALLOW, by=PERSON
    )
    with pytest.raises(Refused, match=r"^this question has changed; read it again$"):
        await client.execute(stale)
    with pytest.raises(NotFound, match="no run nope"):
        await client.run(RunId("nope"))
    with pytest.raises(NotFound, match="no run other"):
        await client.execute(CancelRun(run_id=RunId("other"), by=PERSON))
    with pytest.raises(OwnershipError, match="does not belong"):
        await client.transcript(RUN, SessionId("s-2"))
    assert (await client.status()).seq == 7  # an error ends nothing


async def test_a_defect_is_told_and_ends_nothing(client: Client) -> None:
    with pytest.raises((LongwatchError, ValueError), match="a defect"):
        await client.diff(RUN, "boom")
    assert (await client.status()).seq == 7


async def test_who_paints_what_waits_tells_that_it_was_seen(
    client: Client, supervisor: FakeSupervisor
) -> None:
    (waiting,) = await client.waiting()
    assert not waiting.seen
    await client.seen([sighting(waiting.item)])
    assert supervisor.sightings == [sighting(waiting.item)]
    assert [one.seen for one in await client.waiting()] == [True]


async def test_calls_do_not_wait_for_each_other(client: Client, supervisor: FakeSupervisor) -> None:
    supervisor.hold.clear()
    slow = asyncio.create_task(client.verify())
    async with asyncio.timeout(PATIENCE):
        await client.status()
    assert not slow.done()
    supervisor.hold.set()
    assert (await slow).ok


async def test_a_cancelled_call_leaves_the_client_usable(
    client: Client, supervisor: FakeSupervisor
) -> None:
    supervisor.hold.clear()
    slow = asyncio.create_task(client.verify())
    await asyncio.sleep(0.02)
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
    supervisor.hold.set()
    assert (await client.status()).seq == 7


async def _open(feed: Any) -> Snapshot:
    first = await anext(feed)
    assert isinstance(first, Snapshot)
    return first


async def test_the_feed_is_a_snapshot_and_then_every_change(
    client: Client, supervisor: FakeSupervisor
) -> None:
    async with asyncio.timeout(PATIENCE), aclosing(client.feed()) as feed:  # type: ignore[type-var]
        assert (await _open(feed)).seq == 7
        for seq in (8, 9, 10):
            supervisor.publish(Committed(events=(an_event(seq),)))
        assert [await anext(feed) for _ in range(3)] == [
            Committed(events=(an_event(seq),)) for seq in (8, 9, 10)
        ]


async def test_two_readers_both_get_everything(client: Client, supervisor: FakeSupervisor) -> None:
    async with (
        asyncio.timeout(PATIENCE),
        aclosing(client.feed()) as one,  # type: ignore[type-var]
        aclosing(client.feed()) as two,  # type: ignore[type-var]
    ):
        await _open(one)
        await _open(two)
        supervisor.publish(Committed(events=(an_event(8),)))
        assert await anext(one) == await anext(two)


async def test_a_reader_that_leaves_is_forgotten(
    client: Client, supervisor: FakeSupervisor
) -> None:
    async with aclosing(client.feed()) as feed:  # type: ignore[type-var]
        await _open(feed)
        assert len(supervisor.readers) == 1
    await until(lambda: not supervisor.readers)
    assert (await client.status()).seq == 7


async def test_shutdown_ends_feeds_and_stops_the_host(
    client: Client, supervisor: FakeSupervisor, host: LocalClient
) -> None:
    async with asyncio.timeout(PATIENCE), aclosing(client.feed()) as feed:  # type: ignore[type-var]
        await _open(feed)
        await client.shutdown()
        last = await anext(feed)
        assert isinstance(last, Ended)
        assert last.why == "the supervisor stops"
        await host.wait_stopped()
    assert supervisor.closed
