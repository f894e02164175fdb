"""Identical calls on one card: one key, a second look, an answer for each."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from app.domain import events as ev
from app.domain.approval import Action, Actor, ActorKind, Decision
from app.domain.commands import Command, DecideApproval, Done
from app.domain.run import RunState
from app.ui.widgets.confirm import AskSure
from app.ui.widgets.reason import AskReason
from tests.ui import canned
from tests.ui.answering import Feed, Ticker, awake, press, wait
from tests.ui.conftest import room_over
from tests.ui.driving import rest, screen_text, until_shown
from tests.ui.fakes import FakeClient
from tests.ui.parts import NOW

BOB = Actor(kind=ActorKind.PERSON, name="bob")


def decided(state: RunState) -> ev.ApprovalDecided:
    (approval,) = state.approvals.values()
    decision = Decision(action=Action.DENY, by=BOB, at=NOW)
    return ev.ApprovalDecided(approval_id=approval.approval_id, decision=decision, told=True)


def sent(client: FakeClient) -> list[tuple[str, int, Action]]:
    commands = [c for c in client.commands if isinstance(c, DecideApproval)]
    return [(c.approval_id, c.revision, c.action) for c in commands]


async def test_all_identical_calls_are_allowed_after_a_second_look() -> None:
    client, ticker = FakeClient(*(canned.waiting_run(n) for n in (3, 4, 5))), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        assert "3 identical" in screen_text(screen.room)
        await press(pilot, "a")
        assert isinstance(screen.app.screen, AskSure) and client.commands == []
        await press(pilot, "c")
        assert client.commands == [], "the second look is deaf for half a second too"
        ticker.move(0.5)
        await press(pilot, "c")
        assert sent(client) == [(f"ap-000{n}-1", 1, Action.ALLOW) for n in (3, 4, 5)]
        assert "3 of 3 answered" in screen_text(screen.room)


class Slow(FakeClient):
    """Takes a command only when it is told to."""

    def __init__(self, *states: RunState) -> None:
        super().__init__(*states)
        self.may = asyncio.Semaphore(0)

    async def execute(self, command: Command) -> Done:
        await self.may.acquire()
        return await super().execute(command)


async def test_how_far_the_answering_of_many_has_come_is_said() -> None:
    client, ticker = Slow(*(canned.waiting_run(n) for n in (3, 4, 5))), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        await press(pilot, "a")
        ticker.move(0.5)
        await pilot.press("c")
        for number in (1, 2, 3):
            await until_shown(pilot, f"answering {number} of 3…")
            client.may.release()
        await until_shown(pilot, "3 of 3 answered")
        assert len(sent(client)) == 3 and not screen.working


async def test_all_are_denied_with_one_reason() -> None:
    client, ticker = FakeClient(*(canned.waiting_run(n) for n in (3, 4))), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        await press(pilot, "X")
        assert isinstance(screen.app.screen, AskReason)
        await press(pilot, *"not yet", "enter")
        assert [c.reason for c in client.commands if isinstance(c, DecideApproval)] == [
            "not yet"
        ] * 2
        assert [action for _, _, action in sent(client)] == [Action.DENY] * 2


async def test_a_call_that_appears_later_is_not_taken_along() -> None:
    runs = [canned.waiting_run(n) for n in (3, 4)]
    client, ticker = FakeClient(*runs), Ticker()
    feed = Feed(client)
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        late = canned.waiting_run(5)
        (approval,) = late.approvals.values()
        session = late.sessions[approval.session_id]
        feed.push(
            runs[0],
            ev.SessionOpened(session=replace(session, run_id=runs[0].run.run_id)),
        )
        same = approval.model_copy(update={"run_id": runs[0].run.run_id})
        feed.push(runs[0], ev.ApprovalRequested(approval=same))
        await rest(pilot)
        assert "3 identical" in screen_text(screen.room)
        await press(pilot, "a")
        assert screen.on_top, "for half a second the key for all is deaf"
        assert screen.check_action("answer_with", ("allow", "once")), "the card's own is not"
        await wait(pilot, screen, ticker, 0.5)
        await press(pilot, "a")
        assert isinstance(screen.app.screen, AskSure)
        feed.push(runs[1], decided(runs[1]))
        await rest(pilot)
        ticker.move(0.5)
        await press(pilot, "c")
        assert len(sent(client)) == 3, (
            "what was on screen is answered; the engine refuses the stale one"
        )


async def test_a_card_alone_has_no_key_for_all() -> None:
    client, ticker = FakeClient(canned.waiting_run(3), canned.waiting_edit_run(4)), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        assert screen.check_action("answer_with", ("allow_alike", "")) is False
        await press(pilot, "a", "X")
        assert screen.on_top and client.commands == []


async def test_deny_is_as_easy_as_allow() -> None:
    client, ticker = FakeClient(canned.waiting_run(3)), Ticker()
    async with room_over(client).run_test() as pilot:
        await awake(pilot, "approvals", ticker)
        await press(pilot, "x")
        assert sent(client) == [("ap-0003-1", 1, Action.DENY)]
