"""Who is called, when, and how often, by a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.attention import AttentionItem, AttentionKind
from app.domain.base import ApprovalId, RunId
from app.domain.events import ApprovalWithdrawn, Event, RunStateChanged
from app.domain.notify import NotifySection
from app.domain.request import Risk
from app.domain.seen import Call, Sighting, sighting
from app.domain.task_state import TaskState
from app.observe import notifications
from app.observe.notifications import Notifications
from tests.support.story import ADA

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECTION = NotifySection(command=("call",), after_seconds=60)


class HandClock:
    """Time stands still but for `move`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._sleeping: list[tuple[float, asyncio.Event]] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        until, over = self.seconds + seconds, asyncio.Event()
        self._sleeping.append((until, over))
        await over.wait()

    async def move(self, seconds: float) -> None:
        self.seconds += seconds
        for until, over in self._sleeping:
            if until <= self.seconds:
                over.set()
        await settle()


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


def item(name: str, kind: AttentionKind = AttentionKind.APPROVAL, **more: object) -> AttentionItem:
    told = {"kind": kind, "run_id": RunId("r-1"), "item_id": name, "title": name, "since": START}
    return AttentionItem.model_validate(told | more)


class Room:
    """Notifications over a list of items; `calls` is what was called for."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.items: list[tuple[str, AttentionItem]] = []
        self.sections: dict[str, NotifySection] = {"/p": SECTION}
        self.calls: list[Call] = []
        self.wrong = ""
        self.banners: list[str] = []
        self.holding: asyncio.Event | None = None  # the command lasts until it is set
        self.at_once = self.most_at_once = 0
        self.notices = Notifications(
            self.clock,
            lambda: self.items,
            self._settings,
            self._ring,
            lambda: self.banners.append(self.notices.problem),
        )

    async def _settings(self, project: str) -> NotifySection | None:
        return self.sections.get(project)

    async def _ring(self, section: NotifySection, call: Call) -> str:
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        self.calls.append(call)
        if self.holding is not None:
            await self.holding.wait()
        self.at_once -= 1
        return self.wrong

    async def waits(self, *items: AttentionItem, project: str = "/p") -> None:
        self.items += [(project, one) for one in items]
        self.notices.committed([event()], ())
        await settle()

    def called_for(self) -> list[list[str]]:
        return [[one.id for one in call.items] for call in self.calls]


def event() -> Event:
    moved = RunStateChanged(state=TaskState.IN_PROGRESS, reason="", by=ADA)
    return Event(seq=1, at=START, run_id=RunId("r-1"), payload=moved)


@pytest.fixture
async def room(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    monkeypatch.setattr(notifications, "_GATHER_SECONDS", 0)
    made = Room()
    made.notices.start()
    yield made
    await made.notices.close()


async def test_what_nobody_has_seen_for_so_long_is_called_for_once(room: Room) -> None:
    await room.waits(item("a"))
    await room.clock.move(59)
    assert room.calls == []
    await room.clock.move(1)
    assert room.called_for() == [["a"]]
    assert room.calls[0].waiting_seconds == 60
    await room.clock.move(100_000)
    assert len(room.calls) == 1


async def test_what_was_seen_is_not_called_for(room: Room) -> None:
    await room.waits(item("a"), item("b"))
    room.notices.mark([sighting(item("a"))])
    assert [(w.item.item_id, w.seen) for w in room.notices.waiting()] == [("a", True), ("b", False)]
    await room.clock.move(60)
    assert room.called_for() == [["b"]]


@pytest.mark.parametrize(
    "other",
    [
        Sighting(kind=AttentionKind.APPROVAL, item_id="a", revision=1),
        Sighting(kind=AttentionKind.UNCERTAIN, item_id="a", revision=2),
        Sighting(kind=AttentionKind.APPROVAL, item_id="b", revision=2),
    ],
)
async def test_an_earlier_revision_or_another_thing_is_not_this_one(
    room: Room, other: Sighting
) -> None:
    await room.waits(item("a", revision=2))
    room.notices.mark([other])
    await room.clock.move(60)
    assert room.called_for() == [["a"]]


async def test_what_comes_back_is_unseen_again(room: Room) -> None:
    blocked = item("r-1", AttentionKind.BLOCKED)
    await room.waits(blocked)
    room.notices.mark([sighting(blocked)])
    room.items.clear()
    await room.waits()
    await room.waits(blocked)
    await room.clock.move(60)
    assert room.called_for() == [["r-1"]]


async def test_one_call_for_all_that_is_unseen_and_the_most_urgent_first(room: Room) -> None:
    await room.waits(item("q", AttentionKind.QUESTION), item("low", risk=Risk.LOW))
    await room.waits(item("bad", risk=Risk.CRITICAL))
    await room.clock.move(60)
    assert room.called_for() == [["bad", "low", "q"]]
    line = room.calls[0].line
    assert line == "approval (critical risk): bad · waits 60 s, seen by nobody · and 2 more"


async def test_again_only_if_that_is_asked_for(room: Room) -> None:
    room.sections["/p"] = SECTION.model_copy(update={"again_seconds": 300})
    await room.waits(item("a"))
    for seconds, calls in ((60, 1), (299, 1), (1, 2), (300, 3)):
        await room.clock.move(seconds)
        assert len(room.calls) == calls
    room.notices.mark([sighting(item("a"))])
    await room.clock.move(1000)
    assert len(room.calls) == 3


async def test_below_the_least_risk_nobody_is_called(room: Room) -> None:
    room.sections["/p"] = SECTION.model_copy(update={"min_risk": Risk.HIGH})
    await room.waits(item("low", risk=Risk.LOW), item("q", AttentionKind.QUESTION))
    await room.clock.move(60)
    assert room.called_for() == [["q"]], "a question has no risk of its own"


async def test_put_off_is_seen_and_a_group_is_one_thing(room: Room) -> None:
    await room.waits(item("z", snoozed=True))
    two = [item(name, AttentionKind.BLOCKED, group="tokens|/p") for name in ("r-1", "r-2")]
    await room.waits(*two)
    assert [w.item.item_id for w in room.notices.waiting()] == ["r-1"]
    await room.clock.move(60)
    assert room.called_for() == [["r-1"]]
    room.items[0] = ("/p", item("z"))
    await room.waits()
    await room.clock.move(60)
    assert len(room.calls) == 1, "who put it off has seen it"


async def test_never_more_than_one_command_at_a_time(room: Room) -> None:
    room.sections["/other"] = SECTION
    room.holding = asyncio.Event()
    await room.waits(item("a"))
    await room.waits(item("b"), project="/other")
    await room.clock.move(60)
    await room.waits(item("c"))
    await room.clock.move(600)
    assert room.called_for() == [["a"]]
    room.notices.mark([sighting(item("b"))])
    room.holding.set()
    await settle()
    await room.clock.move(1)
    assert room.called_for() == [["a"], ["a", "c"]], "b was seen meanwhile"
    assert room.most_at_once == 1


async def test_a_failure_is_one_banner_and_no_loop_and_a_success_takes_it_back(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    room.wrong = "it is not there"
    await room.waits(item("a"))
    await room.clock.move(60)
    await room.clock.move(6000)
    assert len(room.calls) == 1
    assert room.banners == ["it is not there"]
    assert caplog.messages == ["nobody could be called: it is not there"]
    room.wrong = ""
    await room.waits(item("b"))
    await room.clock.move(60)
    assert room.banners == ["it is not there", ""]


async def test_without_a_command_it_is_only_counted(room: Room) -> None:
    await room.waits(item("a"), project="/elsewhere")
    await room.clock.move(6000)
    assert room.calls == []
    (waiting,) = room.notices.waiting()
    assert (waiting.seen, waiting.seconds) == (False, 6000)


async def test_other_events_wake_nobody(room: Room) -> None:
    other = ApprovalWithdrawn(approval_id=ApprovalId("a"), why="it is over")
    room.items.append(("/p", item("a")))
    room.notices.committed([Event(seq=1, at=START, payload=other)], ())
    await room.clock.move(60)
    assert room.calls == [], "it was not even noticed"


def test_a_line_is_one_line_without_markup() -> None:
    call = Call(
        kind=AttentionKind.APPROVAL,
        run="r-1",
        id="a",
        title="echo <b>\n&& rm \x1b[2J",
        risk=None,
        waiting_seconds=240,
        project="/p",
        count=1,
        items=(),
    )
    assert "\n" not in call.line and "\x1b" not in call.line and "<" not in call.line
    assert call.line.endswith("waits 4 min, seen by nobody")
