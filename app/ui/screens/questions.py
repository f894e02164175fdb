"""Questions: what workflows ask the operator; a choice by its number, or a text."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from app.domain.attention import AttentionKind
from app.domain.base import QuestionId, RunId
from app.domain.commands import AnswerQuestion, Command, Snooze
from app.domain.run import Question, RunState
from app.domain.text import one_line
from app.ui.asking import NUMBERED, question_rows
from app.ui.marks import NEEDS
from app.ui.page import Memo
from app.ui.question_queue import Entry
from app.ui.rows import duration
from app.ui.screens.deciding import DECIDING_KEYS, DecidingScreen
from app.ui.theme import style
from app.ui.widgets.page import Page
from app.ui.widgets.queue import Pick
from app.ui.widgets.reason import AskReason

_DIGITS = range(1, NUMBERED + 1)


class QuestionsScreen(DecidingScreen):
    """The queue of open questions over all runs.

    A number marks a choice and another key sends it: no single key commits the run to an answer.
    """

    CSS_PATH = [style("dialogs"), style("approvals")]  # noqa: RUF012
    EMPTY = "No workflow asks you anything."
    ANSWERS = frozenset({"send_choice", "write", "not_now"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "choose(1)", "Choose", id="question.choose-1", key_display="1-9"),
        *(
            Binding(str(n), f"choose({n})", id=f"question.choose-{n}", show=False)
            for n in _DIGITS[1:]
        ),
        Binding("y", "send_choice", "Send it", id="question.send"),
        Binding("e", "write", "Write an answer", id="question.write"),
        *DECIDING_KEYS,
    ]

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(monotonic)
        self._card: tuple[RunState, Question] | None = None  # as it was when last it waited
        self._marked: dict[str, str] = {}  # the choice that is marked, by question
        self._memo = Memo()

    # -- drawing

    def _find(self, item_id: str) -> tuple[RunState, Question] | None:
        question_id = QuestionId(item_id)
        for state in self.view.runs.values():
            if (question := state.questions.get(question_id)) is not None:
                return state, question
        return None

    def waiting(self, now: datetime) -> list[Entry]:
        found: list[Entry] = []
        for item in self.view.attention(now):
            if item.kind is AttentionKind.QUESTION:
                question = self.view.runs[item.run_id].questions[QuestionId(item.item_id)]
                found.append(Entry(item.item_id, question.revision, "open", item.snoozed))
        return found

    def pick(self, entry: Entry, now: datetime) -> Pick:
        state, question = self._find(entry.item_id) or self._card or (None, None)
        if state is None or question is None:
            raise KeyError(entry.item_id)
        return Pick(
            entry.item_id,
            NEEDS[AttentionKind.QUESTION],
            one_line(question.text, 200),
            "put off" if entry.snoozed else duration(now - question.asked_at),
            sub=one_line(f"{state.run.request.title} · {question.step}", 200),
            quiet=entry.snoozed,
        )

    def draw_card(self, entry: Entry, now: datetime) -> Content:
        found = self._find(entry.item_id)
        if found is not None and not self.questions.gone:
            self._card = found
        if self._card is None:
            return Content("")
        state, question = self._card
        marked = self._marked.get(question.question_id, "")
        rows = self._memo.rows(
            (question, marked, state.attempts), lambda: question_rows(state, question, marked)
        )
        self.query_one("#text", Page).show(rows, name=entry.name)
        mark = NEEDS[AttentionKind.QUESTION]
        return Content.assemble(
            (f"{mark.glyph} {question.step}  ", "bold $warning"),
            (f"of {one_line(state.run.request.title, 60)}  ", "$accent"),
            f"waits {duration(now - question.asked_at)}",
        )

    def ended(self, entry: Entry) -> str:
        found = self._find(entry.item_id)
        if found is None or found[1].by is None:
            return "no longer waits for you"
        return f"already answered by {found[1].by}: {one_line(found[1].answer, 100)}"

    def run_of(self, entry: Entry) -> RunId | None:
        return self._card[0].run.run_id if self._card else None

    # -- answering

    def applies(self, action: str) -> bool:
        if self._card is None:
            return False
        question = self._card[1]
        match action:
            case "send_choice":
                return question.question_id in self._marked
            case "write":
                return _is_written(question)
        return True

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "choose":
            card = self._card if self.questions.shown is not None else None
            return card is not None and bool(card[1].choices) and not self.questions.gone
        return super().check_action(action, parameters)

    def _answerable(self) -> tuple[Entry, Question] | None:
        """What a key answers now: the question as it is on screen, whatever the view knows."""
        entry = self.answering()
        if entry is None or self._card is None:
            return None
        question = self._card[1]
        same = (question.question_id, question.revision) == (entry.item_id, entry.revision)
        return (entry, question) if same else None

    def put_off(self, entry: Entry, until: datetime | None) -> Command:
        return Snooze(item="question", item_id=entry.item_id, until=until, by=self.me)

    def _command(self, question: Question, answer: str) -> AnswerQuestion:
        return AnswerQuestion(
            question_id=question.question_id,
            revision=question.revision,
            answer=answer,
            by=self.me,
        )

    def action_choose(self, number: int) -> None:
        """Mark a choice; pressed again, the mark is taken away."""
        if self._card is None or not 0 < number <= len(self._card[1].choices):
            return
        question = self._card[1]
        choice = question.choices[number - 1]
        if self._marked.pop(question.question_id, "") != choice:
            self._marked[question.question_id] = choice
        self.say("")
        self.draw()
        self.refresh_bindings()

    def action_send_choice(self) -> None:
        if (found := self._answerable()) is None:
            return
        entry, question = found
        if (choice := self._marked.get(question.question_id)) is not None:
            self.start_answer(entry, self._command(question, choice))

    def action_write(self) -> None:
        if (found := self._answerable()) is None or not _is_written(found[1]):
            return
        entry, question = found

        async def send(text: str) -> bool:
            return await self.answer(entry, self._command(question, text))

        dialog = AskReason(
            one_line(question.text, 300),
            send,
            draft=f"answer-{question.question_id}",
            placeholder="One of the choices, in its own words."
            if question.choices
            else "Your answer is the step's result; what follows reads it.",
        )
        self.app.push_screen(dialog)


def _is_written(question: Question) -> bool:
    """Whether there is an answer that no number marks."""
    return not question.choices or len(question.choices) > NUMBERED
