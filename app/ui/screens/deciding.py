"""What the screens share on which the operator decides: a queue, one question, its keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Static

from app.domain.attention import AttentionItem
from app.domain.base import RunId
from app.domain.commands import Command, Done
from app.domain.errors import LongwatchError
from app.ui.keys import file_keys, reading_keys
from app.ui.page import clean
from app.ui.question_queue import STAYS_SECONDS, Entry, Name, QuestionQueue
from app.ui.screens.listing import ReadingScreen
from app.ui.view import Changes
from app.ui.widgets.page import Page
from app.ui.widgets.queue import Pick, PickList

SNOOZE = timedelta(minutes=15)
TICK_SECONDS = 20.0  # times are shown to the minute
Note = tuple[str, str]  # a sentence for the line under the card, and its tone


OPEN_KEY = Binding("enter", "open", "Run", id="ask.open")
# Last in every such screen's BINDINGS: the footer shows the answers first.
DECIDING_KEYS: list[BindingType] = [
    Binding("z", "not_now", "Not now", id="ask.not-now"),
    OPEN_KEY,
    Binding("g", "elsewhere", "What else needs you", id="ask.elsewhere"),
    *reading_keys("ask"),
    *file_keys("ask"),
]


class DecidingScreen(ReadingScreen):
    """Shows one question of a queue and keeps it still. Subclasses say what is asked."""

    ANSWERS: ClassVar[frozenset[str]] = frozenset()  # actions that answer what is shown
    EMPTY: ClassVar[str]  # what is said when no question is there

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.questions = QuestionQueue(monotonic)
        self._ready = False  # there is something to draw into
        self._said: Note = ("", "")
        self.working = ""  # how far the answering of several things has come
        self._timer: Timer | None = None
        self._keys: object = None  # what the footer was drawn for
        self._elsewhere = 0  # things that wait, but not here
        self._left: object = None  # what was in sight when a dialog was put over it

    def body(self) -> ComposeResult:
        yield Static(self.EMPTY, markup=False, id="empty")
        with Container(id="work"):
            with Container(id="side"):
                yield PickList(id="queue", mark_cells=11)
                yield from self.beside()
            with Container(id="card"):
                yield Static(markup=False, id="head")
                yield Page(id="text")
                yield Static(markup=False, id="note")

    # -- what a subclass says

    def beside(self) -> ComposeResult:
        """What stands under the queue, where there is room for it."""
        return iter(())

    def waiting(self, now: datetime) -> list[Entry]:
        """What waits for the operator, most urgent first."""
        raise NotImplementedError

    def pick(self, entry: Entry, now: datetime) -> Pick:
        """An entry's row in the queue."""
        raise NotImplementedError

    def draw_card(self, entry: Entry, now: datetime) -> Content:
        """Draw the shown question (as it was read, once it is gone); its head line."""
        raise NotImplementedError

    def ended(self, entry: Entry) -> str:
        """How a question was answered that no longer waits."""
        raise NotImplementedError

    def put_off(self, entry: Entry, until: datetime | None) -> Command:
        raise NotImplementedError

    def run_of(self, entry: Entry) -> RunId | None:
        raise NotImplementedError

    def applies(self, action: str) -> bool:
        """Whether an answer is one to the question that is shown."""
        return True

    # -- drawing

    def on_mount(self) -> None:
        self._ready = True
        self.draw()

    def view_changed(self, changes: Changes) -> None:
        if not self._ready:
            return
        if changes.runs or changes.status:
            self.draw()

    def draw(self) -> None:
        """Bring queue, card and keys in step with the view and the clock."""
        if not self._ready:
            return
        now, questions = self.now(), self.questions
        gone = questions.shown if questions.gone else None
        questions.tick()
        if gone is not None and not questions.gone:
            # Who looked away for a second still learns what became of it.
            self.say(f"the one before: {self.ended(gone)}")
        questions.update(self.waiting(now))
        items = self.view.attention(now)
        needs = [item.item_id for item in items if not item.snoozed]
        self.draw_status(items)
        shown = questions.shown
        here = {entry.item_id for entry in questions.queue}
        self._draw_empty(shown, sum(item_id not in here for item_id in needs))
        if shown is not None:
            self.query_one("#head", Static).update(self.draw_card(shown, now))
            if not questions.settled:
                # Only what was painted was seen, however long the loop or the terminal took.
                self.call_after_refresh(self._painted, *questions.drawn)
        picks = [self.pick(entry, now) for entry in questions.listed]
        self.query_one("#queue", PickList).show(picks, shown.item_id if shown else None)
        self._draw_keys()
        self._schedule()
        if needs:
            self.tell_painted()

    def in_sight(self) -> Iterable[AttentionItem]:
        """The question that is shown, and those of the queue whose rows are."""
        shown = self.questions.shown
        named = {*self.query_one("#queue", PickList).in_sight}
        named |= {shown.item_id} if shown is not None else set()
        return [item for item in self.view.attention(self.now()) if item.item_id in named]

    @property
    def on_top(self) -> bool:
        """Whether nothing lies over this screen, not even a dialog."""
        return self.app.screen is self

    def _painted(self, name: object, alike: tuple[Name, ...]) -> None:
        if self.on_top:
            self.questions.painted(name, alike)
            self._schedule()

    def _draw_empty(self, shown: Entry | None, elsewhere: int) -> None:
        put_off = len(self.questions.queue)
        self.set_class(shown is None, "-empty")
        self.set_class(shown is None and put_off > 0, "-put-off")
        if shown is None:
            which = "it" if put_off == 1 else "them"
            more = f"{put_off} put off: j shows {which}" if put_off else ""
            what = "one thing" if elsewhere == 1 else f"the first of {elsewhere} things"
            needs = "needs" if elsewhere == 1 else "need"
            leads = f"g leads to {what} that {needs} you elsewhere, " if elsewhere else ""
            text = (self._said[0], self.EMPTY, more, f"{leads}Esc goes back")
            content = Content("\n".join(line for line in text if line))
            self.query_one("#empty", Static).update(content)
        if elsewhere != self._elsewhere:
            self._elsewhere = elsewhere
            self.refresh_bindings()

    def _draw_keys(self) -> None:
        text, tone = self.note()
        note = self.query_one("#note", Static)
        note.update(Content(text))
        for name in ("need", "bad", "quiet"):
            note.set_class(tone == name, f"-{name}")
        questions = self.questions
        keys = (questions.shown, questions.gone, questions.answerable, questions.alike_answerable)
        if keys != self._keys:
            self._keys = keys
            self.query_one("#head", Static).set_class(not questions.answerable, "-deaf")
            self.refresh_bindings()

    def note(self) -> Note:
        """The line under the card: why no key decides, else what was said last."""
        questions = self.questions
        if self.working:
            return (self.working, "quiet")
        if questions.shown is None:
            return self._said
        if questions.gone:
            return (self.ended(questions.shown), "need")
        if not questions.awake:
            said, tone = self._said
            return (f"{said} · next one: keys in a moment" if said else "keys in a moment", tone)
        if not questions.answerable:
            return ("sending…", "quiet")
        said, tone = self._said
        more = "" if self.pages_shown()[0].at_end else "more below: PgDn"
        return (" · ".join(part for part in (said, more) if part), tone)

    def on_page_scrolled(self, message: Page.Scrolled) -> None:
        self._draw_keys()

    def say(self, text: str, tone: str = "quiet") -> None:
        """Put a sentence under the card; it stays until the operator moves on."""
        self._said = (clean(text), tone)

    def _schedule(self) -> None:
        """One timer for the next moment at which the clock alone changes the picture."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        questions = self.questions
        if questions.gone:
            self._timer = self.set_timer(STAYS_SECONDS, self._later)
        elif questions.shown is not None and not questions.settled:
            self._timer = self.set_timer(questions.deaf.seconds + 0.01, self._later)
        elif questions.queue:
            self._timer = self.set_timer(TICK_SECONDS, self._later)

    def _later(self) -> None:
        if self.is_current:
            self.draw()

    def on_screen_suspend(self) -> None:
        # A dialog leaves the card in sight; another screen does not.
        shown = self.questions.shown
        in_sight = isinstance(self.app.screen, ModalScreen) and shown is not None
        self._left = shown.name if shown is not None and in_sight else None

    def on_screen_resume(self) -> None:
        """What comes back into sight is new to the eye, unless it was there all the time."""
        self.draw()
        shown = self.questions.shown
        if shown is not None and shown.name != self._left:
            self.questions.covered()
            self.draw()

    # -- answering

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Answers to another kind of question are hidden, those of a deaf card are dimmed."""
        if action in ("open", "pages", "jump", "ends"):
            return self.questions.shown is not None
        if action == "elsewhere":
            return self.questions.shown is None and self._elsewhere > 0
        if action not in self.ANSWERS:
            return True
        if self.questions.shown is None or not self.applies(action):
            return False
        return True if self.questions.answerable else None

    async def send(self, command: Command) -> Done | None:
        """Send a command; what comes of it is said under the card, which nothing covers."""
        if self.client is None:
            self._refused("not connected yet: nothing was sent")
            return None
        try:
            done = await asyncio.shield(self.client.execute(command))
        except LongwatchError as error:
            self._refused(str(error))
            return None
        self.say(done.message)
        return done

    def refuse(self, why: str) -> None:
        self.say(why)
        self.draw()

    def _refused(self, why: str) -> None:
        self.say(why, "bad")
        if not self.on_top:  # a dialog lies over the line
            self.notify(why, severity="error", markup=False, timeout=10)

    async def answer(self, entry: Entry, command: Command, *, put_off: bool = False) -> bool:
        """Send the answer to `entry`; whether it was taken. Meanwhile no second one is sent."""
        self.questions.sending(entry)
        self.draw()
        done: Done | None = None
        try:
            done = await self.send(command)
        finally:
            self.questions.sent(entry, taken=done is not None, put_off=put_off)
            self.draw()
        return done is not None

    def start_answer(self, entry: Entry, command: Command, *, put_off: bool = False) -> None:
        self.run_worker(self.answer(entry, command, put_off=put_off), group="answer")

    def answering(self) -> Entry | None:
        """The entry that a key answers now; None while no key may."""
        return self.questions.shown if self.questions.answerable else None

    def action_not_now(self) -> None:
        if (entry := self.answering()) is not None:
            until = None if entry.snoozed else self.now() + SNOOZE
            self.start_answer(entry, self.put_off(entry, until), put_off=until is not None)

    # -- moving

    def action_move(self, by: int) -> None:
        self.say("")
        self.questions.move(by)
        self.draw()

    def on_pick_list_picked(self, message: PickList.Picked) -> None:
        self.say("")
        self.questions.select(message.item_id)
        self.draw()

    def look_at(self, run_id: RunId) -> None:
        """Show what waits of this run, if anything does and nothing of it is shown already."""
        items = self.view.attention(self.now())
        its = {item.item_id for item in items if item.run_id == run_id and not item.snoozed}
        shown = self.questions.shown
        found = [entry.item_id for entry in self.questions.queue if entry.item_id in its]
        if found and (shown is None or shown.item_id not in its):
            self.say("")
            self.questions.select(found[0])
            self.draw()

    async def action_elsewhere(self) -> None:
        """Nothing waits here any more: on to what does, and from there Esc leads past this."""
        here = {entry.item_id for entry in self.questions.queue}
        items = self.view.attention(self.now())
        found = [item for item in items if not item.snoozed and item.item_id not in here]
        if found:
            await self.room.go_back()
            await self.room.go_to(found[0])

    async def action_open(self) -> None:
        shown = self.questions.shown
        run_id = self.run_of(shown) if shown else None
        if run_id is not None:
            await self.room.open_run(run_id)
