"""Which key sends which command: for the card that was on screen, with its revision."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from app.domain.approval import Action, ApprovalState, Scope, Settlement
from app.domain.base import ApprovalId
from app.domain.commands import Command, DecideApproval, Done, SettleApproval, Snooze
from app.domain.errors import Refused
from app.domain.persistent import PersistentMap
from app.domain.request import Risk
from app.domain.run import RunState
from app.domain.toolcall import FileChange
from app.ui.screens.approvals import ApprovalsScreen
from app.ui.screens.run import RunScreen
from app.ui.widgets.confirm import AskSure
from app.ui.widgets.page import Page
from app.ui.widgets.queue import PickList
from app.ui.widgets.reason import AskReason
from tests.ui import canned
from tests.ui.answering import Ticker, awake, open_deciding, press, wait
from tests.ui.conftest import room_over
from tests.ui.driving import rest, screen_text
from tests.ui.fakes import FakeClient
from tests.ui.parts import DIFF, ME, NOW


def changed(state: RunState, /, **update: object) -> RunState:
    """The state with its one approval changed."""
    approvals = {k: a.model_copy(update=update) for k, a in state.approvals.items()}
    return replace(state, approvals=PersistentMap(approvals))


def allow(scope: Scope, number: str = "0003", revision: int = 1) -> DecideApproval:
    return DecideApproval(
        approval_id=ApprovalId(f"ap-{number}-1"),
        revision=revision,
        action=Action.ALLOW,
        scope=scope,
        by=ME,
    )


@pytest.mark.parametrize(("key", "scope"), [("y", Scope.ONCE), ("s", Scope.SESSION)])
async def test_one_key_approves_the_card_on_screen(key: str, scope: Scope) -> None:
    client, ticker = FakeClient(changed(canned.waiting_run(), revision=7)), Ticker()
    async with room_over(client).run_test() as pilot:
        await awake(pilot, "approvals", ticker)
        await press(pilot, key)
        assert client.commands == [allow(scope, revision=7)]


async def test_for_half_a_second_no_key_decides() -> None:
    client, ticker = FakeClient(canned.waiting_run()), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await open_deciding(pilot, "approvals", ticker)
        assert "keys in a moment" in screen_text(screen.room)
        for key in ("y", "s", "w", "d", "D", "z", "1", "2", "3"):
            await press(pilot, key)
        await wait(pilot, screen, ticker, 0.49)
        await press(pilot, "y")
        assert client.commands == []
        assert screen.check_action("allow", ("once",)) is None, "its key is dimmed"
        await wait(pilot, screen, ticker, 0.01)
        assert "keys in a moment" not in screen_text(screen.room)
        await press(pilot, "y")
        assert client.commands == [allow(Scope.ONCE)]


@pytest.mark.parametrize(("key", "interrupt"), [("d", False), ("D", True)])
async def test_a_denial_carries_its_reason(key: str, interrupt: bool) -> None:
    client, ticker = FakeClient(canned.waiting_run()), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        await press(pilot, key, *"no push", "ctrl+j", *"ever", "enter")
        await rest(pilot)
        command = client.commands[0]
        assert isinstance(command, DecideApproval)
        assert (command.action, command.interrupt) == (Action.DENY, interrupt)
        assert (command.reason, command.revision) == ("no push\never", 1)
        assert screen.on_top
        assert screen.questions.shown is None


async def test_a_draft_is_kept_for_its_approval() -> None:
    client = FakeClient(canned.waiting_run(3), canned.waiting_edit_run(4))
    ticker = Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        await press(pilot, "d", *"not that", "escape")
        assert screen.on_top
        assert client.commands == []
        await press(pilot, "j")
        await wait(pilot, screen, ticker, 0.5)
        await press(pilot, "d")
        assert text_of(screen.app.screen) == "", "another approval, another draft"
        await press(pilot, "escape", "k")
        await wait(pilot, screen, ticker, 0.5)
        await press(pilot, "D")
        assert text_of(screen.app.screen) == "not that"


def text_of(dialog: object) -> str:
    assert isinstance(dialog, AskReason)
    return dialog.query_one("PromptArea").text  # type: ignore[attr-defined, no-any-return]


async def test_what_is_refused_is_said_and_nothing_is_lost() -> None:
    client, ticker = FakeClient(canned.waiting_run()), Ticker()
    client.refuse = Refused("approval ap-0003-1 has changed meanwhile: read it again")
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        await press(pilot, "y")
        assert "has changed meanwhile: read it again" in screen_text(screen.room)
        assert screen.questions.answerable
        await press(pilot, "d", *"why", "enter")
        await rest(pilot)
        dialog = screen.app.screen
        assert isinstance(dialog, AskReason)
        assert text_of(dialog) == "why"
        client.refuse = None
        await press(pilot, "enter")
        await rest(pilot)
        assert [type(c) for c in client.commands] == [DecideApproval]
        assert screen.on_top


@pytest.mark.parametrize(("key", "scope"), [("y", Scope.ONCE), ("s", Scope.SESSION)])
async def test_critical_risk_needs_another_key(key: str, scope: Scope) -> None:
    client, ticker = FakeClient(changed(canned.waiting_run(), risk=Risk.CRITICAL)), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        await press(pilot, key, key, "enter", "y", "s")
        dialog = screen.app.screen
        assert isinstance(dialog, AskSure)
        await press(pilot, "c")
        assert client.commands == [], "the dialog is deaf for half a second, too"
        ticker.move(0.5)
        await press(pilot, "escape")
        assert (screen.on_top, client.commands) == (True, [])
        await press(pilot, key)
        ticker.move(0.5)
        await press(pilot, "c")
        assert client.commands == [allow(scope)]


async def test_no_rule_is_offered_for_critical_risk() -> None:
    client, ticker = FakeClient(changed(canned.waiting_run(), risk=Risk.CRITICAL)), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        assert screen.check_action("answer_with", ("always", "")) is False
        await press(pilot, "w")
        assert screen.on_top


async def test_always_shows_the_rule_and_what_it_covers_first() -> None:
    past = changed(canned.waiting_run(8), state=ApprovalState.EXECUTED)
    client, ticker = FakeClient(canned.waiting_run(), past), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        await press(pilot, "w")
        dialog = screen.app.screen
        assert isinstance(dialog, AskSure)
        shown = screen_text(screen.room)
        assert 'command_exact = "git push --force origin main"' in shown
        assert "1 earlier call of this project" in shown
        ticker.move(0.5)
        await press(pilot, "w", "y")
        assert client.commands == []
        await press(pilot, "c")
        assert client.commands == [allow(Scope.ALWAYS)]


@pytest.mark.parametrize(
    ("keys", "settlement"),
    [
        (("1", "c"), Settlement.RUN_AGAIN),
        (("2",), Settlement.TREAT_AS_DONE),
        (("3",), Settlement.ABORT),
    ],
)
async def test_an_uncertain_call_is_settled(keys: tuple[str, ...], settlement: Settlement) -> None:
    client, ticker = FakeClient(changed(canned.uncertain_run(), revision=4)), Ticker()
    async with room_over(client).run_test() as pilot:
        await awake(pilot, "approvals", ticker)
        await press(pilot, "y", "s", "w", "d", "D")
        assert client.commands == [], "the keys of a pending approval mean nothing here"
        for key in keys:
            assert client.commands == []
            await press(pilot, key)
            ticker.move(0.5)
        if len(keys) > 1:
            await press(pilot, "c")
        (command,) = client.commands
        assert isinstance(command, SettleApproval)
        assert (command.settlement, command.revision) == (settlement, 4)


async def test_not_now_puts_off_and_brings_back() -> None:
    client, ticker = FakeClient(canned.waiting_run()), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        await press(pilot, "z")
        until = NOW + timedelta(minutes=15)
        assert client.commands == [snooze(until)]
        assert screen.questions.shown is None
        text = screen_text(screen.room)
        assert "No tool call waits for you." in text
        assert "1 put off: j shows it" in text
        await press(pilot, "j")
        assert "git push --force" in screen_text(screen.room)
        await wait(pilot, screen, ticker, 0.5)
        await press(pilot, "z")
        assert client.commands == [snooze(until), snooze(None)]


def snooze(until: datetime | None) -> Snooze:
    return Snooze(item="approval", item_id="ap-0003-1", until=until, by=ME)


class Slow(FakeClient):
    """Answers when it is told to."""

    def __init__(self, *runs: RunState) -> None:
        super().__init__(*runs)
        self.go = asyncio.Event()

    async def execute(self, command: Command) -> Done:
        self.commands.append(command)
        await self.go.wait()
        return Done(message="approved")


async def test_while_an_answer_is_on_its_way_no_second_one_is_sent() -> None:
    client, ticker = Slow(canned.waiting_run(3), canned.waiting_edit_run(4)), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        await press(pilot, "y", "y", "s", "d")
        assert "sending…" in screen_text(screen.room)
        assert client.commands == [allow(Scope.ONCE)]
        client.go.set()
        await press(pilot)
        await wait(pilot, screen, ticker, 0.5)
        await press(pilot, "y")
        assert client.commands == [allow(Scope.ONCE), allow(Scope.ONCE, "0004")]


async def test_nothing_is_sent_without_a_connection() -> None:
    client, ticker = FakeClient(canned.waiting_run()), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        screen.room.bridge.client = None
        await press(pilot, "y")
        assert "not connected yet: nothing was sent" in screen_text(screen.room)
        assert screen.questions.answerable


async def test_the_empty_queue_says_so() -> None:
    client, ticker = FakeClient(canned.running_run()), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        assert "No tool call waits for you." in screen_text(screen.room)
        await press(pilot, "y", "d", "w", "1", "z", "j", "k", "enter", "n", "pagedown")
        assert (client.commands, screen.on_top) == ([], True)
        await press(pilot, "escape")
        assert not screen.on_top


async def test_from_the_empty_queue_one_key_leads_to_what_waits_elsewhere() -> None:
    room = room_over(FakeClient(canned.review_run(), canned.running_run()))
    async with room.run_test() as pilot:
        screen = await awake(pilot, "approvals", Ticker())
        text = screen_text(room)
        assert "g leads to one thing that needs you elsewhere, Esc goes back" in text
        assert "g What else needs you" in text.split("\n")[-1]
        await press(pilot, "g")
        assert room.screen is room.get_screen("reviews")
        assert screen not in room.screen_stack, "Esc leads past what is empty"
        await press(pilot, "g", "escape")
        assert room.screen is room.get_screen("watch")


async def test_keys_lead_from_a_run_to_what_it_asks() -> None:
    """With many that ask, the card that comes up is of the run that the key was pressed on."""
    first, second = canned.waiting_run(3), canned.waiting_edit_run(4)
    room = room_over(FakeClient(first, second, canned.running_run(2)))
    async with room.run_test() as pilot:
        screen = await awake(pilot, "approvals", Ticker())

        def asks() -> str:
            assert screen.questions.shown is not None and room.screen is screen
            assert isinstance(screen, ApprovalsScreen)
            card = screen.answers.card
            assert card is not None and card[1].approval_id == screen.questions.shown.item_id
            return card[0].run.run_id

        order = [asks()]
        await press(pilot, "j")
        order.append(asks())
        assert set(order) == {first.run.run_id, second.run.run_id}
        await press(pilot, "escape", "a")  # the first row of Watch, and what its bar names
        assert asks() == order[0]
        await press(pilot, "escape", "j", "a")
        assert asks() == order[1]
        await press(pilot, "escape", "k", "enter")
        assert isinstance(room.screen, RunScreen)
        await press(pilot, "a")
        assert asks() == order[0]
        assert not screen.questions.answerable, "what has come up is new to the eye"
        await press(pilot, "escape", "escape", "end", "a")
        assert asks() == order[0], "a run that asks nothing leads to what is shown already"


async def test_enter_opens_the_run_of_the_card() -> None:
    client, ticker = FakeClient(canned.waiting_run()), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        await press(pilot, "enter")
        top = screen.app.screen
        assert isinstance(top, RunScreen)
        assert top.run_id == "run-0003"


async def test_the_keys_are_deaf_again_after_another_screen_but_not_after_a_dialog() -> None:
    client, ticker = FakeClient(canned.waiting_run()), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        await press(pilot, "question_mark", "escape")
        assert screen.questions.answerable
        await press(pilot, "enter")
        await press(pilot, "escape", "y")
        assert (screen.on_top, client.commands) == (True, [])
        await wait(pilot, screen, ticker, 0.5)
        await press(pilot, "y")
        assert client.commands == [allow(Scope.ONCE)]


async def test_hostile_text_is_shown_as_text() -> None:
    state = canned.waiting_run()
    call = next(iter(state.approvals.values())).call
    evil = call.model_copy(
        update={
            "command": "echo [/foo] \x1b[2J\x1b]52;c;eA==\x07 \u202egnp.exe\nrm -rf ~",
            "title": "[bold red]x[/] \x1b[31m",
            "reason": "[link=x]click[/link]\x9b2J",
            "tool": "[/]",
        }
    )
    client, ticker = FakeClient(changed(state, call=evil, risk_reasons=("[/x]",))), Ticker()
    async with room_over(client).run_test(size=(100, 40)) as pilot:
        screen = await awake(pilot, "approvals", ticker)
        text = screen_text(screen.room)
        assert "$ echo [/foo] ␛[2J␛]52;c;eA==␇ \ufffdgnp.exe" in text
        assert "  rm -rf ~" in text
        assert "[link=x]click[/link]" in text
        assert not {"\x1b", "\x9b", "\u202e", "\x07"} & set(text)
        await press(pilot, "d")
        assert "[bold red]x[/]" in screen_text(screen.room)


async def test_long_cards_scroll_and_jump_from_file_to_file() -> None:
    state = canned.waiting_edit_run()
    call = next(iter(state.approvals.values())).call
    files = tuple(FileChange(path=f"part_{n}.py", diff=DIFF) for n in range(9))
    client = FakeClient(changed(state, call=call.model_copy(update={"changes": files})))
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", Ticker())
        page = screen.query_one("#text", Page)
        starts = page.anchors
        assert len(starts) == 9
        await press(pilot, "n")
        assert page.scroll_offset.y == starts[0]
        await press(pilot, "n", "n", "p")
        assert page.scroll_offset.y == starts[1]
        await press(pilot, "home", "pagedown")
        assert page.scroll_offset.y == page.size.height - 2
        await press(pilot, "end")
        assert "return answer" in screen_text(screen.room)
        await press(pilot, "pageup", "home")
        assert page.scroll_offset.y == 0


async def test_a_click_picks_a_card() -> None:
    client = FakeClient(canned.waiting_run(3), canned.waiting_edit_run(4))
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", Ticker())
        await pilot.click(PickList, offset=(10, 1))
        await press(pilot)
        assert screen.questions.shown is not None
        assert screen.questions.shown.item_id == "ap-0004-1"
        assert not screen.questions.answerable
