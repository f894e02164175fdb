"""What a key answers on the Approvals screen, and whether it may. No Textual.

Every key of that screen that decides goes through `Answers.do`: it looks at the card as it stands
on the terminal, and says what is to be sent, or what a second look has to ask first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.approval import Action, Actor, Approval, ApprovalState, Scope, Settlement
from app.domain.attention import AttentionKind
from app.domain.base import ApprovalId
from app.domain.commands import Command, DecideApproval, SettleApproval, Snooze
from app.domain.identical import likeness
from app.domain.request import Risk
from app.domain.run import RunState
from app.ui.question_queue import Entry, Name, QuestionQueue
from app.ui.view import View

SNOOZE = timedelta(minutes=15)
KINDS = {
    ApprovalState.PENDING: AttentionKind.APPROVAL,
    ApprovalState.UNCERTAIN: AttentionKind.UNCERTAIN,
}
_ALIKE = ("allow_alike", "deny_alike")
ANSWERS = frozenset(
    ("allow", "always", "edit", "deny", "deny_now", "settle", "not_now", *_ALIKE),
)


@dataclass(frozen=True, slots=True)
class Send:
    """Commands, each the answer to its own question."""

    each: tuple[tuple[Entry, Command], ...]
    put_off: bool = False


class Why(StrEnum):
    """Why a second look is needed before something is sent."""

    CRITICAL = "critical"
    ALWAYS = "always"
    AGAIN = "again"
    ALIKE = "alike"


@dataclass(frozen=True, slots=True)
class Sure:
    """To be confirmed by another key. `scope` is set where a rule would be written."""

    why: Why
    approvals: tuple[Approval, ...]
    send: Send
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """A denial of these, once a reason is given."""

    each: tuple[tuple[Entry, Approval], ...]
    interrupt: bool
    by: Actor

    def send(self, reason: str) -> Send:
        return Send(tuple((e, _deny(a, self.by, reason, self.interrupt)) for e, a in self.each))


@dataclass(frozen=True, slots=True)
class Change:
    """The call is to be changed; what is made of it is asked about anew."""

    entry: Entry
    approval: Approval


Deed = Send | Sure | Reason | Change


class Answers:
    """The card as it is on screen, and what keys make of it."""

    def __init__(
        self, view: Callable[[], View], questions: QuestionQueue, me: Callable[[], Actor]
    ) -> None:
        self._view = view  # another one after a new connection
        self.questions = questions
        self._me = me
        self.card: tuple[RunState, Approval] | None = None  # as it was when last it waited
        self.alike: tuple[tuple[Entry, Approval], ...] = ()  # further calls that are the same
        self._likeness: dict[tuple[str, int], str] = {}

    @property
    def view(self) -> View:
        return self._view()

    @property
    def me(self) -> Actor:
        return self._me()

    # -- what stands on the screen

    def find(self, item_id: str) -> tuple[RunState, Approval] | None:
        approval_id = ApprovalId(item_id)
        for state in self.view.runs.values():
            if (approval := state.approvals.get(approval_id)) is not None:
                return state, approval
        return None

    def waiting(self, now: datetime) -> list[Entry]:
        """What waits for the operator, most urgent first."""
        found: list[Entry] = []
        for item in self.view.attention(now):
            if item.kind in KINDS.values():
                approval = self.view.runs[item.run_id].approvals[ApprovalId(item.item_id)]
                state = str(approval.state)
                found.append(Entry(item.item_id, approval.revision, state, item.snoozed))
        return found

    def draw(self, entry: Entry) -> tuple[RunState, Approval] | None:
        """Take in what the card of the shown entry says: as it was read, once it is gone."""
        found = self.find(entry.item_id)
        if found is not None and not self.questions.gone:
            self.card = found
        gone = self.questions.gone or self.card is None
        self.alike = () if gone else tuple(self._same_as(entry))
        self.questions.name_alike([other.name for other, _ in self.alike])
        return self.card

    def _same_as(self, shown: Entry) -> list[tuple[Entry, Approval]]:
        mine = self._like(*self.card) if self.card is not None else ""
        found: list[tuple[Entry, Approval]] = []
        for entry in self.questions.queue if mine else ():
            if entry.name == shown.name or entry.snoozed or self.questions.is_sending(entry):
                continue
            other = self.find(entry.item_id)
            if other is not None and _name(other[1]) == entry.name:
                found += [(entry, other[1])] if self._like(*other) == mine else []
        return found

    def _like(self, state: RunState, approval: Approval) -> str:
        key = (approval.approval_id, approval.revision)
        if key not in self._likeness:
            if len(self._likeness) > 1_000:
                self._likeness.clear()
            self._likeness[key] = likeness(state, approval)
        return self._likeness[key]

    # -- which keys there are

    def applies(self, action: str) -> bool:
        """Whether an answer is one to what is shown."""
        if self.card is None:
            return False
        approval = self.card[1]
        if action == "not_now":
            return True
        if (approval.state is ApprovalState.UNCERTAIN) != (action == "settle"):
            return False
        if action == "always" and approval.risk is Risk.CRITICAL:
            return False  # no rule for all runs covers critical risk: it is asked every time
        if action == "edit" and approval.editable is None:
            return False  # its agent takes a yes or a no
        return action not in _ALIKE or bool(self.alike)

    def offered(self, action: str) -> bool | None:
        """Whether the key of an answer is shown; None: shown, and deaf for now."""
        if self.questions.shown is None or not self.applies(action):
            return False
        alike = action in _ALIKE
        awake = self.questions.alike_answerable if alike else self.questions.answerable
        return True if awake else None

    # -- what a key does

    def do(self, action: str, how: str, now: datetime) -> Deed | None:
        """What comes of an answering key that is pressed now; None when it does nothing."""
        entry, approval = self.questions.shown, self.card[1] if self.card else None
        if self.offered(action) is not True or entry is None or approval is None:
            return None
        if _name(approval) != entry.name:
            return None  # the card is drawn anew in a moment
        match action:
            case "allow":
                return self._allow(entry, approval, Scope(how))
            case "always":
                send = Send(((entry, self._allowing(approval, Scope.ALWAYS)),))
                return Sure(Why.ALWAYS, (approval,), send, Scope.ALWAYS)
            case "edit":
                return Change(entry, approval)
            case "deny":
                return Reason(((entry, approval),), how == "stop", self.me)
            case "deny_now":
                return Send(((entry, _deny(approval, self.me)),))
            case "settle":
                return self._settle(entry, approval, Settlement(how))
            case "not_now":
                until = None if entry.snoozed else now + SNOOZE
                later = Snooze(item="approval", item_id=entry.item_id, until=until, by=self.me)
                return Send(((entry, later),), put_off=until is not None)
        return self._of_alike(action, ((entry, approval), *self.alike))

    def _allow(self, entry: Entry, approval: Approval, scope: Scope) -> Deed:
        send = Send(((entry, self._allowing(approval, scope)),))
        if approval.risk is not Risk.CRITICAL:
            return send
        return Sure(Why.CRITICAL, (approval,), send, scope if scope is Scope.SESSION else None)

    def _settle(self, entry: Entry, approval: Approval, how: Settlement) -> Deed:
        command = SettleApproval(
            approval_id=approval.approval_id,
            revision=approval.revision,
            settlement=how,
            by=self.me,
        )
        send = Send(((entry, command),))
        return Sure(Why.AGAIN, (approval,), send) if how is Settlement.RUN_AGAIN else send

    def _of_alike(self, action: str, all_: tuple[tuple[Entry, Approval], ...]) -> Deed:
        if action == "deny_alike":
            return Reason(all_, False, self.me)
        each = tuple((e, self._allowing(a, Scope.ONCE)) for e, a in all_)
        return Sure(Why.ALIKE, tuple(approval for _, approval in all_), Send(each))

    def _allowing(self, approval: Approval, scope: Scope) -> DecideApproval:
        return DecideApproval(
            approval_id=approval.approval_id,
            revision=approval.revision,
            action=Action.ALLOW,
            scope=scope,
            by=self.me,
        )


def _name(approval: Approval) -> Name:
    """The name of its entry in the queue."""
    return (approval.approval_id, approval.revision, str(approval.state))


def _deny(approval: Approval, by: Actor, reason: str = "", interrupt: bool = False) -> Command:
    return DecideApproval(
        approval_id=approval.approval_id,
        revision=approval.revision,
        action=Action.DENY,
        reason=reason,
        interrupt=interrupt,
        by=by,
    )
