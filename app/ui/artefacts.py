"""What a review is about: the text, what changed in it, and what was said in each round so far.

A text is drawn as it is, with headings, lists, quotes and code only set apart: no markup of it
is carried out. No Textual.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.domain.approval import ActorKind
from app.domain.run import Attempt, Review, ReviewState, RunState, Verdict
from app.ui.diffrows import difference_rows
from app.ui.page import BLANK, MOST_ROWS, Row, clean, heading, lines, row

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_LIST = re.compile(r" *(?:[-*+:]|\d{1,3}[.)]) +")
_HEADING = re.compile(r"#{1,6} ")
_MARKS = {"approve": ("✓", "good"), "reject": ("✗", "bad"), "unparsable": ("?", "need")}
_STATES = {
    ReviewState.OPEN: "open",
    ReviewState.APPROVED: "approved",
    ReviewState.REJECTED: "sent back",
}


def text_rows(text: str) -> list[Row]:
    """A text with its structure set apart, line for line."""
    found: list[Row] = []
    fence = ""
    every = clean(text).strip("\n").split("\n")
    for line in every[:MOST_ROWS]:
        mark = _FENCE.match(line)
        if fence:
            found.append(row((line, "code"), tone="code", hang="  "))
            if mark and line.strip() == mark[1] and mark[1].startswith(fence):
                fence = ""
        elif mark:
            fence = mark[1]
            found.append(row((line, "code"), tone="code"))
        else:
            found.append(_prose(line))
    if len(every) > MOST_ROWS:
        found.append(row((f"… {len(every) - MOST_ROWS:,} more lines", "quiet")))
    return found


def _prose(line: str) -> Row:
    if _HEADING.match(line):
        return row((line, "heading"))
    if line.startswith(">"):
        return row((line, "quote"), hang="> ")
    item = _LIST.match(line)
    indent = len(item[0]) if item else len(line) - len(line.lstrip())
    return row(line, hang=" " * indent)


def subject(state: RunState, review: Review) -> Attempt | None:
    """The attempt whose output is judged."""
    for attempt in state.attempts.values():
        if (attempt.step, attempt.attempt) == (review.of, review.of_attempt):
            return attempt
    return None


def before(state: RunState, review: Review) -> Attempt | None:
    """The version before the one that is judged."""
    earlier = [
        attempt
        for attempt in state.attempts.values()
        if attempt.step == review.of
        and attempt.attempt < review.of_attempt
        and attempt.output is not None
    ]
    return earlier[-1] if earlier else None


def artefact_rows(state: RunState, review: Review, *, difference: bool) -> list[Row]:
    """Why the operator is asked, if that was not planned; then the text or what changed in it."""
    found: list[Row] = []
    if review.escalated:
        found += [*lines(f"Why you are asked: {review.escalated}", tone="need"), BLANK]
    attempt, previous = subject(state, review), before(state, review)
    output = attempt.output if attempt else None
    if output is None:
        return [*found, row(("the text is not at hand", "quiet"))]
    if not difference or previous is None:
        return found + (text_rows(output) if output.strip() else [row(("(empty)", "quiet"))])
    changed = difference_rows(previous.output or "", output)
    head = heading(f"From version {previous.attempt} to version {review.of_attempt}")
    same = [row(("nothing changed: the text is the same", "need"))]
    return [*found, head, *(changed or same)]


def round_rows(state: RunState, review: Review) -> list[Row]:
    """Verdicts and reasons of this round and all earlier ones, the newest first."""
    rounds = [r for r in state.reviews.values() if r.step == review.step]
    found: list[Row] = []
    for one in sorted(rounds, key=lambda r: r.round, reverse=True):
        if one.round > review.round or (one is review and not one.verdicts):
            continue
        now = " (this round)" if one.review_id == review.review_id else f": {_STATES[one.state]}"
        found.append(heading(f"Round {one.round}{now}", f"version {one.of_attempt}"))
        for verdict in one.verdicts:
            found += _verdict(verdict)
        found.append(BLANK)
    return found[:-1]


def _verdict(verdict: Verdict) -> Iterator[Row]:
    mark, tone = _MARKS[verdict.decision]
    words = "cannot be read" if verdict.decision == "unparsable" else verdict.decision
    by = verdict.by
    who = by.name if by.kind is ActorKind.PERSON else f"{by.name} ({by.kind})"
    yield row((f"{mark} {who}: {words}", tone))
    for reason in verdict.reasons:
        yield from lines(reason, first="  · ", rest="    ")
