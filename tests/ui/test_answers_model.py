"""A million random keys while cards come and go, through the code that decides what a key does.

`Answers`, `QuestionQueue` and `SecondLook` are those of the real screen, and keys mean what its
bindings say; only Textual is left out. The test keeps for itself what the terminal shows, which
lags behind: frames are painted late or not at all, news come late, answers are under way. No
command may be given but for the card that had been on the terminal, unchanged, for half a second,
under a key that stood there.

LONGWATCH_KEYS says how many keys (1,000,000 takes minutes), LONGWATCH_KEYS_SEED where they begin.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from textual.actions import parse
from textual.binding import Binding

from app.domain.approval import Action, Approval, ApprovalState, Scope, Settlement
from app.domain.base import ApprovalId
from app.domain.commands import Command, DecideApproval, SettleApproval, Snooze
from app.domain.request import Risk
from app.domain.run import RunState
from app.domain.session import SessionState
from app.ui.answers import Answers, Change, Deed, Reason, Send, Sure
from app.ui.keys import SecondLook
from app.ui.question_queue import Entry, Name, QuestionQueue
from app.ui.screens.approvals import ApprovalsScreen
from app.ui.view import View
from tests.ui.answering import Ticker
from tests.ui.parts import FORCE_PUSH, ME, NOW, make_approval, make_run, make_session, make_state

KEYS = int(os.environ.get("LONGWATCH_KEYS", "12000"))
SEED = int(os.environ.get("LONGWATCH_KEYS_SEED", "20260304"))
HALF = 0.5
RUNS = 3  # each with calls of its own; identical ones are asked for across them
MEANS: dict[str, tuple[str, str]] = {}  # key: answer, and how
for binding in ApprovalsScreen.BINDINGS:
    assert isinstance(binding, Binding)
    _, name, arguments = parse(binding.action)
    if name == "answer_with":
        MEANS[binding.key] = (str(arguments[0]), str(arguments[1]))
    elif name == "not_now":
        MEANS[binding.key] = ("not_now", "")
OTHERS = ("c", "escape", "enter", "j", "k")
PRESSED = (*MEANS, *OTHERS)
WEIGHTS = (*(3 if key in "ya" else 1 for key in MEANS), 5, 1, 3, 1, 1)


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands on the terminal: the card, what it names as the same, the keys it offers."""

    card: Name | None = None
    alike: tuple[Name, ...] = ()
    keys: frozenset[str] = frozenset()


@dataclass
class Flying:
    """Answers that were sent and have not come to their end."""

    left: list[tuple[Entry, Command]]
    put_off: bool


