"""The card stays still while the feed moves: nothing takes its place under the finger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from textual.pilot import Pilot

from app.domain import events as ev
from app.domain.approval import Action, Actor, ActorKind, ApprovalState, Decision
from app.domain.base import ApprovalId
from app.domain.commands import DecideApproval
from app.domain.request import Risk
from app.domain.run import RunState
from app.domain.task_state import TaskState
from app.ui.screens.deciding import DecidingScreen
from tests.ui import canned
from tests.ui.answering import Feed, Ticker, awake, press, wait
from tests.ui.conftest import room_over
from tests.ui.driving import rest, screen_text
from tests.ui.fakes import FakeClient
from tests.ui.parts import FORCE_PUSH, ME, NOW, make_approval

BOB = Actor(kind=ActorKind.PERSON, name="bob")


@dataclass
class Scene:
    """A screen that shows one card, awake, and the feed behind it."""

    pilot: Pilot[None]
    screen: DecidingScreen
    client: FakeClient
    ticker: Ticker
    feed: Feed

    @property
    def text(self) -> str:
        return screen_text(self.screen.room)

    async def pass_(self, seconds: float) -> None:
        await wait(self.pilot, self.screen, self.ticker, seconds)


@asynccontextmanager
async def scene(*runs: RunState) -> AsyncIterator[Scene]:
    client, ticker = FakeClient(*runs), Ticker()
    async with room_over(client).run_test() as pilot:
        screen = await awake(pilot, "approvals", ticker)
        yield Scene(pilot, screen, client, ticker, Feed(client))


def decided(state: RunState, by: Actor = BOB, action: Action = Action.DENY) -> ev.ApprovalDecided:
    return ev.ApprovalDecided(
        approval_id=next(iter(state.approvals)),
        decision=Decision(action=action, by=by, at=NOW),
        told=True,
    )


async def test_a_more_urgent_card_arrives_and_the_read_one_stays() -> None:
    edit, push = canned.waiting_edit_run(4), canned.waiting_run(3)
    async with scene(edit) as it:
        worse = make_approval(push.run, FORCE_PUSH, Risk.CRITICAL)
        it.feed.push(push, ev.RunCreated(run=push.run), ev.ApprovalRequested(approval=worse))
        await rest(it.pilot)
        assert "git push --force origin main" in it.text, "it is in the queue"
        assert it.screen.questions.answerable, "and what was awake stays awake"
        await press(it.pilot, "y")
        (command,) = it.client.commands
        assert isinstance(command, DecideApproval)
        assert command.approval_id == "ap-0004-1"
        assert "CRITICAL RISK" in it.text


async def test_a_new_revision_makes_the_keys_deaf_again() -> None:
    state = canned.waiting_run()
    async with scene(state) as it:
        lost = ev.ApprovalUncertain(approval_id=ApprovalId("ap-0003-1"), why="the agent is gone")
        it.feed.push(state, decided(state, ME, Action.ALLOW), lost)
        await rest(it.pilot)
        assert "nobody knows whether this was done" in it.text
        await press(it.pilot, "y", "2")
        assert it.client.commands == []
        await it.pass_(0.5)
        await press(it.pilot, "2")
        assert [c.do for c in it.client.commands] == ["settle_approval"]


async def test_answered_elsewhere_it_stays_for_a_second_and_says_by_whom() -> None:
    push, edit = canned.waiting_run(3), canned.waiting_edit_run(4)
    async with scene(push, edit) as it:
        it.feed.push(push, decided(push))
        await rest(it.pilot)
        assert "already answered by bob: deny" in it.text
        assert "$ git push --force origin main" in it.text
        await press(it.pilot, "y", "d", "z")
        await it.pass_(0.9)
        await press(it.pilot, "y")
        assert it.client.commands == []
        await it.pass_(0.1)
        await it.pilot.pause()
        assert "the one before: already answered by bob: deny" in it.text
        assert "$ git push --force origin main" not in it.text
        assert "keys in a moment" in it.text
        await press(it.pilot, "y")
        assert it.client.commands == []
        await it.pass_(0.5)
        await press(it.pilot, "y")
        (command,) = it.client.commands
        assert isinstance(command, DecideApproval)
        assert command.approval_id == "ap-0004-1"


async def test_the_operator_may_move_on_at_once() -> None:
    push, edit = canned.waiting_run(3), canned.waiting_edit_run(4)
    async with scene(push, edit) as it:
        it.feed.push(push, decided(push))
        await rest(it.pilot)
        await press(it.pilot, "j")
        shown = it.screen.questions.shown
        assert shown is not None
        assert (shown.item_id, it.screen.questions.answerable) == ("ap-0004-1", False)


async def test_what_is_withdrawn_says_so_and_the_queue_ends() -> None:
    state = canned.waiting_run()
    async with scene(state) as it:
        gone = ev.ApprovalWithdrawn(approval_id=ApprovalId("ap-0003-1"), why="interrupted")
        it.feed.push(state, gone)
        await rest(it.pilot)
        assert "withdrawn: its agent no longer asks" in it.text
        await it.pass_(1.0)
        assert "No tool call waits for you." in it.text


async def test_a_canceled_run_takes_its_questions_along() -> None:
    state = canned.waiting_run()
    async with scene(state) as it:
        canceled = ev.RunStateChanged(state=TaskState.CANCELED, reason="enough", by=BOB)
        it.feed.push(state, canceled)
        await rest(it.pilot)
        assert "no longer asked" in it.text
        await press(it.pilot, "y")
        assert it.client.commands == []


async def test_our_own_answer_leads_on_at_once_whichever_is_first() -> None:
    push, edit = canned.waiting_run(3), canned.waiting_edit_run(4)
    async with scene(push, edit) as it:
        await press(it.pilot, "y")
        assert "decide approval: done" in it.text
        shown = it.screen.questions.shown
        assert shown is not None
        assert shown.item_id == "ap-0004-1", "the feed has not said so yet"
        it.feed.push(push, decided(push, ME, Action.ALLOW))
        await rest(it.pilot)
        assert it.screen.questions.shown == shown
        assert "already answered" not in it.text


async def test_a_dialog_answers_the_card_it_was_opened_for() -> None:
    push, edit = canned.waiting_run(3), canned.waiting_edit_run(4)
    async with scene(push, edit) as it:
        await press(it.pilot, "d", *"no")
        it.feed.push(push, decided(push))
        await rest(it.pilot)
        await press(it.pilot, "enter")
        (command,) = it.client.commands
        assert isinstance(command, DecideApproval)
        assert (command.approval_id, command.revision) == ("ap-0003-1", 1)


async def test_after_a_new_connection_the_read_card_stays() -> None:
    push, edit = canned.waiting_run(3), canned.waiting_edit_run(4)
    async with scene(edit) as it:
        it.client.states = {push.run.run_id: push, edit.run.run_id: edit}
        it.client.push(it.client.snapshot())
        await rest(it.pilot)
        shown = it.screen.questions.shown
        assert shown is not None
        assert shown.item_id == "ap-0004-1"
        assert it.screen.questions.answerable
        assert len(it.screen.questions.queue) == 2


async def test_put_off_elsewhere_it_stays_and_says_so() -> None:
    state = canned.waiting_run()
    async with scene(state) as it:
        later = NOW.replace(hour=3)
        snoozed = ev.Snoozed(item="approval", item_id="ap-0003-1", until=later, by=BOB)
        it.feed.push(state, snoozed)
        await rest(it.pilot)
        assert "put off until" in it.text
        assert it.screen.questions.answerable
        approval = it.screen.view.runs[state.run.run_id].approvals[ApprovalId("ap-0003-1")]
        assert approval.state is ApprovalState.PENDING
