"""Reviews: the text, what changed in it, what was said before; accept, send back, not now."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from app.domain import events as ev
from app.domain.approval import Actor, ActorKind
from app.domain.base import ReviewId
from app.domain.commands import GiveVerdict, Snooze
from app.domain.errors import Refused
from app.domain.run import RunState, Verdict
from app.ui.artefacts import text_rows
from app.ui.page import MOST_ROWS
from app.ui.screens.deciding import DecidingScreen
from app.ui.widgets.page import Page
from tests.ui import canned
from tests.ui.answering import Feed, Ticker, awake, open_deciding, press, wait
from tests.ui.conftest import room_over
from tests.ui.driving import rest, screen_text
from tests.ui.fakes import FakeClient
from tests.ui.parts import ME, NOW

BOB = Actor(kind=ActorKind.PERSON, name="bob")


def verdict(accept: bool, reason: str = "") -> GiveVerdict:
    return GiveVerdict(
        review_id=ReviewId("rv-0006-2"), revision=2, accept=accept, reason=reason, by=ME
    )


def reading(screen: DecidingScreen) -> str:
    return "\n".join(row.text for row in screen.query_one("#text", Page).rows)


def changed(state: RunState, key: str, **update: object) -> RunState:
    attempts = state.attempts.set(key, replace(state.attempts[key], **update))
    return replace(state, attempts=attempts)


async def test_accept_sends_the_revision_that_was_read() -> None:
    client, ticker = FakeClient(canned.review_run()), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await open_deciding(pilot, "reviews", ticker)
        await press(pilot, "y", "d", "z")
        assert client.commands == [], "deaf for half a second"
        await wait(pilot, screen, ticker, 0.5)
        await press(pilot, "y", "y")
        assert client.commands == [verdict(True)]
        assert "No review waits for you." in screen_text(screen.room)


async def test_sending_back_needs_a_reason() -> None:
    client, ticker = FakeClient(canned.review_run()), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "reviews", ticker)
        await press(pilot, "d", "enter", "enter")
        await rest(pilot)
        assert client.commands == []
        assert not screen.on_top
        await press(pilot, *"test it", "escape")
        assert screen.on_top
        await press(pilot, "d", "enter")
        await rest(pilot)
        assert client.commands == [verdict(False, "test it")]
        assert screen.on_top


async def test_a_refusal_keeps_the_reason() -> None:
    client, ticker = FakeClient(canned.review_run()), Ticker()
    client.refuse = Refused("review rv-0006-2 has changed meanwhile: read it again")
    async with room_over(client).run_test(notifications=True) as pilot:
        screen = await awake(pilot, "reviews", ticker)
        await press(pilot, "d", *"test it", "enter")
        await rest(pilot)
        assert not screen.on_top
        assert "has changed meanwhile" in screen_text(screen.room)
        assert screen.room.drafts == {"send-back-rv-0006-2": "test it"}


async def test_not_now() -> None:
    client, ticker = FakeClient(canned.review_run()), Ticker()
    async with room_over(client).run_test() as pilot:
        await awake(pilot, "reviews", ticker)
        await press(pilot, "z")
        until = NOW + timedelta(minutes=15)
        assert client.commands == [Snooze(item="review", item_id="rv-0006-2", until=until, by=ME)]


async def test_text_and_difference_with_all_earlier_rounds() -> None:
    client, ticker = FakeClient(canned.review_run()), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "reviews", ticker)
        text = reading(screen)
        assert text.startswith("# Plan\n1. Wrap `upload()`")
        for words in (
            "Round 2 (this round)  version 2\n✓ critic (agent): approve\n  · Backs off, tested.",
            "Round 1: sent back  version 1\n✗ critic (agent): reject\n  · Retries every error",
        ):
            assert words in text
        await press(pilot, "v")
        assert reading(screen).startswith("From version 1 to version 2\n@@")
        assert "+ 3. Test: a server that fails twice, then answers." in reading(screen)
        assert screen.questions.answerable, "another look is not another question"
        await press(pilot, "v")
        assert reading(screen) == text


async def test_the_first_version_has_no_difference() -> None:
    state = canned.review_run()
    first = changed(state, "plan//0/1", output=None)
    async with room_over(FakeClient(first)).run_test() as pilot:
        screen = await awake(pilot, "reviews", Ticker())
        assert screen.check_action("difference", ()) is False
        await press(pilot, "v")
        assert reading(screen).startswith("# Plan")


async def test_an_unchanged_version_says_so() -> None:
    state = canned.review_run()
    same = changed(state, "plan//0/1", output=state.attempts["plan//0/2"].output)
    async with room_over(FakeClient(same)).run_test() as pilot:
        screen = await awake(pilot, "reviews", Ticker())
        await press(pilot, "v")
        assert "nothing changed: the text is the same" in reading(screen)


async def test_an_escalated_review_says_why() -> None:
    why = "rejected 3 times, which is the limit [/]"
    client = FakeClient(canned.review_run(escalated=why))
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "reviews", Ticker())
        assert reading(screen).startswith(f"Why you are asked: {why}")
        assert "asked" in screen_text(screen.room)


async def test_a_review_answered_elsewhere_stays_and_says_by_whom() -> None:
    state = canned.review_run()
    client, ticker = FakeClient(state), Ticker()
    feed = Feed(client)
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "reviews", ticker)
        given = Verdict(by=BOB, decision="approve", at=NOW)
        review_id = ReviewId("rv-0006-2")
        feed.push(
            state,
            ev.VerdictGiven(review_id=review_id, verdict=given),
            ev.ReviewClosed(review_id=review_id, approved=True),
        )
        await rest(pilot)
        assert "already answered by bob: approve" in screen_text(screen.room)
        await press(pilot, "y")
        assert client.commands == []
        await wait(pilot, screen, ticker, 1.0)
        assert "No review waits for you." in screen_text(screen.room)


async def test_a_verdict_of_another_reviewer_makes_it_a_new_question() -> None:
    state = canned.review_run(escalated="asked")
    client, ticker = FakeClient(state), Ticker()
    feed = Feed(client)
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "reviews", ticker)
        given = Verdict(by=BOB, decision="reject", reasons=("hm",), at=NOW)
        feed.push(state, ev.VerdictGiven(review_id=ReviewId("rv-0006-2"), verdict=given))
        await rest(pilot)
        assert "✗ bob: reject" in screen_text(screen.room)
        await press(pilot, "y")
        assert client.commands == []
        await wait(pilot, screen, ticker, 0.5)
        await press(pilot, "y")
        (command,) = client.commands
        assert isinstance(command, GiveVerdict)
        assert command.revision == 3


async def test_enter_opens_the_run_and_the_rounds_stand_beside_on_a_wide_terminal() -> None:
    client = FakeClient(canned.review_run())
    async with room_over(client).run_test(size=(160, 48)) as pilot:
        screen = await awake(pilot, "reviews", Ticker())
        assert "Round 1" not in reading(screen)
        assert "Round 1: sent back" in screen_text(screen.room)
        await pilot.resize_terminal(80, 24)
        await rest(pilot)
        assert "Round 1" in reading(screen)
        await press(pilot, "enter")
        assert type(screen.app.screen).__name__ == "RunScreen"


def test_a_text_is_set_apart_but_not_carried_out() -> None:
    text = "# Head\n- item\n> said\n```py\n# no head\n```\nplain [b]\n1. one\n~~~\nopen"
    rows = text_rows(text)
    assert "\n".join(row.text for row in rows) == text
    tones = [row.tone or next((s.tone for s in row.spans), "") for row in rows]
    assert tones == ["heading", "", "quote", "code", "code", "code", "", "", "code", "code"]
    assert rows[1].hang == "  "
    long = text_rows("x\n" * (MOST_ROWS + 2))
    assert long[-1].text == "… 2 more lines"