@dataclass
class Person:
    """The terminal, the keyboard, and all that may happen between them."""

    chance: random.Random
    ticker: Ticker = field(default_factory=Ticker)
    view: View = field(default_factory=View)
    truth: dict[str, tuple[RunState, Approval]] = field(default_factory=dict)
    flying: list[Flying] = field(default_factory=list)
    frame: Frame = Frame()
    drawn: list[Frame] = field(default_factory=list)  # on their way to the terminal
    since: float = 0.0  # since when the frame's card has stood there
    alike_since: float = 0.0
    over: tuple[Sure | Reason | Change, SecondLook] | None = None  # a dialog
    asked: tuple[Frame, str] = (Frame(), "")  # what the dialog was opened for, by which key
    opened: float = 0.0  # when it came up
    made: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.questions = QuestionQueue(self.ticker)
        self.answers = Answers(lambda: self.view, self.questions, lambda: ME)
        self.runs = [make_run(n + 1, f"run {n + 1}", cursor=2) for n in range(RUNS)]
        self.sessions = [make_session(r, "implement", SessionState.WAITING) for r in self.runs]
        for run, session in zip(self.runs, self.sessions, strict=True):
            self.view.runs[run.run_id] = make_state(run, sessions=[session])

    # -- the world

    def arrive(self) -> None:
        waiting = [a for _, a in self.truth.values() if a.state.needs_person]
        if len(waiting) >= 7:
            return
        self.made += 1
        at = self.chance.randrange(RUNS)
        job = f"job {self.chance.randrange(3)}"
        call = FORCE_PUSH.model_copy(update={"command": job, "title": job, "cwd": None})
        risk = self.chance.choice((Risk.MEDIUM, Risk.HIGH, Risk.CRITICAL))
        approval = make_approval(self.runs[at], call, risk, number=self.made)
        editable = self.chance.choice((None, job))
        approval = approval.model_copy(update={"editable": editable})
        self.truth[approval.approval_id] = (self.view.runs[self.runs[at].run_id], approval)

    def change(self, item_id: str, **update: object) -> None:
        state, before = self.truth[item_id]
        update.setdefault("revision", before.revision + 1)
        self.truth[item_id] = (state, before.model_copy(update=update))

    def elsewhere(self) -> None:
        """Something happens that this person did not do."""
        waiting = [key for key, (_, a) in self.truth.items() if a.state.needs_person]
        what = self.chance.choice(("arrive", "arrive", "arrive", "deny", "revise", "lose"))
        if what == "arrive" or not waiting:
            return self.arrive()
        item = self.chance.choice(waiting)
        if what == "revise":
            call = self.truth[item][1].call.model_copy(update={"reason": str(self.chance.random())})
            self.change(item, call=call)
        else:
            lost = what == "lose"
            self.change(item, state=ApprovalState.UNCERTAIN if lost else ApprovalState.DENIED)
        return None

    def tell(self) -> None:
        """The feed comes in."""
        for run, session in zip(self.runs, self.sessions, strict=True):
            mine = [a for _, a in self.truth.values() if a.run_id == run.run_id]
            self.view.runs[run.run_id] = make_state(run, sessions=[session], approvals=mine)
        gone = [key for key, (_, a) in self.truth.items() if not a.state.needs_person]
        for key in gone[:-3]:  # what was answered lately is still known
            del self.truth[key]
        if self.over is None and self.chance.random() < 0.5:  # else the screen hears of it later
            self.draw()

    def land(self) -> None:
        """An answer comes to its end: taken or refused, as the engine does."""
        if not self.flying:
            return
        flight = self.chance.choice(self.flying)
        entry, command = flight.left.pop(0)
        if not flight.left:
            self.flying.remove(flight)
        self.questions.sent(entry, taken=self.take(command), put_off=flight.put_off)
        self.draw()

    def take(self, command: Command) -> bool:
        if isinstance(command, Snooze):
            if command.item_id in self.truth:
                revision = self.truth[command.item_id][1].revision  # what is asked stays the same
                self.change(command.item_id, snoozed_until=command.until, revision=revision)
            return command.item_id in self.truth
        assert isinstance(command, DecideApproval | SettleApproval)
        found = self.truth.get(command.approval_id)
        if found is None or found[1].revision != command.revision:
            return False
        if not found[1].state.needs_person:
            return False
        self.change(command.approval_id, state=ApprovalState.EXECUTED)
        return True

    # -- the screen, as `DecidingScreen.draw` does it

    def draw(self) -> None:
        self.questions.tick()
        self.questions.update(self.answers.waiting(NOW + timedelta(seconds=self.ticker())))
        if self.questions.shown is not None:
            self.answers.draw(self.questions.shown)
        keys = frozenset(k for k, (a, _) in MEANS.items() if self.answers.offered(a) is not False)
        self.drawn = [*self.drawn[-1:], Frame(*self.questions.drawn, keys)]

    def paint(self) -> None:
        """A drawing reaches the terminal; a later one may have been made by then."""
        if self.over is not None or not self.drawn:
            return
        frame = self.drawn.pop(0)
        if frame.card != self.frame.card:
            self.since = self.ticker()
        if (frame.card, frame.alike) != (self.frame.card, self.frame.alike):
            self.alike_since = self.ticker()
        self.frame = frame
        self.questions.painted(frame.card, frame.alike)

    # -- the keyboard

    def press(self, key: str) -> None:
        if self.over is not None:
            self.press_over(*self.over, key)
        elif key in ("j", "k"):
            self.questions.move(1 if key == "j" else -1)
            self.draw()
        elif key in MEANS:
            action, how = MEANS[key]
            now = NOW + timedelta(seconds=self.ticker())
            deed = self.answers.do(action, how, now)
            self.judge_press(key, deed)
            if isinstance(deed, Send):
                self.send(deed, self.frame, key)
            elif deed is not None:
                look = SecondLook(self.ticker)
                look.opened()
                self.over, self.asked = (deed, look), (self.frame, key)
                self.opened = self.ticker()

    def press_over(self, deed: Sure | Reason | Change, look: SecondLook, key: str) -> None:
        """A dialog has all keys."""
        if key in ("escape", "n"):
            self.over = None
        elif isinstance(deed, Sure) and key == "c" and look.awake():
            assert self.ticker() - self.opened >= HALF, "confirmed before it could be read"
            self.over = None
            self.send(deed.send, *self.asked)
        elif isinstance(deed, Reason) and key == "enter":
            self.over = None
            self.send(deed.send("no"), *self.asked)
        elif isinstance(deed, Change) and key == "enter":
            self.over = None
            self.changed(deed)
        if self.over is None:
            self.draw()

    def changed(self, deed: Change) -> None:
        """A call is made another one: no answer, and asked about anew."""
        frame, key = self.asked
        assert (deed.entry.name, MEANS[key][0]) == (frame.card, "edit")
        assert deed.approval.revision == deed.entry.revision
        self.counts["edit"] += 1
        found = self.truth.get(deed.entry.item_id)
        if found is not None and found[1].revision == deed.approval.revision:
            self.change(deed.entry.item_id, original=found[1].call)

    def judge_press(self, key: str, deed: Deed | None) -> None:
        """What a key set off, against what stood on the terminal when it was pressed."""
        of_alike = MEANS[key][0].endswith("_alike")
        age = self.ticker() - (self.alike_since if of_alike else self.since)
        if deed is None:
            self.counts["nothing"] += 1
            return
        assert not self.questions.gone, f"{key} answers what was answered already"
        assert self.frame.card is not None, f"{key} answers nothing that is shown"
        assert age >= HALF, f"{key} answers after {age} s"
        assert key in self.frame.keys, f"{key} is not offered"

    def send(self, send: Send, frame: Frame, key: str) -> None:
        under_way = {entry.name for flight in self.flying for entry, _ in flight.left}
        shown = (frame.card, *frame.alike) if MEANS[key][0].endswith("_alike") else (frame.card,)
        assert [entry.name for entry, _ in send.each] == list(shown), "others than were shown"
        for entry, command in send.each:
            self.judge(key, entry, command)
            if entry.name in under_way:
                # A dialog was open while its card was answered by another one: refused later.
                self.counts["twice"] += 1
            self.questions.sending(entry)
        self.counts[MEANS[key][0]] += len(send.each)
        self.flying.append(Flying(list(send.each), send.put_off))
        self.draw()

    def judge(self, key: str, entry: Entry, command: Command) -> None:
        """The command says what its key says, about the card that was read."""
        action, how = MEANS[key]
        assert isinstance(command, DecideApproval | SettleApproval | Snooze)
        assert command.by == ME
        if isinstance(command, Snooze):
            assert (action, command.item_id) == ("not_now", entry.item_id)
            return
        read = (ApprovalId(entry.item_id), entry.revision)
        assert (command.approval_id, command.revision) == read
        if isinstance(command, SettleApproval):
            assert (action, command.settlement) == ("settle", Settlement(how))
            assert entry.phase == "uncertain"
            return
        assert entry.phase == "pending"
        allows = action in ("allow", "always", "allow_alike")
        assert (command.action is Action.ALLOW) == allows
        scopes = {"allow": how, "always": "always"}
        assert command.scope is Scope(scopes.get(action, "once"))
        assert command.interrupt == (how == "stop")


def walk(keys: int, seed: int) -> Counter[str]:
    chance = random.Random(seed)
    person = Person(chance)
    pressed = 0
    while pressed < keys:
        move = chance.random()
        if move < 0.08:
            person.elsewhere()
        elif move < 0.16:
            person.tell()
        elif move < 0.30:
            person.ticker.move(chance.choice((0.05, 0.2, 0.5, 1.1)))
        elif move < 0.34:
            person.draw()
        elif move < 0.48:
            person.paint()
        elif move < 0.54:
            person.land()
        else:
            pressed += 1
            person.press(chance.choices(PRESSED, WEIGHTS)[0])
    return person.counts


def test_no_key_answers_but_the_card_that_could_be_read() -> None:
    counts = walk(KEYS, SEED)
    print(f"seed {SEED}, {KEYS} keys: {dict(counts)}")
    for action in {action for action, _ in MEANS.values()}:
        assert counts[action] > KEYS / 4000, f"{action} hardly ever happened: {counts}"
