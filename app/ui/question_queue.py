"""What stands before the operator: which question a key would answer, and when it may. No Textual.

A key answers the question that was on screen when it was pressed. So a question that arrives
never takes the place of the one that is read; one that was answered elsewhere stays for a
moment, saying so; and for half a second after another one has come up no key decides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from app.ui.keys import DeafKeys

Name = tuple[str, int, str]
STAYS_SECONDS = 1.0  # how long a question that was answered elsewhere stays on screen


@dataclass(frozen=True, slots=True)
class Entry:
    """A question in the queue. `phase` tells apart what the same revision may ask twice."""

    item_id: str
    revision: int
    phase: str
    snoozed: bool = False

    @property
    def name(self) -> Name:
        return (self.item_id, self.revision, self.phase)


class QuestionQueue:
    """The queue, and the one question of it that is shown."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.monotonic = monotonic
        self.deaf = DeafKeys(lambda: self.monotonic())
        self.queue: list[Entry] = []  # what waits, most urgent first, put off last
        self.shown: Entry | None = None
        self.alike: tuple[Name, ...] = ()  # further questions that the shown card names as the same
        self._painted = False  # the shown question has reached the terminal
        self._alike_deaf = DeafKeys(lambda: self.monotonic())
        self._alike_painted = True  # the card has reached the terminal with what is named on it
        self._gone_since: float | None = None
        self._index = 0  # of the shown one, for going on from there when it is gone
        self._sending: set[Name] = set()
        self._answered: set[Name] = set()  # taken, and not yet in the feed
        self._put_off: set[Name] = set()  # likewise

    @property
    def gone(self) -> bool:
        """Whether the shown question was answered elsewhere."""
        return self._gone_since is not None

    @property
    def listed(self) -> list[Entry]:
        """The queue as it is drawn: the shown question stays in its place although answered."""
        if self.shown is None or not self.gone:
            return self.queue
        return [*self.queue[: self._index], self.shown, *self.queue[self._index :]]

    @property
    def awake(self) -> bool:
        """Whether the shown question has stood on the screen for half a second."""
        return self._painted and self.deaf.awake()

    @property
    def answerable(self) -> bool:
        """Whether a key may decide now."""
        shown = self.shown
        return (
            shown is not None and not self.gone and shown.name not in self._sending and self.awake
        )

    @property
    def alike_answerable(self) -> bool:
        """Whether a key may answer the shown question and all that it names as the same."""
        return self.answerable and bool(self.alike) and self._alike_awake

    @property
    def _alike_awake(self) -> bool:
        return self._alike_painted and (not self.alike or self._alike_deaf.awake())

    @property
    def settled(self) -> bool:
        """Whether half a second more would change nothing about the keys."""
        return self.awake and self._alike_awake

    @property
    def drawn(self) -> tuple[Name | None, tuple[Name, ...]]:
        """What the card says that is drawn now: to be handed to `painted` once it is seen."""
        return (self.shown.name if self.shown is not None else None, self.alike)

    def name_alike(self, names: Sequence[Name]) -> None:
        """The card names these as the same: they are new to the eye if they are others."""
        if tuple(names) != self.alike:
            self.alike = tuple(names)
            self._alike_painted = False

    def update(self, queue: Sequence[Entry]) -> None:
        """Take in what waits now. The shown question changes only if it was answered."""
        names = {entry.name for entry in queue}
        self._answered &= names
        self._put_off -= {entry.name for entry in queue if entry.snoozed}
        self._put_off &= names
        known = (replace(e, snoozed=e.snoozed or e.name in self._put_off) for e in queue)
        waiting = [entry for entry in known if entry.name not in self._answered]
        self.queue = sorted(waiting, key=lambda entry: entry.snoozed)
        self._keep()

    def _keep(self) -> None:
        shown = self.shown
        if shown is None:
            self._go_on()
            return
        same = next((e for e in self.queue if e.item_id == shown.item_id), None)
        if same is not None:
            self._index = self.queue.index(same)
            self._gone_since = None
            self._show(same)
        elif shown.name in self._sending or shown.name in self._answered:
            self._go_on()
        else:
            if self._gone_since is None:
                self._gone_since = self.monotonic()
            self._index = min(self._index, len(self.queue))

    def is_sending(self, entry: Entry) -> bool:
        """Whether an answer to it is on its way."""
        return entry.name in self._sending

    def _show(self, entry: Entry | None) -> None:
        before, self.shown = self.shown, entry
        if entry is None or before is None or entry.name != before.name:
            self._painted = self._alike_painted = False
            self.alike = ()

    def _go_on(self) -> None:
        """To the one that took the place; what was put off waits to be chosen."""
        self._gone_since = None
        awake = [entry for entry in self.queue if not entry.snoozed]
        if not awake:
            self._show(None)
            return
        at = self.queue[self._index] if self._index < len(self.queue) else awake[0]
        entry = awake[0] if at.snoozed else at
        self._index = self.queue.index(entry)
        self._show(entry)

    def tick(self) -> None:
        """Leave a question that was answered elsewhere, once that was long enough on screen."""
        if self._gone_since is not None and self.monotonic() - self._gone_since >= STAYS_SECONDS:
            self._go_on()

    def move(self, by: int) -> None:
        """Show another question of the queue, also one that was put off."""
        if not self.queue:
            return
        at = self._index + by
        if self.shown is None:
            at = 0 if by > 0 else len(self.queue) - 1
        elif self.gone and by > 0:
            at = self._index  # the one below has moved up into its place
        self.select(self.queue[min(max(at, 0), len(self.queue) - 1)].item_id)

    def select(self, item_id: str) -> None:
        """Show this question, if it still waits."""
        for index, entry in enumerate(self.queue):
            if entry.item_id == item_id:
                self._index, self._gone_since = index, None
                self._show(entry)
                return

    def painted(self, name: object, alike: tuple[Name, ...] = ()) -> None:
        """The question of this name is on the terminal now; if it is still the shown one, the
        half second begins. Likewise for those that it names as the same."""
        if self.shown is None or self.shown.name != name:
            return
        if not self._painted:
            self._painted = True
            self.deaf.shown(None)
            self.deaf.shown(name)
        if not self._alike_painted and alike == self.alike:
            self._alike_painted = True
            self._alike_deaf.shown(None)
            self._alike_deaf.shown((name, alike))

    def covered(self) -> None:
        """Another screen was shown meanwhile: what comes back is new to the eye."""
        self._painted = self._alike_painted = False

    # -- an answer on its way

    def sending(self, entry: Entry) -> None:
        """An answer is on its way: no second one for the same question."""
        self._sending.add(entry.name)

    def sent(self, entry: Entry, *, taken: bool, put_off: bool = False) -> None:
        """The answer was taken, and the next question comes up; or refused, and all stays."""
        self._sending.discard(entry.name)
        if not taken:
            return
        (self._put_off if put_off else self._answered).add(entry.name)
        was_shown = self.shown is not None and self.shown.name == entry.name
        if put_off:
            self.queue = sorted(
                (replace(e, snoozed=e.snoozed or e.name == entry.name) for e in self.queue),
                key=lambda e: e.snoozed,
            )
        else:
            self.queue = [e for e in self.queue if e.name != entry.name]
        if was_shown:
            self._go_on()
