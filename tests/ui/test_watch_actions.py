from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from textual.binding import Binding, BindingType
from textual.command import CommandList
from textual.screen import Screen
from textual.widgets import Static

from app.domain.base import RunId
from app.domain.commands import CancelRun, RetryRun, StartRun, SteerSession
from app.domain.errors import Refused
from app.domain.request import Request
from app.domain.run import Run, RunState
from app.link.client import Client
from app.ui.app import ControlRoom
from app.ui.keys import reading_keys
from app.ui.marks import NEEDS
from app.ui.screens.dialogs import AskText, Confirm, PromptArea
from app.ui.screens.help import MEANS, SAYS, HelpScreen
from app.ui.screens.run import RunScreen
from app.ui.screens.small import SmallScreen
from app.ui.screens.watch import WatchScreen
from app.ui.widgets.panes import PaneGrid
from app.ui.widgets.run_list import RunList
from tests.support.waiting import until
from tests.ui import canned
from tests.ui.conftest import room_over
from tests.ui.driving import press, rest, screen_text, settle, until_shown
from tests.ui.fakes import FakeClient
from tests.ui.parts import ME

Size = tuple[int, int]


def hosting(client: FakeClient) -> FakeClient:
    client.hosts = True
    return client


async def test_a_new_run_is_started_where_the_window_was_opened() -> None:
    client = FakeClient()
    room = room_over(client)
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert 'No runs yet. Start one: n, or `longwatch run "…"`' in screen_text(room)
        await press(pilot, "n", *"add retry", "ctrl+j", *"soon", "enter")
        assert client.commands == [
            StartRun(
                request=Request(text="add retry\nsoon", user="mara", channel="screen"),
                project="/home/mara/uploader",
            )
        ]
        assert isinstance(room.screen, WatchScreen)


async def test_typed_text_survives_esc_and_a_refusal() -> None:
    client = FakeClient()
    room = room_over(client)
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "n", *"half a", "escape")
        assert isinstance(room.screen, WatchScreen)
        await press(pilot, "n")
        assert room.screen.query_one(PromptArea).text == "half a"
        client.refuse = Refused("no route fits this request")
        await press(pilot, *" word", "enter")
        assert isinstance(room.screen, AskText), "the dialog stays open"
        assert room.screen.query_one(PromptArea).text == "half a word"
        client.refuse = None
        await press(pilot, "enter")
        assert [c.request.text for c in client.commands if isinstance(c, StartRun)] == [
            "half a word"
        ]
        await press(pilot, "n")
        assert room.screen.query_one(PromptArea).text == "", "a draft that was sent is gone"


async def test_nothing_is_sent_for_an_empty_text() -> None:
    client = FakeClient()
    room = room_over(client)
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "n", "space", "enter")
        assert client.commands == [] and isinstance(room.screen, AskText)


async def test_cancel_asks_and_takes_a_reason() -> None:
    client = FakeClient(canned.running_run())
    room = room_over(client)
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "x", "escape")
        assert client.commands == []
        await press(pilot, "x", *"wrong repo", "enter")
        assert client.commands == [
            CancelRun(run_id=canned.running_run().run.run_id, reason="wrong repo", by=ME)
        ]


async def test_retry_is_for_what_stands_still() -> None:
    client = FakeClient(canned.blocked_run())
    room = room_over(client)
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "t")
        assert client.commands == [RetryRun(run_id=canned.blocked_run().run.run_id, by=ME)]
        assert "Retry" in screen_text(room)


async def test_keys_that_do_not_apply_are_neither_shown_nor_heard() -> None:
    client = FakeClient(canned.done_run())
    room = room_over(client)
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "t", "x", "s")
        assert client.commands == [] and isinstance(room.screen, WatchScreen)
        footer = screen_text(room).splitlines()[-1]
        assert "Open" in footer
        assert not {"Retry", "Cancel", "Say"} & set(footer.split())


async def test_saying_something_to_the_agent_at_work() -> None:
    state = canned.running_run()
    client = FakeClient(state)
    room = room_over(client)
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "s", *"use jitter", "enter")
        session_id = next(iter(state.sessions))
        said = SteerSession(
            run_id=state.run.run_id, session_id=session_id, text="use jitter", by=ME
        )
        assert client.commands == [said]
        await press(pilot, "s", *"look", "ctrl+j", *"attach: a b.png", "enter")
        await press(pilot, "n", *"attach: /tmp/c.txt", "enter")
        attached = said.model_copy(
            update={"text": "look", "attach": ("/home/mara/uploader/a b.png",)}
        )
        assert client.commands[1] == attached
        started = client.commands[2]
        assert isinstance(started, StartRun)
        assert (started.request.text, started.attach) == (
            "See the attached files.",
            ("/tmp/c.txt",),
        )


