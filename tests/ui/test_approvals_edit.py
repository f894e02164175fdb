"""Changing a call before it is allowed: its key, its dialog, the card that comes of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from app.domain import events as ev
from app.domain.base import ApprovalId
from app.domain.commands import DecideApproval, EditApproval
from app.domain.errors import Refused
from app.domain.request import Risk
from app.domain.run import RunState
from app.ui.screens.approvals import ApprovalsScreen
from app.ui.screens.deciding import DecidingScreen
from app.ui.widgets.edit_call import EditCall
from tests.ui import canned
from tests.ui.answering import Feed, Ticker, awake, press, wait
from tests.ui.conftest import MakeRoom, room_over
from tests.ui.driving import rest, screen_text
from tests.ui.fakes import FakeClient
from tests.ui.parts import ME
from tests.ui.pictures import SIZES, Compare, on, utc

__all__ = ["utc"]
Size = tuple[int, int]
KEY = ApprovalId("ap-0003-1")


def editable(text: str | None = None) -> RunState:
    """A run that waits with a call which can be changed."""
    state = canned.waiting_run()
    approval = state.approvals[KEY]
    changed = approval.model_copy(update={"editable": text or approval.call.command})
    return replace(state, approvals=state.approvals.set(KEY, changed))


def edited(state: RunState) -> ev.ApprovalEdited:
    call = state.approvals[KEY].call.model_copy(
        update={"command": "git push origin HEAD:retry", "title": "git push origin HEAD:retry"}
    )
    return ev.ApprovalEdited(
        approval_id=KEY,
        call=call,
        text="git push origin HEAD:retry",
        risk=Risk.HIGH,
        risk_reasons=("publishes commits",),
        by=ME,
    )


async def test_e_changes_the_call_and_allows_nothing() -> None:
    state = editable("  git push\n")
    client, ticker = FakeClient(state), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        await press(pilot, "e", *" origin", "enter")
        await rest(pilot)
        (command,) = client.commands
        assert isinstance(command, EditApproval)
        # Blanks stay, and so does the end of the last line.
        assert (command.approval_id, command.revision) == (KEY, 1)
        assert command.text == "  git push\n origin\n"
        assert screen.app.screen is screen


async def test_the_changed_call_is_another_card_with_its_half_second() -> None:
    state = editable()
    client, ticker = FakeClient(state), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        Feed(client).push(state, edited(state))
        await rest(pilot)
        await press(pilot, "y")
        assert client.commands == [], "nobody has read it yet"
        assert "git push origin HEAD:retry" in screen_text(screen.room)
        await wait(pilot, screen, ticker, 0.5)
        await press(pilot, "y")
        (command,) = client.commands
        assert isinstance(command, DecideApproval) and command.revision == 2


async def test_a_refused_change_is_kept_and_said() -> None:
    client, ticker = FakeClient(editable()), Ticker()
    client.refuse = Refused("the call cannot be changed so: no pushes: not from here")
    async with room_over(client).run_test(notifications=True) as pilot:
        screen = await awake(pilot, "approvals", ticker)
        await press(pilot, "e", "x", "enter")
        await rest(pilot)
        assert isinstance(screen.app.screen, EditCall)
        assert "not from here" in screen_text(screen.room)
        assert [text for text in screen.room.drafts.values() if text.endswith("x")]


async def test_a_call_that_takes_a_yes_or_a_no_has_no_such_key() -> None:
    client, ticker = FakeClient(canned.waiting_run()), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        assert isinstance(screen, ApprovalsScreen) and not screen.check_action(
            "answer_with", ("edit", "")
        )
        await press(pilot, "e")
        assert screen.app.screen is screen and client.commands == []


@pytest.mark.usefixtures("utc")
@SIZES
def test_dialog(snap_compare: Compare, make_room: MakeRoom, size: Size) -> None:
    room = make_room(editable())
    assert snap_compare(room, terminal_size=size, run_before=on("approvals", "e"))


@pytest.mark.usefixtures("utc")
@SIZES
def test_changed_card(snap_compare: Compare, size: Size) -> None:
    state = editable()
    client = FakeClient(state)

    async def then(pilot: Pilot[None], screen: DecidingScreen, ticker: Ticker) -> None:
        Feed(client).push(state, edited(state))
        await rest(pilot)
        await wait(pilot, screen, ticker, 0.5)

    assert snap_compare(
        room_over(client), terminal_size=size, run_before=on("approvals", then=then)
    )
