"""What events about approvals, reviews and questions change."""

from __future__ import annotations

import hashlib
from typing import Any

from msgspec.structs import replace

from app.domain import events as ev
from app.domain.approval import Action, ActorKind, Approval, ApprovalState, Decision
from app.domain.base import ApprovalId, QuestionId, ReviewId
from app.domain.events import Event
from app.domain.reduce_base import (
    with_approval,
    with_attempt,
    with_question,
    with_review,
    with_session,
)
from app.domain.run import AttemptState, QuestionState, ReviewState, RunState, attempt_key
from app.domain.session import SessionState


def _approval_requested(s: RunState, p: ev.ApprovalRequested, e: Event) -> RunState:
    approval = p.approval
    s = replace(s, approvals=s.approvals.set(approval.approval_id, approval))
    return _settle_waiting(s, approval)


def _settle_waiting(s: RunState, approval: Approval) -> RunState:
    """Keep the session's state in step with whether any of its approvals is pending."""
    session = s.sessions.get(approval.session_id)
    if session is None or session.state not in (SessionState.WORKING, SessionState.WAITING):
        return s
    waiting = any(
        a.session_id == session.session_id and a.state is ApprovalState.PENDING
        for a in s.approvals.values()
    )
    state = SessionState.WAITING if waiting else SessionState.WORKING
    return s if state is session.state else with_session(s, session.session_id, state=state)


def _change_approval(s: RunState, approval_id: ApprovalId, /, **changes: Any) -> RunState:
    before = s.approvals[approval_id]
    s = with_approval(s, approval_id, revision=before.revision + 1, **changes)
    return _settle_waiting(s, s.approvals[approval_id])


def _approval_rebound(s: RunState, p: ev.ApprovalRebound, e: Event) -> RunState:
    # What is asked is the same: the revision stays, so a card on screen stays answerable.
    call = s.approvals[p.approval_id].call.model_copy(update={"call_id": p.call_id})
    s = with_approval(s, p.approval_id, call=call, epoch=p.epoch, turn=p.turn)
    return _settle_waiting(s, s.approvals[p.approval_id])


def _approval_decided(s: RunState, p: ev.ApprovalDecided, e: Event) -> RunState:
    s = _change_approval(s, p.approval_id, state=_decided(p.decision), decision=p.decision)
    return _hand_over(s, p.approval_id, e) if p.told else s


def _decided(decision: Decision) -> ApprovalState:
    """Nobody's answer is one of its own: whatever it says, it permits nothing."""
    if decision.by.kind is ActorKind.TIMEOUT:
        return ApprovalState.TIMED_OUT
    return ApprovalState.DENIED if decision.action is Action.DENY else ApprovalState.APPROVED


def _approval_supported(s: RunState, p: ev.ApprovalSupported, e: Event) -> RunState:
    supporters = (*s.approvals[p.approval_id].supporters, p.by)
    return _change_approval(s, p.approval_id, supporters=supporters)


def _approval_edited(s: RunState, p: ev.ApprovalEdited, e: Event) -> RunState:
    # Who has allowed it before has allowed another call.
    return _change_approval(
        s,
        p.approval_id,
        call=p.call,
        original=s.approvals[p.approval_id].asked,
        editable=p.text,
        edited_by=p.by,
        risk=p.risk,
        risk_reasons=p.risk_reasons,
        deciders=p.deciders,
        supporters=(),
    )


def _approval_told(s: RunState, p: ev.ApprovalTold, e: Event) -> RunState:
    return _hand_over(s, p.approval_id, e)


def _hand_over(s: RunState, approval_id: ApprovalId, e: Event) -> RunState:
    """The agent hears the decision: from here on an allowed call may be under way."""
    if s.approvals[approval_id].state.refused:
        return with_approval(s, approval_id, told=True)
    return with_approval(
        s, approval_id, told=True, state=ApprovalState.PERMITTED, permitted_at=e.at
    )


def _approval_outcome(s: RunState, p: ev.ApprovalOutcome, e: Event) -> RunState:
    state = ApprovalState.EXECUTED if p.outcome.ok else ApprovalState.FAILED
    return _change_approval(s, p.approval_id, state=state, outcome=p.outcome)


