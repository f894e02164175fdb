"""Reviews: results that wait for the operator's verdict, and what was said about them so far."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Resize

from app.domain.attention import AttentionKind
from app.domain.base import ReviewId, RunId
from app.domain.commands import Command, GiveVerdict, Snooze
from app.domain.run import Review, ReviewState, RunState
from app.domain.text import one_line
from app.ui.artefacts import artefact_rows, before, round_rows, subject
from app.ui.marks import NEEDS
from app.ui.page import BLANK, Memo
from app.ui.question_queue import Entry
from app.ui.rows import duration
from app.ui.screens.deciding import DECIDING_KEYS, DecidingScreen
from app.ui.theme import style
from app.ui.widgets.page import Page
from app.ui.widgets.queue import Pick
from app.ui.widgets.reason import AskReason


class ReviewsScreen(DecidingScreen):
    """The queue of reviews over all runs, the text to judge, and the rounds before."""

    CSS_PATH = [style("dialogs"), style("approvals"), style("reviews")]  # noqa: RUF012
    EMPTY = "No review waits for you."
    ANSWERS = frozenset({"accept", "send_back", "not_now"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "accept", "Accept", id="review.accept"),
        Binding("d", "send_back", "Send back", id="review.send-back"),
        Binding("v", "difference", "Text or difference", id="review.difference"),
        *DECIDING_KEYS,
    ]

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(monotonic)
        self._card: tuple[RunState, Review] | None = None  # as it was when last it waited
        self._difference = False
        self._texts, self._rounds = Memo(), Memo()

    def beside(self) -> ComposeResult:
        yield Page(id="rounds")

    # -- drawing

    def _find(self, item_id: str) -> tuple[RunState, Review] | None:
        review_id = ReviewId(item_id)
        for state in self.view.runs.values():
            if (review := state.reviews.get(review_id)) is not None:
                return state, review
        return None

    def waiting(self, now: datetime) -> list[Entry]:
        found: list[Entry] = []
        for item in self.view.attention(now):
            if item.kind is AttentionKind.REVIEW:
                review = self.view.runs[item.run_id].reviews[ReviewId(item.item_id)]
                found.append(Entry(item.item_id, review.revision, "open", item.snoozed))
        return found

    def pick(self, entry: Entry, now: datetime) -> Pick:
        state, review = self._find(entry.item_id) or self._card or (None, None)
        if state is None or review is None:
            raise KeyError(entry.item_id)
        mark = NEEDS[AttentionKind.REVIEW]
        word = "asked" if review.escalated else f"round {review.round}"
        return Pick(
            entry.item_id,
            type(mark)(mark.glyph, word, mark.tone),
            one_line(f"{review.of}: {state.run.request.title}", 200),
            "put off" if entry.snoozed else duration(now - review.opened_at),
            sub=one_line(f"version {review.of_attempt} · {review.step}", 200),
            quiet=entry.snoozed,
        )

    def draw_card(self, entry: Entry, now: datetime) -> Content:
        found = self._find(entry.item_id)
        if found is not None and not self.questions.gone:
            self._card = found
        if self._card is None:
            return Content("")
        state, review = self._card
        rounds = self._rounds.rows(
            (review, *state.reviews.values()), lambda: round_rows(state, review)
        )
        rows = self._texts.rows(
            (review, subject(state, review), before(state, review), self._difference),
            lambda: artefact_rows(state, review, difference=self._difference),
        )
        if rounds and not self.has_class("-wide"):
            rows = [*rows, BLANK, *rounds]
        self.query_one("#text", Page).show(rows, name=(entry.name, self._difference))
        self.query_one("#rounds", Page).show(rounds, name=entry.name)
        mark = NEEDS[AttentionKind.REVIEW]
        return Content.assemble(
            (f"{mark.glyph} {review.of}, version {review.of_attempt}  ", "bold $warning"),
            (self._mode(state, review), "$accent"),
            f"waits {duration(now - review.opened_at)}",
            "  · reasons below" if rounds and not self.has_class("-wide") else "",
        )

    def _mode(self, state: RunState, review: Review) -> str:
        if before(state, review) is None:
            return ""
        return "difference (v: text)  " if self._difference else "text (v: difference)  "

    def on_resize(self, event: Resize) -> None:
        self.call_after_refresh(self.draw)  # what stands beside the text may now stand under it

    def ended(self, entry: Entry) -> str:
        found = self._find(entry.item_id)
        if found is None or not found[1].verdicts or found[1].state is ReviewState.OPEN:
            return "no longer waits for you"
        last = found[1].verdicts[-1]
        return f"already answered by {last.by}: {last.decision}"

    def run_of(self, entry: Entry) -> RunId | None:
        return self._card[0].run.run_id if self._card else None

    # -- answering

    def applies(self, action: str) -> bool:
        return self._card is not None

    def _answerable(self) -> tuple[Entry, Review] | None:
        """What a key answers now: the review as it is on screen, whatever the view knows."""
        entry = self.answering()
        if entry is None or self._card is None:
            return None
        review = self._card[1]
        same = (review.review_id, review.revision) == (entry.item_id, entry.revision)
        return (entry, review) if same else None

    def put_off(self, entry: Entry, until: datetime | None) -> Command:
        return Snooze(item="review", item_id=entry.item_id, until=until, by=self.me)

    def _verdict(self, review: Review, accept: bool, reason: str = "") -> GiveVerdict:
        return GiveVerdict(
            review_id=review.review_id,
            revision=review.revision,
            accept=accept,
            reason=reason,
            by=self.me,
        )

    def action_accept(self) -> None:
        if (found := self._answerable()) is not None:
            self.start_answer(found[0], self._verdict(found[1], True))

    def action_send_back(self) -> None:
        if (found := self._answerable()) is None:
            return
        entry, review = found

        async def send_back(reason: str) -> bool:
            return await self.answer(entry, self._verdict(review, False, reason))

        dialog = AskReason(
            f"Send {review.of}, version {review.of_attempt}, back: why?",
            send_back,
            draft=f"send-back-{review.review_id}",
            placeholder="What is wrong, and what would be right? The agent reads this.",
        )
        self.app.push_screen(dialog)

    def action_difference(self) -> None:
        self._difference = not self._difference
        self.draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "difference":
            shown, card = self.questions.shown, self._card
            return shown is not None and card is not None and before(*card) is not None
        return super().check_action(action, parameters)
