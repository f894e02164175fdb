"""Walking through a run's history on its screen, and pictures of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from app.domain import events as ev
from app.domain.errors import StoreError
from app.domain.run import RunState
from app.ui.screens.run import RunScreen
from app.ui.widgets.page import Page
from tests.support.story import story
from tests.ui.answering import press
from tests.ui.conftest import room_over
from tests.ui.driving import rest
from tests.ui.pictures import SIZES, Compare, in_run, utc
from tests.ui.test_past import folded, numbered
from tests.ui.test_run_screen import Journal, shown, text_of

__all__ = ["utc"]
EVENTS = numbered(story())
NOW_STATE: RunState = folded(EVENTS)[-1]


def client() -> Journal:
    found = Journal(NOW_STATE)
    found.journal = list(EVENTS)
    return found


def shows(screen: RunScreen) -> RunState:
    assert screen.selected is not None
    return screen.selected


async def test_each_event_back_shows_the_run_as_it_was_then() -> None:
    async with shown(NOW_STATE, client(), size=(120, 40)) as (pilot, screen):
        await press(pilot, "h")
        await rest(pilot)
        states = folded(EVENTS)
        for index in range(len(EVENTS) - 1, -1, -1):
            assert shows(screen) == states[index]
            assert f"{index + 1} of {len(EVENTS)}" in text_of(screen)
            await press(pilot, "left")
        assert shows(screen) == states[0], "there is nothing before the beginning"
        assert "as it was at" in text_of(screen)
        await press(pilot, "right")
        assert shows(screen) == states[1]
        await press(pilot, "h")
        assert shows(screen) == NOW_STATE
        assert "as it was at" not in text_of(screen)


async def test_a_wide_text_leaves_room_for_the_keys() -> None:
    what = [e for e in EVENTS if e.payload.type == "approval_decided"][-1]
    assert isinstance(what.payload, ev.ApprovalDecided)
    reason = {"reason": "請確認部署流程與審批策略" * 20}
    decision = what.payload.decision.model_copy(update=reason)
    wide = what.payload.model_copy(update={"decision": decision})
    journal = client()
    journal.journal = [replace(e, payload=wide) if e is what else e for e in journal.journal]
    async with shown(NOW_STATE, journal, size=(120, 40)) as (pilot, screen):
        await press(pilot, "h")
        await rest(pilot)
        for _ in range(len(EVENTS) - 1 - EVENTS.index(what)):
            await press(pilot, "left")
        [line] = [row for row in text_of(screen).split("\n") if "請" in row]
        assert "… " in line and line.rstrip().endswith("h now")


async def test_turns_lead_to_what_changed_the_course() -> None:
    async with shown(NOW_STATE, client()) as (pilot, screen):
        await press(pilot, "h", "less_than_sign")
        await rest(pilot)
        assert screen.past is not None
        seen = [screen.past.event.payload.type]
        for _ in range(9):
            await press(pilot, "less_than_sign")
            seen.append(screen.past.event.payload.type)
        assert seen[:3] == ["review_closed", "review_opened", "step_finished"]
        assert seen[-1] == "run_created"
        await press(pilot, "greater_than_sign")
        assert screen.past.event.payload.type == "run_state_changed"


async def test_a_long_history_is_crossed_in_leaps() -> None:
    async with shown(NOW_STATE, client()) as (pilot, screen):
        await press(pilot, "h")
        await rest(pilot)
        past = screen.past
        assert past is not None and past.at == len(EVENTS) - 1
        await press(pilot, "left_square_bracket", "left_square_bracket")
        assert past.at == len(EVENTS) - 1 - 2 * max(1, len(EVENTS) // 20)
        await press(pilot, *["left_square_bracket"] * 40)
        assert past.at == 0
        await press(pilot, "right_square_bracket")
        assert past.at == max(1, len(EVENTS) // 20)


async def test_nothing_is_done_to_the_run_from_its_past_and_esc_leads_back() -> None:
    over = client()
    async with shown(NOW_STATE, over) as (pilot, screen):
        await press(pilot, "h", "left", "left", "x", "t", "u", "s", "r", "a", "F", "K")
        await rest(pilot)
        assert (over.commands, screen.app.screen) == ([], screen)
        await press(pilot, "escape")
        assert screen.past is None
        assert screen.app.screen is screen
        await press(pilot, "u")
        assert [command.do for command in over.commands] == ["pause_run"]


async def test_the_events_of_the_past_are_those_until_then() -> None:
    async with shown(NOW_STATE, client(), size=(120, 40)) as (pilot, screen):
        await press(pilot, "k", "k", "k", "k", "k", "h", "e", *["left"] * 8)
        await rest(pilot)
        rows = [row.text for row in screen.query_one("#text", Page).rows]
        assert len(rows) == len(EVENTS) - 8
        assert "approval allow" in rows[-1]


async def test_what_happens_meanwhile_is_read_at_the_end() -> None:
    over = client()
    over.journal = list(EVENTS[:-1])
    async with shown(folded(EVENTS)[-2], over) as (pilot, screen):
        await press(pilot, "h")
        await rest(pilot)
        assert screen.past is not None
        assert len(screen.past) == len(EVENTS) - 1
        over.journal.append(EVENTS[-1])
        await press(pilot, "right")
        await rest(pilot)
        assert shows(screen) == NOW_STATE


async def test_a_history_that_cannot_be_read_says_so() -> None:
    over = client()
    async with shown(NOW_STATE, over) as (pilot, screen):
        over.fails = StoreError("the disk is gone")  # type: ignore[assignment]
        await press(pilot, "h")
        await rest(pilot)
        assert "the disk is gone" in text_of(screen)
        await press(pilot, "left", "greater_than_sign", "escape")
        assert screen.past is None


@SIZES
@pytest.mark.usefixtures("utc")
@pytest.mark.parametrize("name", ["now", "then"])
def test_history(snap_compare: Compare, name: str, size: tuple[int, int]) -> None:
    keys = {"now": ("h",), "then": ("h", *["left"] * 9)}[name]
    room = room_over(client(), run_id=NOW_STATE.run.run_id)
    assert snap_compare(room, terminal_size=size, run_before=in_run(*keys))
