"""The screen of one run: its rows, what there is to read about each, and its keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from app.domain import events as ev
from app.domain.base import RunId, SessionId
from app.domain.commands import CancelRun, RetryRun, SteerSession
from app.domain.errors import Refused
from app.domain.events import Event
from app.domain.run import AttemptState, Cause, RunState
from app.domain.task_state import TaskState
from app.ui.screens.run import RunScreen
from app.ui.widgets.page import Page
from app.ui.widgets.tabs import TabRow
from app.ui.widgets.tail import TailView
from tests.ui import canned
from tests.ui.answering import Feed, press
from tests.ui.conftest import room_over
from tests.ui.driving import rest, screen_text, settle
from tests.ui.fakes import FakeClient
from tests.ui.parts import (
    ME,
    NOW,
    make_attempt,
    make_chunks,
    make_gate,
)


class Journal(FakeClient):
    """A client that also has events."""

    def __init__(self, *runs: RunState) -> None:
        super().__init__(*runs)
        self.journal: list[Event] = []
        self.asked: list[tuple[int, int]] = []
        self.diffed: list[tuple[str, int]] = []
        self.fails: Refused | None = None

    async def events(
        self, run_id: RunId | None = None, after: int = 0, limit: int = 1000
    ) -> Sequence[Event]:
        self.asked.append((after, limit))
        if self.fails is not None:
            raise self.fails
        return [e for e in self.journal if e.seq > after and e.run_id == run_id][:limit]

    async def diff(self, run_id: RunId, step: str = "", attempt: int = 0, branch: str = "") -> str:
        self.diffed.append((step, attempt))
        if self.fails is not None:
            raise self.fails
        return await super().diff(run_id, step, attempt, branch)


def state_changed(state: TaskState, reason: str = "") -> ev.RunStateChanged:
    return ev.RunStateChanged(state=state, reason=reason, by=ME)


@asynccontextmanager
async def shown(
    state: RunState, client: FakeClient | None = None, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[Pilot[None], RunScreen]]:
    room = room_over(client or FakeClient(state), run_id=state.run.run_id)
    async with room.run_test(size=size, notifications=True) as pilot:
        await settle(pilot)
        await rest(pilot)
        screen = room.screen
        assert isinstance(screen, RunScreen)
        yield pilot, screen


def text_of(screen: RunScreen) -> str:
    return screen_text(screen.room)


def reading(screen: RunScreen) -> str:
    return "\n".join(row.text for row in screen.query_one("#text", Page).rows)


async def test_the_head_says_what_how_and_since_when() -> None:
    state = canned.blocked_run()
    client = Journal(state)
    feed = Feed(client)
    run_id = state.run.run_id
    client.journal = [
        feed.event(run_id, state_changed(TaskState.IN_PROGRESS)),
        feed.event(run_id, state_changed(TaskState.BLOCKED, "gate")),
    ]
    async with shown(state, client) as (_, screen):
        text = text_of(screen)
        for words in (
            "■ blocked",
            "port the parser",
            "gate tests of step implement failed 3 times",
            "run-0007 · trace trace-0007 · change · 12m",
        ):
            assert words in text
        line = next(line for line in text.splitlines() if "queued" in line)
        assert [part.split()[0] for part in line.split(" → ")] == ["queued", "in", "blocked"]


@pytest.mark.parametrize(
    ("state", "item", "tab"),
    [
        (canned.blocked_run(), "implement//0/2", "gates"),
        (canned.running_run(), "plan//0/1", "log"),
        (canned.review_run(), "rv-0006-2", "output"),
        (canned.failed_run(), "plan//0/1", "output"),
        (canned.done_run(), "run", "output"),
        (canned.pending_run(), "run", "output"),
    ],
)
async def test_it_begins_with_what_tells_most(state: RunState, item: str, tab: str) -> None:
    async with shown(state) as (_, screen):
        assert (screen.chosen, screen._tab) == (item, tab)


async def test_every_attempt_and_round_has_a_row() -> None:
    async with shown(canned.review_run()) as (pilot, screen):
        text = text_of(screen)
        for words in (
            "whole run",
            "↩ sent back plan 1",
            "✓ passed    plan 2 · after a reject",
            "↩ sent back plan-review 1 · of plan 1",
            "◆ review    plan-review 2 · of plan 2",
            "○ to do     implement",
        ):
            assert words in text
        seen = [screen.chosen]
        await press(pilot, "j")
        await press(pilot, "j")
        assert screen.chosen == "step:implement"
        assert reading(screen) == "not begun yet"
        for _ in range(7):
            await press(pilot, "k")
            seen.append(screen.chosen)
        assert seen[-1] == "run"
        assert "Request" in reading(screen)


async def test_the_answers_of_reviewing_agents_have_rows_of_their_own() -> None:
    state = canned.review_run()
    session = state.session_of("plan-review")
    answer = make_attempt("plan-review", 1, AttemptState.PASSED, output="{}", session=session)
    attempts = state.attempts.set(answer.key, answer)
    async with shown(replace(state, attempts=attempts)) as (_, screen):
        assert "✓ passed    plan-review 1 · answer of critic" in text_of(screen)


async def test_output_gates_and_the_verdicts_of_a_row() -> None:
    async with shown(canned.review_run()) as (pilot, screen):
        assert "Retries every error, also 404." in reading(screen)
        await press(pilot, "k", "k")
        assert reading(screen).startswith("# Plan\n1. Wrap")
        await press(pilot, "g")
        assert reading(screen) == "no gate was evaluated"
    async with shown(canned.blocked_run()) as (pilot, screen):
        assert "✗ tests failed  implement 2 · exit 1 · 12s · 56 bytes of log" in reading(screen)
        assert "1 failed, 41 passed" in reading(screen)
        await press(pilot, "g", "k", "k", "k", "k", "k", "k")
        assert reading(screen).count("tests failed") == 2, "the whole run has all gates"
    async with shown(canned.failed_run()) as (_, screen):
        assert reading(screen) == "unauthorized\ncodex is not logged in: run `codex login`"


async def test_gates_that_did_not_end_by_themselves() -> None:
    state = canned.blocked_run()
    key = "implement//0/2"
    gate = make_gate(False, "")
    for update, words in (
        ({"timed_out": True, "exit_code": None}, "timed out"),
        ({"exit_code": None}, "did not end by itself"),
    ):
        attempt = replace(state.attempts[key], gates=(gate.model_copy(update=update),))
        changed = replace(state, attempts=state.attempts.set(key, attempt))
        async with shown(changed) as (_, screen):
            assert words in reading(screen)
            assert "(no output)" in reading(screen)


async def test_diffs_of_an_attempt_and_of_the_whole_run() -> None:
    state = canned.blocked_run()
    client = Journal(state)
    async with shown(state, client) as (pilot, screen):
        await press(pilot, "f")
        await rest(pilot)
        assert reading(screen) == "no difference"
        await press(pilot, "k", "k", "k", "k")
        await rest(pilot)
        assert client.diffed == [("implement", 2), ("implement", 1), ("plan", 1), ("", 0)]
        assert "+     for wait in (1, 2, 4, 8):" in reading(screen)
        await press(pilot, "j", "k")
        assert len(client.diffed) == 4, "what was read is kept"
        client.diffs["", 0] = ""
        await press(pilot, "f")
        await rest(pilot)
        assert reading(screen) == "no difference", "pressed again it is read anew"
        client.fails = Refused("the workspace is gone")
        await press(pilot, "f")
        await rest(pilot)
        assert reading(screen) == "the workspace is gone"


async def test_a_step_that_has_not_begun_has_no_diff() -> None:
    state = canned.running_run()
    client = Journal(state)
    async with shown(state, client) as (pilot, screen):
        await press(pilot, "j", "f")
        await rest(pilot)
        assert reading(screen) == "not begun yet"
        assert client.diffed == []


async def test_the_log_is_the_session_of_the_row() -> None:
    state = canned.review_run()
    client = FakeClient(state, tails=canned.story(state))
    async with shown(state, client) as (pilot, screen):
        await press(pilot, "k", "k", "l")
        assert "no session took part in this" in text_of(screen), "of version 2 none is known"
        await press(pilot, "k", "k", "k")
        assert screen.chosen == "run"
        assert "● I will wrap upload()" in text_of(screen)


async def test_a_finished_session_is_read_from_the_store() -> None:
    state = canned.done_run()
    client = FakeClient(state)
    session = next(iter(state.sessions.values()))
    client.older = make_chunks(session, canned.STORY * 4)
    async with shown(state, client) as (pilot, screen):
        await press(pilot, "l")
        await rest(pilot)
        assert "● I will wrap upload()" in text_of(screen)
        await press(pilot, "pageup")
        assert not screen.query_one("#log", TailView).following
        await press(pilot, "end")
        assert screen.query_one("#log", TailView).following
        await press(pilot, "home")
        assert not screen.query_one("#log", TailView).following


async def test_events_are_read_in_pages_and_go_on() -> None:
    state = canned.running_run()
    client = Journal(state)
    feed = Feed(client)
    run_id = state.run.run_id
    attempt = next(iter(state.attempts.values()))
    turn = ev.TurnEnded(session_id=SessionId("s"), turn=1, status="completed")
    client.journal = [feed.event(run_id, turn) for _ in range(1_000)]
    client.journal.append(feed.event(run_id, ev.AttemptStarted(attempt=attempt)))
    async with shown(state, client) as (pilot, screen):
        first = client.journal[0].seq - 1
        assert client.asked == [(0, 1_000), (first + 1_000, 1_000)]
        await press(pilot, "e")
        assert reading(screen).split("  ", 1)[1] == "attempt started  plan 1, first"
        await press(pilot, "k", "k")
        assert reading(screen).count("turn ended") == 1_000
        page = screen.query_one("#text", Page)
        assert page.scroll_offset.y == page.max_scroll_y > 900, "the newest are in sight"
        client.journal.append(feed.event(run_id, state_changed(TaskState.BLOCKED, "stuck")))
        client.push(client_item(client.journal[-1]))
        await rest(pilot)
        assert "run blocked  stuck (mara)" in reading(screen)
        assert page.scroll_offset.y == page.max_scroll_y > 900, "and it goes along with them"
        await press(pilot, "home")
        client.journal.append(feed.event(run_id, state_changed(TaskState.IN_PROGRESS, "on")))
        client.push(client_item(client.journal[-1]))
        await rest(pilot)
        assert page.scroll_offset.y == 0, "but not under the eyes of a reader"
        client.fails = Refused("the journal cannot be read")
        await press(pilot, "e")
        await rest(pilot)
        assert "the journal cannot be read" in text_of(screen)


def client_item(event: Event):  # type: ignore[no-untyped-def]
    from app.domain.feed import Committed

    return Committed(events=(event,))


async def test_cancel_asks_and_retry_is_there_when_it_helps() -> None:
    state = canned.blocked_run()
    client = FakeClient(state)
    async with shown(state, client) as (pilot, screen):
        await press(pilot, "t")
        assert client.commands == [RetryRun(run_id=state.run.run_id, by=ME)]
        await press(pilot, "x", *"enough")
        assert len(client.commands) == 1
        await press(pilot, "escape", "x", "enter")
        await rest(pilot)
        assert client.commands[1:] == [CancelRun(run_id=state.run.run_id, reason="enough", by=ME)]
        assert screen.app.screen is screen
    for done in (canned.done_run(), canned.canceled_run()):
        client = FakeClient(done)
        async with shown(done, client) as (pilot, screen):
            await press(pilot, "t", "x", "s", "a", "r")
            assert (client.commands, screen.app.screen) == ([], screen)


async def test_say_reaches_the_session_at_work() -> None:
    state = canned.running_run()
    client = FakeClient(state)
    async with shown(state, client) as (pilot, _):
        await press(pilot, "s", *"hi", "enter")
        await rest(pilot)
        (command,) = client.commands
        assert isinstance(command, SteerSession)
        assert (command.session_id, command.text) == ("s-0002-plan", "hi")


async def test_keys_lead_to_what_waits() -> None:
    async with shown(canned.waiting_run()) as (pilot, screen):
        assert screen.check_action("go", ("reviews",)) is False
        await press(pilot, "a")
        await rest(pilot)
        assert type(screen.app.screen).__name__ == "ApprovalsScreen"
    async with shown(canned.review_run()) as (pilot, screen):
        assert screen.check_action("go", ("approvals",)) is False
        await press(pilot, "r")
        await rest(pilot)
        assert type(screen.app.screen).__name__ == "ReviewsScreen"


async def test_larger_and_back() -> None:
    async with shown(canned.blocked_run()) as (pilot, screen):
        before = screen.query_one("#text", Page).size.height
        await press(pilot, "enter")
        await rest(pilot)
        assert screen.query_one("#text", Page).size.height > before + 6
        await press(pilot, "escape")
        await rest(pilot)
        assert screen.query_one("#text", Page).size.height == before
        await press(pilot, "escape")
        assert screen.app.screen is not screen


async def test_mouse_chooses_rows_and_tabs() -> None:
    async with shown(canned.blocked_run()) as (pilot, screen):
        await pilot.click(TabRow, offset=(2, 0))
        await press(pilot)
        assert screen._tab == "output"
        await pilot.click("#steps", offset=(20, 1))
        await press(pilot)
        assert screen.chosen == "plan//0/1"
        assert reading(screen).startswith("# Plan")
        await pilot.click("#steps", offset=(20, 1), times=2)
        await press(pilot)
        assert screen.has_class("-full")


async def test_a_row_that_is_read_stays_while_the_run_goes_on() -> None:
    state = canned.running_run()
    client = FakeClient(state)
    feed = Feed(client)
    attempt = next(iter(state.attempts.values()))
    again = replace(attempt, attempt=2, cause=Cause.RETRY, started_at=NOW)
    async with shown(state, client) as (pilot, screen):
        feed.push(state, ev.AttemptStarted(attempt=again))
        await rest(pilot)
        assert screen.chosen == "plan//0/2", "nobody reads: it goes along"
        await press(pilot, "k", "pageup")
        assert screen.chosen == "plan//0/1"
        third = replace(attempt, attempt=3, started_at=NOW)
        feed.push(state, ev.AttemptStarted(attempt=third))
        await rest(pilot)
        assert screen.chosen == "plan//0/1"


async def test_a_run_that_the_snapshot_leaves_out_stays_on_screen() -> None:
    state = canned.done_run()
    client = FakeClient(state)
    async with shown(state, client) as (pilot, screen):
        client.states = {}
        client.push(client.snapshot())
        await rest(pilot)
        assert "fix the typo in the README" in text_of(screen)
