"""The queue and its one shown question, without a screen: stable, deaf when new, never lost."""

from __future__ import annotations

import os
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.ui.question_queue import Entry, QuestionQueue
from tests.ui.answering import Ticker

EXAMPLES = int(os.environ.get("LONGWATCH_STANDING_EXAMPLES", "60"))
SECONDS = st.sampled_from((0.05, 0.2, 0.5, 1.0, 3.0))


class Questions(RuleBasedStateMachine):
    """Questions come and go; the operator moves and answers; time passes; frames are painted."""

    def __init__(self) -> None:
        super().__init__()
        self.ticker = Ticker()
        self.questions = QuestionQueue(self.ticker)
        self.truth: list[Entry] = []
        self.count = 0
        self.seen: tuple[tuple[str, int, str] | None, float] = (None, self.ticker())
        self.touched = False  # the operator moved or answered since the last look
        self.on_its_way: list[Entry] = []
        self.last_shown: Entry | None = None

    # -- the world

    @rule(urgent=st.booleans())
    def arrives(self, urgent: bool) -> None:
        self.count += 1
        entry = Entry(f"q{self.count}", 1, "pending")
        self.truth.insert(0 if urgent else len(self.truth), entry)
        self.tell()

    @precondition(lambda self: self.truth)
    @rule(data=st.data())
    def is_answered_elsewhere(self, data: st.DataObject) -> None:
        self.truth.remove(data.draw(st.sampled_from(self.truth)))
        self.tell()

    @precondition(lambda self: self.truth)
    @rule(data=st.data(), uncertain=st.booleans())
    def is_asked_anew(self, data: st.DataObject, uncertain: bool) -> None:
        index = data.draw(st.integers(0, len(self.truth) - 1))
        before = self.truth[index]
        phase = "uncertain" if uncertain else before.phase
        self.truth[index] = replace(before, revision=before.revision + 1, phase=phase)
        self.tell()

    @rule()
    def tell(self) -> None:
        before = self.questions.shown
        self.questions.update(sorted(self.truth, key=lambda entry: entry.snoozed))
        after = self.questions.shown
        if before is not None and not self.touched:
            ids = [entry.item_id for entry in self.truth]
            sent = before in self.on_its_way
            if before.item_id in ids and not sent:
                assert after is not None
                assert after.item_id == before.item_id, "nothing takes the place of what is read"
            elif not sent and not self.known_answer(before):
                assert after == before, "what was answered elsewhere stays for a moment"
                assert self.questions.gone

    def known_answer(self, entry: Entry) -> bool:
        return entry.name in self.questions._answered

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.ticker.move(seconds)
        self.questions.tick()

    @rule()
    def is_painted(self) -> None:
        if (shown := self.questions.shown) is not None:
            self.questions.painted(shown.name)

    @rule()
    def another_screen_covers_it(self) -> None:
        self.questions.covered()
        assert not self.questions.answerable

    # -- the operator

    @rule(by=st.sampled_from((-1, 1)))
    def moves(self, by: int) -> None:
        self.questions.move(by)
        assert not self.questions.queue or self.questions.shown is not None

    @precondition(lambda self: self.questions.answerable)
    @rule()
    def answers(self) -> None:
        entry = self.questions.shown
        assert entry is not None
        assert entry in self.questions.queue, "only what waits is answered"
        self.questions.sending(entry)
        assert not self.questions.answerable, "and only once"
        self.on_its_way.append(entry)

    @precondition(lambda self: self.on_its_way)
    @rule(taken=st.booleans(), put_off=st.booleans(), told_first=st.booleans())
    def hears_back(self, taken: bool, put_off: bool, told_first: bool) -> None:
        entry = self.on_its_way[0]
        still = [e for e in self.truth if e.name == entry.name]
        taken = taken and bool(still)
        if taken:
            index = self.truth.index(still[0])
            if put_off:
                self.truth[index] = replace(still[0], snoozed=True)
            else:
                del self.truth[index]
            if told_first:
                self.tell()
        self.on_its_way.pop(0)
        self.questions.sent(entry, taken=taken, put_off=put_off)
        shown = self.questions.shown
        if taken and not put_off:
            assert shown is None or shown.name != entry.name, "an answer leads on"

    # -- what always holds

    @invariant()
    def a_key_answers_only_what_has_stood_for_half_a_second(self) -> None:
        shown = self.questions.shown
        name = shown.name if shown else None
        if name != self.seen[0]:
            self.seen = (name, self.ticker())
        if self.questions.answerable:
            assert shown is not None
            assert self.ticker() - self.seen[1] >= 0.5
            assert not self.questions.gone

    @invariant()
    def nothing_that_waits_is_hidden(self) -> None:
        self.questions.update(sorted(self.truth, key=lambda entry: entry.snoozed))
        if not self.on_its_way:
            waiting = {entry.item_id for entry in self.truth}
            assert {entry.item_id for entry in self.questions.queue} == waiting
        if any(not entry.snoozed for entry in self.questions.queue):
            assert self.questions.shown is not None
        assert len(self.questions.listed) == len(self.questions.queue) + self.questions.gone


TestQuestions = Questions.TestCase
TestQuestions.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
