from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import cast

import pytest
from msgspec.structs import replace
from rich.cells import cell_len

from app.domain import events as ev
from app.domain.errors import Refused, StoreError
from app.domain.events import Event
from app.domain.feed import Committed, Ended, StatusChanged, Streamed
from app.domain.run import RunState
from app.domain.session import Chunk, ChunkKind
from app.link.client import Client
from app.ui.app import ControlRoom
from app.ui.screens.dialogs import AskText, Confirm, PromptArea
from app.ui.screens.small import SmallScreen
from app.ui.screens.watch import WatchScreen
from app.ui.widgets.panes import PaneGrid
from app.ui.widgets.run_list import RunList
from tests.support.waiting import until
from tests.ui import canned
from tests.ui.conftest import room_over
from tests.ui.driving import press, rest, screen_text, settle
from tests.ui.fakes import FakeClient
from tests.ui.parts import ME, NOW, make_status

Size = tuple[int, int]


def selected(room: ControlRoom) -> str | None:
    return room.screen.query_one(RunList).selected


def hosting(client: FakeClient) -> FakeClient:
    client.hosts = True
    return client


async def test_the_run_that_needs_a_person_is_selected_first_until_somebody_moves() -> None:
    running, waiting = canned.running_run(2), canned.waiting_run(3)
    client = FakeClient(running)
    room = room_over(client)
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert selected(room) == running.run.run_id
        client.push(client_snapshot(client, running, waiting))
        await rest(pilot)
        assert selected(room) == waiting.run.run_id
        await press(pilot, "j")
        assert selected(room) == running.run.run_id
        client.push(client_snapshot(client, running, waiting, canned.uncertain_run(4)))
        await rest(pilot)
        assert selected(room) == running.run.run_id, "the selection stays with its run"
        await press(pilot, "k", "up", "up")
        assert selected(room) == "run-0004"
        await press(pilot, "down")
        assert selected(room) == "run-0003"


def client_snapshot(client: FakeClient, *runs: RunState):  # type: ignore[no-untyped-def]
    client.states = {state.run.run_id: state for state in runs}
    return client.snapshot()


async def test_what_an_agent_says_reaches_its_pane() -> None:
    state = canned.running_run()
    client = FakeClient(state, tails=canned.story(state))
    room = room_over(client)
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        session = next(iter(state.sessions))
        chunk = Chunk(
            session_id=session, ordinal=8, kind=ChunkKind.MESSAGE, text="here it is", at=NOW
        )
        client.push(Streamed(chunks=(chunk,)))
        await rest(pilot)
        assert "● here it is" in screen_text(room)


async def test_the_bell_rings_for_what_is_new_and_not_for_what_was_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = canned.waiting_run(3), canned.running_run(4)
    client = FakeClient(first, second)
    room = room_over(client)
    rung = list[int]()
    monkeypatch.setattr(room, "bell", lambda: rung.append(1))
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert rung == []
        blocked = ev.RunStateChanged(state=canned.blocked_run().run.state, reason="gate", by=ME)
        event = Event(seq=121, at=NOW, run_id=second.run.run_id, payload=blocked)
        client.push(Committed(events=(event,)))
        await rest(pilot)
        assert rung == [1]
        assert "+1 more" in screen_text(room)


async def test_a_pinned_pane_stays_when_the_selection_moves() -> None:
    first, second = canned.running_run(2, "first"), canned.running_run(3, "second")
    room = room_over(FakeClient(first, second))
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        grid = room.screen.query_one(PaneGrid)
        shown = grid.panes[0].content
        await press(pilot, "1", "j")
        assert grid.panes[0].content == shown
        assert "pinned" in screen_text(room)
        await press(pilot, "1")
        after = grid.panes[0].content
        assert after is not None and shown is not None and after.run_id != shown.run_id
        await press(pilot, "4")
        assert grid.pins == {}, "a pane that is not there cannot be pinned"


@pytest.mark.parametrize(("size", "panes"), [((80, 24), 1), ((160, 48), 2), ((250, 70), 4)])
async def test_as_many_panes_as_there_is_room_for(size: Size, panes: int) -> None:
    room = room_over(FakeClient(*canned.many_runs()))
    async with room.run_test(size=size) as pilot:
        await settle(pilot)
        grid = room.screen.query_one(PaneGrid)
        assert sum(bool(pane.display) for pane in grid.panes) == panes


async def test_a_terminal_that_is_too_small_says_so_and_recovers() -> None:
    room = room_over(FakeClient(canned.running_run()))
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "n", *"draft")
        await pilot.resize_terminal(20, 5)
        await rest(pilot)
        assert isinstance(room.screen, SmallScreen)
        assert "too small" in screen_text(room)
        await press(pilot, "escape", "x", "n", "question_mark")
        assert isinstance(room.screen, SmallScreen)
        await pilot.resize_terminal(100, 30)
        await rest(pilot)
        assert isinstance(room.screen, AskText)
        assert room.screen.query_one(PromptArea).text == "draft"


