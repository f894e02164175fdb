"""Random keys while cards come and go: no decision but one for the card that a person could read.

The test keeps the truth itself, reads the card off the drawn screen, and holds every command
against what stood there, unchanged for half a second, when the key was pressed.
"""

from __future__ import annotations

import os
import random
import re
from dataclasses import dataclass

import pytest
from textual.pilot import Pilot

from app.domain.approval import Action, Approval, ApprovalState, Scope, Settlement
from app.domain.commands import Command, DecideApproval, Done, SettleApproval, Snooze
from app.domain.errors import Refused
from app.domain.request import Risk
from app.domain.run import RunState
from app.domain.session import SessionState
from app.ui.screens.deciding import DecidingScreen
from app.ui.view import Changes
from app.ui.widgets.confirm import AskSure
from app.ui.widgets.page import Page
from app.ui.widgets.reason import AskReason
from tests.ui.answering import Ticker, open_deciding
from tests.ui.conftest import room_over
from tests.ui.fakes import FakeClient
from tests.ui.parts import FORCE_PUSH, ME, make_approval, make_run, make_session, make_state

STEPS = int(os.environ.get("LONGWATCH_KEY_STEPS", "200"))  # of each seed
SEEDS = range(int(os.environ.get("LONGWATCH_KEY_SEEDS", "2")))
CARD = re.compile(r"\$ job (\d+) revision (\d+) (pending|uncertain)")
KEYS = ("y", "s", "w", "d", "D", "z", "1", "2", "3", "c", "j", "k", "escape", "enter")
WEIGHTS = (3, 1, 1, 1, 1, 1, 2, 1, 1, 3, 1, 1, 1, 2)
MEANS = {
    "y": (Action.ALLOW, Scope.ONCE),
    "s": (Action.ALLOW, Scope.SESSION),
    "w": (Action.ALLOW, Scope.ALWAYS),
    "d": (Action.DENY, Scope.ONCE),
    "D": (Action.DENY, Scope.ONCE),
    "1": Settlement.RUN_AGAIN,
    "2": Settlement.TREAT_AS_DONE,
    "3": Settlement.ABORT,
}


@dataclass(frozen=True)
class Card:
    """What stands on the screen."""

    number: int
    revision: int
    phase: str


