"""What a screen has painted of what waits is told, in batches, and only that."""

from __future__ import annotations

import pytest

from app.domain.attention import AttentionKind
from app.domain.base import RunId
from app.domain.errors import StoreError
from app.domain.seen import Sighting
from app.ui import seen_reporter
from tests.support.waiting import until
from tests.ui import canned
from tests.ui.conftest import room_over
from tests.ui.driving import press, rest, settle
from tests.ui.fakes import FakeClient


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_reporter, "EVERY_SECONDS", 0.05)


def told(client: FakeClient) -> list[str]:
    return [one.item_id for batch in client.told for one in batch]


async def test_what_watch_names_is_told_once() -> None:
    waiting, running = canned.waiting_run(3), canned.running_run(2)
    client = FakeClient(running, waiting)
    room = room_over(client)
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await until(lambda: client.told)
        (approval,) = waiting.approvals.values()
        expected = Sighting(
            kind=AttentionKind.APPROVAL, item_id=approval.approval_id, revision=approval.revision
        )
        assert [tuple(batch) for batch in client.told] == [(expected,)]
        await press(pilot, "j", "k")
        await pilot.pause(0.2)
        assert len(told(client)) == 1, "only what is new is told"


async def test_a_terminal_that_nobody_looks_at_has_shown_nothing() -> None:
    client = FakeClient(canned.running_run(2))
    room = room_over(client)
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        room.app_focus = False
        client.states[RunId("run-0003")] = canned.waiting_run(3)
        client.push(client.snapshot())
        await rest(pilot)
        assert client.told == []
        room.app_focus = True
        await until(lambda: client.told)
        assert len(told(client)) == 1


async def test_a_queue_tells_the_rows_that_fit_and_more_when_they_come_into_sight() -> None:
    runs = [canned.waiting_run(number) for number in range(1, 12)]
    client = FakeClient(*runs)
    room = room_over(client, screen="approvals")
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await until(lambda: client.told)
        first = set(told(client))
        everything = {a for run in runs for a in run.approvals}
        assert first < everything
        await press(pilot, *["j"] * 10)
        await until(lambda: first < set(told(client)))
        assert set(told(client)) <= everything
        assert len(told(client)) == len(set(told(client)))


async def test_what_could_not_be_told_is_told_when_it_is_painted_again() -> None:
    client = FakeClient(canned.waiting_run(3))
    client.refuse = StoreError("gone")
    room = room_over(client)
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert client.told == []
        client.refuse = None
        client.push(client.snapshot())
        await until(lambda: client.told)
        assert len(told(client)) == 1