@pytest.mark.parametrize("answer", ["n", "escape"])
async def test_quitting_asks_when_runs_would_stop(answer: str) -> None:
    room = room_over(hosting(FakeClient(canned.running_run())))
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "q")
        assert isinstance(room.screen, Confirm)
        said = str(room.screen.query_one(".dialog-text", Static).content)
        assert "Once it is closed, `longwatch up --detach`" in said
        await press(pilot, answer)
        assert isinstance(room.screen, WatchScreen) and room.is_running
        await press(pilot, "q", "y")
    assert room.return_code == 0


@pytest.mark.parametrize("state", [canned.running_run(), canned.done_run()], ids=["live", "done"])
async def test_quitting_does_not_ask_when_nothing_stops(state: RunState) -> None:
    client = FakeClient(state)
    room = room_over(client if state.run.ended_at is None else hosting(client))
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("q")
        await pilot.pause()
        assert not isinstance(room.screen, Confirm)
    assert room.return_code == 0


async def test_help_lists_the_keys_of_the_screen_underneath() -> None:
    room = room_over(FakeClient(canned.blocked_run()))
    async with room.run_test(size=(100, 60)) as pilot:
        await settle(pilot)
        await press(pilot, "question_mark")
        assert isinstance(room.screen, HelpScreen)
        text = screen_text(room)
        for words in ("Keys on Watch", "Retry", "Go to what is most urgent", "PgUp", "1-4"):
            assert words in text
        await press(pilot, "escape")
        assert isinstance(room.screen, WatchScreen)
        await press(pilot, "escape")
        assert isinstance(room.screen, WatchScreen), "on the first screen Esc stays"


def first_found(room: ControlRoom) -> str:
    """What the palette has found that comes first."""
    found = room.screen.query_one(CommandList)
    return str(found.get_option_at_index(0).prompt) if found.option_count else ""


async def test_the_palette_runs_a_key_s_action() -> None:
    client = FakeClient(canned.blocked_run())
    room = room_over(client)
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "ctrl+p", *"retry")
        await until(lambda: first_found(room).startswith("Retry"))
        await press(pilot, "enter")
        await rest(pilot)
        assert [type(command) for command in client.commands] == [RetryRun]


async def test_the_palette_finds_a_run_by_its_id_and_how_it_stands() -> None:
    blocked, done = canned.blocked_run(), canned.done_run()
    for words in (blocked.run.run_id, "blocked"):
        room = room_over(FakeClient(blocked, done))
        async with room.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            await press(pilot, "ctrl+p", *words)
            await until_shown(pilot, f"blocked · {blocked.run.run_id}")
            await press(pilot, "enter")
            assert isinstance(room.screen, RunScreen) and room.screen.run_id == blocked.run.run_id


class Remembers(FakeClient):
    """Has runs that are over for so long that no snapshot brings them."""

    def __init__(self, *states: RunState, long_over: RunState) -> None:
        super().__init__(*states)
        self.long_over = long_over

    async def runs(self, limit: int = 200, trace: str = "") -> Sequence[Run]:
        return [*await super().runs(limit, trace), self.long_over.run][:limit]

    async def run(self, run_id: RunId) -> RunState:
        return self.long_over if run_id == self.long_over.run.run_id else await super().run(run_id)


@pytest.mark.parametrize("keys", ["slash", "ctrl+p"])
async def test_a_run_that_is_in_no_list_any_more_is_found(keys: str) -> None:
    older = canned.done_run(77)
    room = room_over(Remembers(canned.blocked_run(), long_over=older))
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert older.run.run_id not in room.view.runs
        await press(pilot, keys, *older.run.run_id)
        await until_shown(pilot, f"✓ done · {older.run.run_id}")
        await press(pilot, "enter")
        assert isinstance(room.screen, RunScreen) and room.screen.run_id == older.run.run_id


