"""What there is to read about a question before answering it. No Textual."""

from __future__ import annotations

from app.domain.flow import input_of
from app.domain.run import Question, RunState
from app.ui.artefacts import text_rows
from app.ui.page import BLANK, Row, heading, lines, row

NUMBERED = 9  # choices that have a key of their own


def question_rows(state: RunState, question: Question, marked: str) -> list[Row]:
    """The question, its choices (`marked` is the chosen one), and what it is about."""
    found = [*text_rows(question.text), BLANK]
    for number, choice in enumerate(question.choices, start=1):
        chosen = choice == marked
        key = f"{number}" if number <= NUMBERED else " "
        head = f"{'▸' if chosen else ' '} {key}  "
        text = (choice, "good" if chosen else "strong")
        found.append(row((head, "label"), text, hang=" " * len(head)))
    if question.choices:
        said = f"y sends “{marked}”" if marked else "a number marks your answer"
        if len(question.choices) > NUMBERED and not marked:
            said += "; e writes one that has none"
        found += [row((said, "quiet")), BLANK]
    else:
        found += [row(("e writes an answer", "quiet")), BLANK]
    found += [heading("Request"), *lines(state.run.request.text)]
    before = input_of(state, question.step)
    if before.strip() and before not in (state.run.request.text, question.text):
        found += [BLANK, heading("What flows into it"), *text_rows(before)]
    return found