async def test_it_also_recovers_from_under_another_screen() -> None:
    room = room_over(hosting(FakeClient(canned.running_run())))
    async with room.run_test(size=(30, 8)) as pilot:
        await settle(pilot)
        assert isinstance(room.screen, SmallScreen)
        await press(pilot, "q")
        assert isinstance(room.screen, Confirm)
        await pilot.resize_terminal(80, 24)
        await rest(pilot)
        await press(pilot, "n")
        assert isinstance(room.screen, WatchScreen)


async def test_a_problem_of_the_store_is_on_a_banner_until_it_is_gone() -> None:
    client = FakeClient(canned.running_run(), problem="disk full")
    room = room_over(client)
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "⚠ disk full" in screen_text(room)
        client.push(StatusChanged(status=make_status()))
        await rest(pilot)
        assert "disk full" not in screen_text(room)


async def test_a_lost_connection_is_on_the_banner_and_heals() -> None:
    client = FakeClient(canned.running_run())
    room = room_over(client)
    again = asyncio.Event()

    async def until_told(seconds: float) -> None:
        await again.wait()

    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        room.bridge.pause = until_told
        client.push(Ended(why="it stops"))
        await rest(pilot)
        assert "connection lost (it stops), trying again" in screen_text(room)
        again.set()
        await rest(pilot)
        assert "connection lost" not in screen_text(room) and client.feeds == 2


async def test_a_connect_error_closes_the_room_with_its_sentence() -> None:
    async def connect() -> Client:
        raise StoreError("/s: the store is from a newer version; update Longwatch")

    room = ControlRoom(connect)
    async with room.run_test(size=(80, 24)):
        await until(lambda: room.failure)
    assert room.failure == "/s: the store is from a newer version; update Longwatch"
    assert room.return_code == 1


async def test_times_go_on_while_nothing_happens() -> None:
    room = room_over(FakeClient(canned.running_run()))
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "12m" in screen_text(room)
        room.now = lambda: NOW + timedelta(hours=1)
        cast(WatchScreen, room.screen)._ticked()
        await rest(pilot)
        assert "1h12" in screen_text(room)


HOSTILE = "[/foo] \x1b]52;c;ZXZpbA==\x07 [bold red]title[/] \u202egnp.exe"


async def test_hostile_titles_and_reasons_are_only_text() -> None:
    state = canned.waiting_run()
    request = state.run.request.model_copy(update={"text": HOSTILE})
    run = state.run.model_copy(update={"request": request})
    approval = next(iter(state.approvals.values()))
    call = approval.call.model_copy(update={"title": HOSTILE})
    asked = approval.model_copy(update={"call": call})
    approvals = state.approvals.set(approval.approval_id, asked)
    hostile = replace(state, run=run, approvals=approvals)
    client = FakeClient(hostile, problem=HOSTILE)
    client.refuse = Refused(HOSTILE)
    room = room_over(client)
    async with room.run_test(size=(160, 48), notifications=True) as pilot:
        await settle(pilot)
        await press(pilot, "x", "enter")
        text = screen_text(room)
        assert "[bold red]title[/]" in text
        assert "\x1b" not in text and "\u202e" not in text and "\x07" not in text
        await press(pilot, "escape", "ctrl+p", *"open")
        await pilot.pause(0.5)
        assert "\x1b" not in screen_text(room)


async def test_wide_characters_push_nothing_off_the_screen() -> None:
    wide = "請確認部署流程與審批策略" * 4
    waiting = canned.waiting_run(3)
    request = waiting.run.request.model_copy(update={"text": wide})
    run = waiting.run.model_copy(update={"request": request})
    [approval] = waiting.approvals.values()
    call = approval.call.model_copy(update={"title": wide})
    asks = {approval.approval_id: approval.model_copy(update={"call": call})}
    state = replace(waiting, run=run, approvals=asks)
    room = room_over(FakeClient(state))
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        rows = screen_text(room).split("\n")
        assert rows[1].startswith(" ! approval") and rows[1].endswith("…  a approvals")
        [pane] = [row for row in rows if row.startswith(" 1 ")]
        assert wide[:10] in pane and "…  implement · codex · waiting" in pane
        assert all(cell_len(row) <= 80 for row in rows)


async def test_a_terminal_of_sixteen_colours_gets_plain_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLORTERM")
    monkeypatch.setenv("TERM", "linux")
    room = room_over(FakeClient(canned.running_run()))
    assert room.theme == "longwatch-16"
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "add retry" in screen_text(room)


async def test_without_colour_state_is_still_told_by_glyph_and_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    room = room_over(FakeClient(*canned.many_runs()))
    async with room.run_test(size=(80, 64)) as pilot:
        await settle(pilot)
        text = screen_text(room)
        for words in ("! approval", "◆ review", "● working", "■ blocked", "✗ failed"):
            assert words in text


async def test_a_finished_run_shows_what_was_said_though_no_snapshot_has_it() -> None:
    done = canned.done_run()
    client = FakeClient(done)
    newest = list(done.sessions.values())[-1]
    client.older = [
        Chunk(
            session_id=newest.session_id,
            ordinal=1,
            kind=ChunkKind.MESSAGE,
            text="All done.\n",
            at=NOW,
        )
    ]
    room = room_over(client)
    async with room.run_test(size=(160, 48)) as pilot:
        await settle(pilot)
        assert "All done." in screen_text(room)
