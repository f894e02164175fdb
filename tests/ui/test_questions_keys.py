"""Questions: a number marks, another key sends; free answers are typed; nothing is sent twice."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from app.domain import events as ev
from app.domain.approval import Actor, ActorKind
from app.domain.attention import AttentionKind
from app.domain.base import QuestionId
from app.domain.commands import AnswerQuestion, Snooze
from app.domain.errors import Refused
from app.ui.app import ControlRoom
from app.ui.marks import NEEDS
from app.ui.widgets.attention_bar import LEADS
from tests.ui import canned, graphs
from tests.ui.answering import Feed, Ticker, awake, open_deciding, press, wait
from tests.ui.conftest import room_over
from tests.ui.driving import rest, screen_text
from tests.ui.fakes import FakeClient
from tests.ui.parts import ME, NOW


def answered(text: str) -> AnswerQuestion:
    return AnswerQuestion(question_id=QuestionId("q-0025"), revision=1, answer=text, by=ME)


def test_everything_that_can_wait_has_a_mark_and_a_key() -> None:
    assert set(NEEDS) == set(AttentionKind) == set(LEADS)


async def test_the_attention_bar_leads_to_it() -> None:
    client = FakeClient(graphs.question_run())
    async with room_over(client).run_test(size=(160, 48)) as pilot:
        await rest(pilot)
        assert "¿ question" in screen_text(cast(ControlRoom, pilot.app))
        await press(pilot, "g")
        await rest(pilot)
        assert "It goes to all 40 customers at once." in screen_text(cast(ControlRoom, pilot.app))


async def test_a_marked_choice_is_sent_by_another_key_after_the_half_second() -> None:
    client, ticker = FakeClient(graphs.question_run()), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await open_deciding(pilot, "questions", ticker)
        await press(pilot, "2", "y")
        assert client.commands == [], "deaf for half a second"
        await wait(pilot, screen, ticker, 0.5)
        await press(pilot, "y", "y")
        assert client.commands == [answered("no")]


async def test_no_key_answers_while_nothing_is_marked() -> None:
    client, ticker = FakeClient(graphs.question_run()), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "questions", ticker)
        await press(pilot, "y", "e", "9", "y", "1", "1", "y")
        assert client.commands == [], "marked and unmarked again"
        assert screen.on_top
        await press(pilot, "2", "1", "y")
        assert client.commands == [answered("yes")]


async def test_a_free_answer_is_typed_and_kept_when_it_is_refused() -> None:
    client, ticker = FakeClient(graphs.question_run(choices=())), Ticker()
    client.refuse = Refused("question q-0025 has changed meanwhile: read it again")
    async with room_over(client).run_test(notifications=True) as pilot:
        screen = await awake(pilot, "questions", ticker)
        await press(pilot, "1", "y", "e", *"otter", "enter")
        await rest(pilot)
        assert "has changed meanwhile" in screen_text(screen.room)
        assert screen.room.drafts == {"answer-q-0025": "otter"}
        client.refuse = None
        await press(pilot, "enter")
        await rest(pilot)
        assert client.commands == [answered("otter")]
        assert screen.room.drafts == {}


async def test_not_now() -> None:
    client, ticker = FakeClient(graphs.question_run()), Ticker()
    async with room_over(client).run_test() as pilot:
        await awake(pilot, "questions", ticker)
        await press(pilot, "z")
        until = NOW + timedelta(minutes=15)
        assert client.commands == [Snooze(item="question", item_id="q-0025", until=until, by=ME)]


async def test_one_answered_elsewhere_says_so_and_goes() -> None:
    state = graphs.question_run()
    client, ticker = FakeClient(state, canned.running_run()), Ticker()
    async with room_over(client).run_test(size=(120, 30)) as pilot:
        screen = await awake(pilot, "questions", ticker)
        bob = Actor(kind=ActorKind.PERSON, name="bob")
        Feed(client).push(
            state, ev.QuestionAnswered(question_id=QuestionId("q-0025"), answer="no", by=bob)
        )
        await rest(pilot)
        assert "already answered by bob: no" in screen_text(screen.room)
        await press(pilot, "1", "y")
        await wait(pilot, screen, ticker, 1.0)
        assert client.commands == []
        assert "No workflow asks you anything." in screen_text(screen.room)


async def test_a_choice_without_a_number_is_written() -> None:
    """Nine have a key of their own; with more, none of them is out of reach."""
    choices = tuple(f"region {n}" for n in range(1, 12))
    client, ticker = FakeClient(graphs.question_run(choices=choices)), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "questions", ticker)
        assert "e writes one that has none" in screen_text(screen.room)
        await press(pilot, "e", *"region 11", "enter")
        await rest(pilot)
        assert client.commands == [answered("region 11")]


async def test_a_long_choice_hangs_under_its_own_words() -> None:
    long = "later, after the freeze is over and everybody of the release team is back from Lisbon"
    client, ticker = FakeClient(graphs.question_run(choices=("yes", long))), Ticker()
    async with room_over(client).run_test(size=(80, 24)) as pilot:
        screen = await awake(pilot, "questions", ticker)
        rows = screen_text(screen.room).split("\n")
        [first] = [n for n, row in enumerate(rows) if "later, after" in row]
        column = rows[first].index("later")
        assert rows[first + 1][:column].strip() == "" and rows[first + 1][column] != " "