class World(FakeClient):
    """A supervisor that keeps the truth, and refuses as the real one does."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.run_ = make_run(1, "a busy night", cursor=2)
        self.truth: dict[int, Approval] = {}

    def state(self) -> RunState:
        session = make_session(self.run_, "implement", SessionState.WAITING)
        found = [self._written(n, approval) for n, approval in self.truth.items()]
        return make_state(self.run_, sessions=[session], approvals=found)

    def _written(self, number: int, approval: Approval) -> Approval:
        text = f"job {number} revision {approval.revision} {approval.state}"
        call = FORCE_PUSH.model_copy(update={"command": text, "title": text})
        return approval.model_copy(update={"call": call})

    def arrive(self) -> None:
        number = len(self.truth) + 1
        self.truth[number] = make_approval(
            self.run_, FORCE_PUSH, self.chance.choice(list(Risk)), number=number
        )

    def change(self, number: int, **update: object) -> None:
        before = self.truth[number]
        update.setdefault("revision", before.revision + 1)
        self.truth[number] = before.model_copy(update=update)

    def open_numbers(self) -> list[int]:
        return [n for n, approval in self.truth.items() if approval.state.needs_person]

    async def execute(self, command: Command) -> Done:
        self.commands.append(command)
        if isinstance(command, Snooze):
            self.change(number_of(command.item_id), snoozed_until=command.until, revision=1)
            return Done(message="put off")
        assert isinstance(command, DecideApproval | SettleApproval)
        approval = self.truth[number_of(command.approval_id)]
        if approval.revision != command.revision or not approval.state.needs_person:
            raise Refused("it has changed meanwhile: read it again")
        self.change(number_of(command.approval_id), state=ApprovalState.EXECUTED)
        return Done(message="done")


def number_of(approval_id: str) -> int:
    return int(approval_id.rsplit("-", 1)[1])


class Walk:
    """One random walk, and what was seen on the way."""

    def __init__(self, pilot: Pilot[None], screen: DecidingScreen, world: World, ticker: Ticker):
        self.pilot, self.screen, self.world, self.ticker = pilot, screen, world, ticker
        self.card: Card | None = None
        self.since = 0.0
        self.asked: tuple[Card, str, float] | None = None  # what a dialog was opened for
        self.covered = 0.0  # when something else last lay over the card
        self.decided = 0

    def look(self) -> None:
        """Read the card off the screen, and since when it has stood there."""
        if not self.screen.on_top:
            self.covered = self.ticker()
        drawn = self.screen.query_one("#text", Page)
        text = "\n".join(strip.text for strip in map(drawn.render_line, range(1)))
        found = CARD.search(text) if self.screen.query_one("#card").display else None
        card = Card(int(found[1]), int(found[2]), found[3]) if found else None
        if card != self.card:
            self.card, self.since = card, self.ticker()

    async def key(self, key: str) -> None:
        """Press a key, and judge what it did by what stood on the screen before."""
        self.look()
        card, age = self.card, self.ticker() - self.since
        gone = self.screen.questions.gone
        top = self.pilot.app.screen
        before = len(self.world.commands)
        await self.pilot.press(key)
        await self.pilot.pause()
        commands = self.world.commands[before:]
        assert len(commands) <= 1, f"{key} sent {commands}"
        if isinstance(top, AskSure | AskReason):
            assert self.asked is not None
            card, pressed, opened = self.asked
            confirms = "c" if isinstance(top, AskSure) else "enter"
            assert not commands or key == confirms, f"{key} answered a dialog"
            if isinstance(top, AskSure):
                assert not commands or self.ticker() - opened >= 0.5
            key = pressed
        elif not commands:
            assert not self.due(key, card, age, gone), f"{key} did nothing"
        else:
            assert card is not None, f"{key} decided about nothing"
            assert not gone, f"{key} decided about an answered card"
            assert age >= 0.5, f"{key} decided after {age} s"
        for command in commands:
            self.judge(key, card, command)
        self.follow(card, key, age)

    def due(self, key: str, card: Card | None, age: float, gone: bool) -> bool:
        """Whether the key had to send something: a card that was read, and no second look."""
        clear = self.ticker() - self.covered
        if card is None or gone or age < 0.5 or clear < 0.5:
            return False
        critical = self.world.truth[card.number].risk is Risk.CRITICAL
        plain = ("y", "s", "z") if card.phase == "pending" else ("2", "3", "z")
        return key in plain and not (critical and key in ("y", "s"))

    def judge(self, key: str, card: Card | None, command: Command) -> None:
        assert card is not None
        if isinstance(command, Snooze):
            assert (key, number_of(command.item_id)) == ("z", card.number)
            return
        assert isinstance(command, DecideApproval | SettleApproval)
        read = (number_of(command.approval_id), command.revision)
        assert read == (card.number, card.revision), "it answers another card than was shown"
        if isinstance(command, DecideApproval):
            assert card.phase == "pending"
            assert MEANS[key] == (command.action, command.scope)
            assert command.interrupt == (key == "D")
        else:
            assert card.phase == "uncertain"
            assert MEANS[key] == command.settlement
        assert command.by == ME
        self.decided += 1

    def follow(self, card: Card | None, key: str, age: float) -> None:
        """Remember for which card a dialog was opened, by which key."""
        if not isinstance(self.pilot.app.screen, AskSure | AskReason):
            self.asked = None
        elif self.asked is None:
            assert card is not None
            assert age >= 0.5, f"{key} opened a dialog for a card of {age} s"
            self.asked = (card, key, self.ticker())

    def elsewhere(self, chance: random.Random) -> None:
        """Something happens that this operator did not do."""
        world, numbers = self.world, self.world.open_numbers()
        what = chance.choice(("arrive", "arrive", "answer", "revise", "lose"))
        if what == "arrive" or not numbers:
            if len(numbers) < 6:
                world.arrive()
            return
        number = chance.choice(numbers)
        states = {"answer": ApprovalState.DENIED, "lose": ApprovalState.UNCERTAIN}
        if what in states:
            world.change(number, state=states[what])
        else:
            world.change(number)

    def tell(self) -> None:
        """The feed comes in; the screen hears of it only when it is on top."""
        state = self.world.state()
        self.screen.view.runs[state.run.run_id] = state
        if self.screen.on_top:
            self.screen.view_changed(Changes(runs=frozenset({state.run.run_id})))


@pytest.mark.timeout(1200 + STEPS)
@pytest.mark.parametrize("seed", SEEDS)
async def test_no_key_ever_answers_a_card_that_could_not_be_read(seed: int) -> None:
    chance, ticker = random.Random(seed), Ticker()
    world = World(chance)
    async with room_over(world).run_test(size=(80, 24)) as pilot:
        screen = await open_deciding(pilot, "approvals", ticker)
        walk = Walk(pilot, screen, world, ticker)
        for _ in range(STEPS):
            move = chance.random()
            if move < 0.12:
                walk.elsewhere(chance)
            elif move < 0.25:
                walk.tell()
            elif move < 0.50:
                ticker.move(chance.choice((0.1, 0.3, 0.5, 1.1)))
                screen.draw()
            else:
                await walk.key(chance.choices(KEYS, WEIGHTS)[0])
            if not isinstance(pilot.app.screen, DecidingScreen | AskSure | AskReason):
                await screen.room.show("approvals")
                walk.covered = ticker()
            await pilot.pause()  # it is painted
            walk.look()
        assert walk.decided > STEPS / 100, "the walk decides often enough to mean something"