async def test_what_finds_runs_finds_nothing_else_and_shows_all_of_them_first() -> None:
    room = room_over(FakeClient(canned.blocked_run(), canned.done_run()))
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "slash")
        await until_shown(pilot, f"✓ done · {canned.done_run().run.run_id}")
        assert "Find a run by its title" in screen_text(room)
        found = room.screen.query_one(CommandList)
        assert found.option_count == 2


async def test_end_follows_a_paused_pane_before_it_leads_to_the_last_run() -> None:
    run = canned.running_run()
    room = room_over(FakeClient(run, canned.done_run(), tails=canned.story(run)))
    async with room.run_test(size=(80, 18)) as pilot:
        await settle(pilot)
        pane = room.screen.query_one(PaneGrid).panes[0].tail_view
        assert "↑ more · " in screen_text(room)
        await press(pilot, "pageup")
        assert "paused · End to follow" in screen_text(room)
        await press(pilot, "end")
        selected = room.screen.query_one(RunList)
        assert pane.following and selected.selected == run.run.run_id
        await press(pilot, "end")
        assert selected.selected == canned.done_run().run.run_id
        await press(pilot, "home")
        assert selected.selected == run.run.run_id


async def test_before_anything_is_known_nothing_is_said_of_what_waits() -> None:
    never = asyncio.Event()

    async def connect() -> Client:
        await never.wait()
        raise AssertionError

    room = ControlRoom(connect)
    async with room.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "state       run")
        assert "connecting…" in screen_text(room)
        assert "nothing waits for you" not in screen_text(room)


async def test_the_palette_has_the_keys_that_the_footer_has_no_room_for() -> None:
    room = room_over(FakeClient(canned.running_run()))
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "ctrl+p", *"start its")
        await until_shown(pilot, "Start its agent anew")
        await press(pilot, "escape", "ctrl+p", *"run below")
        await pilot.pause(0.5)
        assert "Run below" not in screen_text(room), "what only moves is no command"


async def test_no_word_of_the_help_is_cut_or_folded() -> None:
    room = room_over(FakeClient(canned.blocked_run()))
    async with room.run_test(size=(80, 120)) as pilot:
        await settle(pilot)
        await press(pilot, "question_mark")
        rows = [row.strip() for row in screen_text(room).split("\n")]
        for text in (*MEANS.values(), *SAYS.values()):
            assert any(row.endswith(text) for row in rows), text
        for mark in NEEDS.values():
            assert any(row.startswith(f"{mark.glyph} {mark.word}") for row in rows), mark


async def test_a_text_is_read_with_the_same_keys_on_every_screen() -> None:
    words = {(b.key, b.action, b.description) for b in map(one_binding, reading_keys("any"))}
    for name in ("approvals", "reviews", "questions", "workflows", "rollouts", "past", "moving"):
        room = room_over(FakeClient(canned.waiting_run()))
        async with room.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            await room.show(name)
            found = {(b.key, b.action, b.description) for b in map(one_binding, of(room.screen))}
            assert words <= found, name
            assert all(hasattr(room.screen, f"action_{a.partition('(')[0]}") for _, a, _ in words)
    found = {(b.key, b.action, b.description) for b in map(one_binding, RunScreen.BINDINGS)}
    assert words <= found


def of(screen: Screen[object]) -> list[BindingType]:
    return list(type(screen).BINDINGS)


def one_binding(binding: BindingType) -> Binding:
    assert isinstance(binding, Binding)
    return binding


async def test_every_binding_has_an_id() -> None:
    room = room_over(FakeClient())
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for screen in (WatchScreen, HelpScreen, AskText, Confirm, SmallScreen, PromptArea):
            own = screen.__dict__["BINDINGS"]
            assert own and all(binding.id for binding in own), screen


async def test_keys_can_be_remapped() -> None:
    client = FakeClient(canned.blocked_run())
    room = room_over(client)
    async with room.run_test(size=(80, 24)) as pilot:
        room.set_keymap({"watch.retry": "y"})
        await settle(pilot)
        await press(pilot, "t")
        assert client.commands == []
        await press(pilot, "y")
        assert [type(command) for command in client.commands] == [RetryRun]


async def test_ctrl_q_leaves_from_everywhere() -> None:
    room = room_over(FakeClient(canned.running_run()))
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "n", *"half", "ctrl+q")
    assert room.return_code == 0 and room.drafts == {"new-run": "half"}