def _approval_uncertain(s: RunState, p: ev.ApprovalUncertain, e: Event) -> RunState:
    return _change_approval(s, p.approval_id, state=ApprovalState.UNCERTAIN)


def _approval_settled(s: RunState, p: ev.ApprovalSettled, e: Event) -> RunState:
    return _change_approval(
        s,
        p.approval_id,
        state=ApprovalState.SETTLED,
        settlement=p.settlement,
        settled_by=p.by,
    )


def _approval_withdrawn(s: RunState, p: ev.ApprovalWithdrawn, e: Event) -> RunState:
    return _change_approval(s, p.approval_id, state=ApprovalState.WITHDRAWN)


def _review_opened(s: RunState, p: ev.ReviewOpened, e: Event) -> RunState:
    return replace(s, reviews=s.reviews.set(p.review.review_id, p.review))


def _verdict_given(s: RunState, p: ev.VerdictGiven, e: Event) -> RunState:
    review = s.reviews[p.review_id]
    if p.attempt:
        key = attempt_key(review.unit.step, p.attempt, *review.unit[1:])
        s = with_attempt(s, key, state=AttemptState.PASSED)
    return with_review(
        s,
        p.review_id,
        verdicts=(*review.verdicts, p.verdict),
        revision=review.revision + 1,
    )


def _review_escalated(s: RunState, p: ev.ReviewEscalated, e: Event) -> RunState:
    review = s.reviews[p.review_id]
    changes = {"escalated": p.why, "at_limit": p.at_limit, "revision": review.revision + 1}
    return with_review(s, p.review_id, **changes)


def _review_closed(s: RunState, p: ev.ReviewClosed, e: Event) -> RunState:
    state = ReviewState.APPROVED if p.approved else ReviewState.REJECTED
    return with_review(s, p.review_id, state=state, closed_at=e.at)


def _snoozed(s: RunState, p: ev.Snoozed, e: Event) -> RunState:
    if p.item == "approval":
        return with_approval(s, ApprovalId(p.item_id), snoozed_until=p.until)
    if p.item == "review":
        return with_review(s, ReviewId(p.item_id), snoozed_until=p.until)
    return with_question(s, QuestionId(p.item_id), snoozed_until=p.until)


def _question_asked(s: RunState, p: ev.QuestionAsked, e: Event) -> RunState:
    return replace(s, questions=s.questions.set(p.question.question_id, p.question))


def _question_answered(s: RunState, p: ev.QuestionAnswered, e: Event) -> RunState:
    question = s.questions[p.question_id]
    s = with_question(
        s,
        p.question_id,
        state=QuestionState.ANSWERED,
        answer=p.answer,
        by=p.by,
        answered_at=e.at,
        revision=question.revision + 1,
    )
    key = attempt_key(question.step, question.attempt)
    return with_attempt(
        s,
        key,
        state=AttemptState.PRODUCED,
        output=p.answer,
        output_sha256=hashlib.sha256(p.answer.encode()).hexdigest(),
        ended_at=e.at,
    )


APPLY: dict[type, Any] = {
    ev.ApprovalRequested: _approval_requested,
    ev.ApprovalRebound: _approval_rebound,
    ev.ApprovalSupported: _approval_supported,
    ev.ApprovalDecided: _approval_decided,
    ev.ApprovalEdited: _approval_edited,
    ev.ApprovalTold: _approval_told,
    ev.ApprovalOutcome: _approval_outcome,
    ev.ApprovalUncertain: _approval_uncertain,
    ev.ApprovalSettled: _approval_settled,
    ev.ApprovalWithdrawn: _approval_withdrawn,
    ev.ReviewOpened: _review_opened,
    ev.VerdictGiven: _verdict_given,
    ev.ReviewEscalated: _review_escalated,
    ev.ReviewClosed: _review_closed,
    ev.QuestionAsked: _question_asked,
    ev.QuestionAnswered: _question_answered,
    ev.Snoozed: _snoozed,
}
