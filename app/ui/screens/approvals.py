"""Approvals: what agents ask to be allowed, one card at a time, one key to answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from app.domain.approval import Approval
from app.domain.attention import AttentionKind
from app.domain.base import RunId
from app.domain.commands import Command, EditApproval
from app.domain.covered import Covered
from app.domain.errors import LongwatchError
from app.domain.request import Risk
from app.domain.run import RunState
from app.domain.text import one_line
from app.ui.answers import ANSWERS, KINDS, Answers, Change, Reason, Send, Sure
from app.ui.cards import approval_rows, head, resolution
from app.ui.confirmations import denied_words, sure_words
from app.ui.marks import NEEDS
from app.ui.page import Memo
from app.ui.question_queue import Entry
from app.ui.rows import duration
from app.ui.screens.deciding import DECIDING_KEYS, OPEN_KEY, DecidingScreen
from app.ui.theme import style
from app.ui.widgets.confirm import AskSure
from app.ui.widgets.edit_call import EditCall, draft_of
from app.ui.widgets.page import Page
from app.ui.widgets.queue import Pick
from app.ui.widgets.reason import AskReason

RISK_STYLES = {
    Risk.LOW: "$success",
    Risk.MEDIUM: "$accent",
    Risk.HIGH: "bold $warning",
    Risk.CRITICAL: "bold $error",
}


class ApprovalsScreen(DecidingScreen):
    """The queue of pending and uncertain tool calls over all runs.

    What its answering keys do is decided in `app.ui.answers`; here it is shown and carried out.
    """

    CSS_PATH = [style("dialogs"), style("approvals")]  # noqa: RUF012
    EMPTY = "No tool call waits for you."
    ANSWERS = ANSWERS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer_with('allow','once')", "Allow", id="approve.once"),
        Binding("s", "answer_with('allow','session')", "Session", id="approve.session"),
        Binding("w", "answer_with('always','')", "Always", id="approve.always"),
        Binding(
            "a", "answer_with('allow_alike','')", "Allow alike", id="approve.alike", show=False
        ),
        Binding("e", "answer_with('edit','')", "Edit", id="approve.edit"),
        Binding("x", "answer_with('deny_now','')", "Deny", id="approve.deny-now"),
        Binding("d", "answer_with('deny','')", "+why", id="approve.deny"),
        Binding("D", "answer_with('deny','stop')", "+stop", id="approve.deny-stop"),
        Binding(
            "X", "answer_with('deny_alike','')", "Deny alike", id="approve.alike-deny", show=False
        ),
        Binding("1", "answer_with('settle','run_again')", "Run again", id="approve.run-again"),
        Binding("2", "answer_with('settle','treat_as_done')", "Was done", id="approve.was-done"),
        Binding("3", "answer_with('settle','abort')", "Abort", id="approve.abort"),
        *(key for key in DECIDING_KEYS if key is not OPEN_KEY),
        replace(OPEN_KEY, show=False),  # the footer of 80 columns is full of answers
    ]

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(monotonic)
        self.answers = Answers(lambda: self.view, self.questions, lambda: self.me)
        self._memo = Memo()

    # -- drawing

    def waiting(self, now: datetime) -> list[Entry]:
        return self.answers.waiting(now)

    def pick(self, entry: Entry, now: datetime) -> Pick:
        state, approval = self.answers.find(entry.item_id) or self.answers.card or (None, None)
        if state is None or approval is None:
            raise KeyError(entry.item_id)
        kind = KINDS.get(approval.state, AttentionKind.APPROVAL)
        mark = NEEDS[kind]
        risk = "unsure" if kind is AttentionKind.UNCERTAIN else str(approval.risk)
        right = "put off" if entry.snoozed else duration(now - approval.requested_at)
        return Pick(
            entry.item_id,
            type(mark)(mark.glyph, risk, "bad" if approval.risk is Risk.CRITICAL else mark.tone),
            one_line(approval.call.title, 200),
            right,
            sub=one_line(f"{state.run.request.title} · {approval.step}", 200),
            quiet=entry.snoozed,
        )

    def draw_card(self, entry: Entry, now: datetime) -> Content:
        card = self.answers.draw(entry)
        if card is None:
            return Content("")
        state, approval = card
        alike = [(self._state_of(other), other) for _, other in self.answers.alike]
        parts = (approval, state.sessions.get(approval.session_id), self.questions.alike)
        rows = self._memo.rows(parts, lambda: approval_rows(state, approval, alike))
        self.query_one("#text", Page).show(rows, name=entry.name)
        mark = NEEDS[KINDS.get(approval.state, AttentionKind.APPROVAL)]
        risk = (f"{str(approval.risk).upper()} RISK", RISK_STYLES[approval.risk])
        same = f"  {len(alike) + 1} identical" if alike else ""
        return Content.assemble(
            (f"{mark.glyph} {mark.word}  ", "bold $warning"),
            risk,
            (same, "bold $warning"),
            f"  {head(approval, now)}",
            self._place(entry),
        )

    def _state_of(self, approval: Approval) -> RunState:
        return self.view.runs[approval.run_id]

    def _place(self, entry: Entry) -> str:
        listed = self.questions.listed
        return f"  · {listed.index(entry) + 1} of {len(listed)}" if len(listed) > 1 else ""

    def ended(self, entry: Entry) -> str:
        found = self.answers.find(entry.item_id)
        return resolution(found[1] if found else None)

    def run_of(self, entry: Entry) -> RunId | None:
        return self.answers.card[0].run.run_id if self.answers.card else None

    # -- answering

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "answer_with":
            return self.answers.offered(str(parameters[0]))
        if action == "not_now":
            return self.answers.offered(action)
        return super().check_action(action, parameters)

    def put_off(self, entry: Entry, until: datetime | None) -> Command:
        raise NotImplementedError  # `not_now` goes the way of every other answer

    def action_not_now(self) -> None:
        self.action_answer_with("not_now", "")

    def action_answer_with(self, action: str, how: str) -> None:
        match self.answers.do(action, how, self.now()):
            case Send() as send:
                self.run_worker(self._carry_out(send), group="answer")
            case Reason() as reason:
                self._ask_reason(reason)
            case Change(approval=approval):
                self._change(approval)
            case Sure(scope=None) as sure:
                self._ask_sure(sure, None)
            case Sure() as sure:
                self.say("looking for the calls that it would have covered…")
                self.draw()
                self.run_worker(self._look_back(sure), group="look back", exclusive=True)

    async def _carry_out(self, send: Send) -> bool:
        """Send every command; each is an answer of its own, taken or refused by itself."""
        taken, left = 0, list(send.each)
        for entry, _ in send.each:
            self.questions.sending(entry)
        try:
            while left:
                entry, command = left.pop(0)
                if len(send.each) > 1:
                    self.working = f"answering {len(send.each) - len(left)} of {len(send.each)}…"
                taken += await self.answer(entry, command, put_off=send.put_off)
        finally:
            self.working = ""
            for entry, _ in left:
                self.questions.sent(entry, taken=False)
        count = len(send.each)
        if count > 1:
            rest = f"; {count - taken} had changed and wait still" if taken < count else ""
            self.say(f"{taken} of {count} answered{rest}", "bad" if rest else "quiet")
            self.draw()
        return taken == count

    async def _look_back(self, sure: Sure) -> None:
        """Read which past calls the rule would have covered, and only then ask."""
        approval = sure.approvals[0]
        entry = sure.send.each[0][0]
        if self.client is None or sure.scope is None:
            return self._refused("not connected yet: nothing was sent")
        try:
            covered = await self.client.covered(approval.approval_id, sure.scope)
        except LongwatchError as error:
            self._refused(str(error))
            return self.draw()
        self.say("")
        if self.answering() == entry and self.on_top:  # else it was answered, or left, meanwhile
            self._ask_sure(sure, covered)
        return self.draw()

    def _ask_sure(self, sure: Sure, covered: Covered | None) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self.run_worker(self._carry_out(sure.send), group="answer")

        title, rows, yes = sure_words(sure, covered, self._state_of)
        monotonic = self.questions.monotonic
        self.app.push_screen(AskSure(title, rows, yes=yes, monotonic=monotonic), answered)

    def _ask_reason(self, reason: Reason) -> None:
        async def deny(text: str) -> bool:
            return await self._carry_out(reason.send(text))

        title, draft = denied_words(reason)
        dialog = AskReason(
            title,
            deny,
            draft=draft,
            placeholder="Why not, and what instead? The agent reads this. May be left empty.",
            may_be_empty=True,
        )
        self.app.push_screen(dialog)

    def _change(self, approval: Approval) -> None:
        async def change(text: str) -> bool:
            command = EditApproval(
                approval_id=approval.approval_id,
                revision=approval.revision,
                text=text,
                by=self.me,
            )
            # No answer: the changed call comes back as a card of its own, deaf for its half second.
            return await self.send(command) is not None

        self.room.drafts.setdefault(draft_of(approval), approval.editable or "")
        self.app.push_screen(EditCall(approval, change))
