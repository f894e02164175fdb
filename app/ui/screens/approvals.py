"""Approvals: what agents ask to be allowed, one card at a time, one key to answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from app.domain.approval import Action, Approval, ApprovalState, Scope, Settlement
from app.domain.attention import AttentionKind
from app.domain.base import ApprovalId, RunId
from app.domain.commands import Command, DecideApproval, EditApproval, SettleApproval, Snooze
from app.domain.request import Risk
from app.domain.run import RunState
from app.domain.text import one_line
from app.ui.cards import approval_rows, command_rows, head, resolution
from app.ui.marks import NEEDS
from app.ui.page import BLANK, Memo, Row, row
from app.ui.rows import duration
from app.ui.screens.deciding import DECIDING_KEYS, DecidingScreen
from app.ui.standing import Entry
from app.ui.theme import style
from app.ui.widgets.confirm import AskSure
from app.ui.widgets.edit_call import EditCall, draft_of
from app.ui.widgets.page import Page
from app.ui.widgets.queue import Pick
from app.ui.widgets.reason import AskReason

KINDS = {
    ApprovalState.PENDING: AttentionKind.APPROVAL,
    ApprovalState.UNCERTAIN: AttentionKind.UNCERTAIN,
}
RISK_STYLES = {
    Risk.LOW: "$success",
    Risk.MEDIUM: "$accent",
    Risk.HIGH: "bold $warning",
    Risk.CRITICAL: "bold $error",
}


class ApprovalsScreen(DecidingScreen):
    """The queue of pending and uncertain tool calls over all runs."""

    CSS_PATH = [style("dialogs"), style("approvals")]  # noqa: RUF012
    ANSWERS = frozenset({"allow", "always", "deny", "edit", "settle", "not_now"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "allow('once')", "Allow", id="approve.once"),
        Binding("s", "allow('session')", "Session", id="approve.session"),
        Binding("w", "always", "Always", id="approve.always"),
        Binding("d", "deny(False)", "Deny", id="approve.deny"),
        Binding("D", "deny(True)", "Deny+stop", id="approve.deny-stop"),
        Binding("e", "edit", "Edit", id="approve.edit"),
        Binding("1", "settle('run_again')", "Run again", id="approve.run-again"),
        Binding("2", "settle('treat_as_done')", "Was done", id="approve.was-done"),
        Binding("3", "settle('abort')", "Abort", id="approve.abort"),
        *DECIDING_KEYS,
    ]

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(monotonic)
        self._card: tuple[RunState, Approval] | None = None  # as it was when last it waited
        self._memo = Memo()

    # -- drawing

    def _find(self, item_id: str) -> tuple[RunState, Approval] | None:
        approval_id = ApprovalId(item_id)
        for state in self.view.runs.values():
            if (approval := state.approvals.get(approval_id)) is not None:
                return state, approval
        return None

    def waiting(self, now: datetime) -> list[Entry]:
        found: list[Entry] = []
        for item in self.view.attention(now):
            if item.kind not in KINDS.values():
                continue
            approval = self.view.runs[item.run_id].approvals[ApprovalId(item.item_id)]
            entry = Entry(item.item_id, approval.revision, str(approval.state), item.snoozed)
            found.append(entry)
        return found

    def pick(self, entry: Entry, now: datetime) -> Pick:
        state, approval = self._find(entry.item_id) or self._card or (None, None)
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
        found = self._find(entry.item_id)
        if found is not None and not self.standing.gone:
            self._card = found
        if self._card is None:
            return Content("")
        state, approval = self._card
        parts = (approval, state.sessions.get(approval.session_id))
        rows = self._memo.rows(parts, lambda: approval_rows(state, approval))
        self.query_one("#text", Page).show(rows, name=entry.name)
        mark = NEEDS[KINDS.get(approval.state, AttentionKind.APPROVAL)]
        risk = (f"{str(approval.risk).upper()} RISK", RISK_STYLES[approval.risk])
        place = self._place(entry)
        return Content.assemble(
            (f"{mark.glyph} {mark.word}  ", "bold $warning"),
            risk,
            f"  {head(approval, now)}",
            place,
        )

    def _place(self, entry: Entry) -> str:
        listed = self.standing.listed
        return f"  · {listed.index(entry) + 1} of {len(listed)}" if len(listed) > 1 else ""

    def ended(self, entry: Entry) -> str:
        found = self._find(entry.item_id)
        return resolution(found[1] if found else None)

    def run_of(self, entry: Entry) -> RunId | None:
        return self._card[0].run.run_id if self._card else None

    # -- answering

    def applies(self, action: str) -> bool:
        approval = self._approval
        if approval is None:
            return False
        if action == "always" and approval.risk is Risk.CRITICAL:
            return False  # no rule for all runs covers critical risk: it is asked every time
        if action == "edit" and approval.editable is None:
            return False  # its agent takes a yes or a no
        uncertain = approval.state is ApprovalState.UNCERTAIN
        return action == "not_now" or (action == "settle") == uncertain

    @property
    def _approval(self) -> Approval | None:
        return self._card[1] if self._card else None

    def _answerable(self) -> tuple[Entry, Approval] | None:
        """What a key answers now: the card as it is on screen, whatever the view knows by now."""
        entry, approval = self.answering(), self._approval
        if entry is None or approval is None or approval.approval_id != entry.item_id:
            return None
        return (entry, approval) if approval.revision == entry.revision else None

    def put_off(self, entry: Entry, until: datetime | None) -> Command:
        return Snooze(item="approval", item_id=entry.item_id, until=until, by=self.me)

    def _allow(self, approval: Approval, scope: Scope) -> DecideApproval:
        return DecideApproval(
            approval_id=approval.approval_id,
            revision=approval.revision,
            action=Action.ALLOW,
            scope=scope,
            by=self.me,
        )

    def action_allow(self, scope: str) -> None:
        if (found := self._answerable()) is None:
            return
        entry, approval = found
        command = self._allow(approval, Scope(scope))
        if approval.risk is not Risk.CRITICAL:
            self.start_answer(entry, command)
            return
        far = "this once"
        rows = [*_what(approval), BLANK, *(row(f"· {why}") for why in approval.risk_reasons)]
        if command.scope is Scope.SESSION:
            far = "for the whole session"
            rows += [BLANK, *self._rule(approval, command.scope)]
        self._ask_sure(f"Critical risk: allow {far}?", rows, f"allow {far}", entry, command)

    def action_always(self) -> None:
        if (found := self._answerable()) is None or found[1].risk is Risk.CRITICAL:
            return
        entry, approval = found
        rows = [*_what(approval), BLANK, *self._rule(approval, Scope.ALWAYS)]
        command = self._allow(approval, Scope.ALWAYS)
        title = "Always allow? From now on, in every run of this project:"
        self._ask_sure(title, rows, "write the rule and allow", entry, command)

    def _rule(self, approval: Approval, scope: Scope) -> Iterator[Row]:
        # Late: judging past calls needs the shell grammar, which takes long to load.
        from app.ui.rules import rule_rows

        return rule_rows(approval, scope, self.view.runs)

    def _ask_sure(
        self, title: str, rows: list[Row], yes: str, entry: Entry, command: Command
    ) -> None:
        def answered(sure: bool | None) -> None:
            if sure:
                self.start_answer(entry, command)

        dialog = AskSure(title, rows, yes=yes, monotonic=self.standing.monotonic)
        self.app.push_screen(dialog, answered)

    def action_deny(self, interrupt: bool) -> None:
        if (found := self._answerable()) is None:
            return
        entry, approval = found

        async def deny(reason: str) -> bool:
            command = DecideApproval(
                approval_id=approval.approval_id,
                revision=approval.revision,
                action=Action.DENY,
                reason=reason,
                interrupt=interrupt,
                by=self.me,
            )
            return await self.answer(entry, command)

        then = "Deny and end the turn" if interrupt else "Deny"
        dialog = AskReason(
            f"{then}: {one_line(approval.call.title, 100)}",
            deny,
            draft=f"deny-{approval.approval_id}",
            placeholder="Why not, and what instead? The agent reads this. May be left empty.",
            may_be_empty=True,
        )
        self.app.push_screen(dialog)

    def action_edit(self) -> None:
        if (found := self._answerable()) is None or found[1].editable is None:
            return
        _, approval = found

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

    def action_settle(self, how: str) -> None:
        if (found := self._answerable()) is None:
            return
        entry, approval = found
        command = SettleApproval(
            approval_id=approval.approval_id,
            revision=approval.revision,
            settlement=Settlement(how),
            by=self.me,
        )
        if command.settlement is not Settlement.RUN_AGAIN:
            self.start_answer(entry, command)
            return
        rows = [*_what(approval), BLANK, row("If it ran already, it runs a second time.")]
        self._ask_sure("Run it again?", rows, "run it again", entry, command)


def _what(approval: Approval) -> list[Row]:
    call = approval.call
    return list(command_rows(call.command or call.title))
