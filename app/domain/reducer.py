"""The reducer: `reduce(state, event) -> state`. Replaying a run's events gives its state."""

from __future__ import annotations

import hashlib
from typing import Any

from app.domain import events as ev
from app.domain.approval import Action, ActorKind, Approval, ApprovalState
from app.domain.base import ApprovalId, ReviewId, SessionId
from app.domain.events import Event
from app.domain.run import AttemptState, ReviewState, RunState, attempt_key
from app.domain.session import SessionState
from app.domain.task_state import TaskState, check_transition


def reduce(state: RunState | None, event: Event) -> RunState | None:
    """The run's state after `event`; unchanged for events that concern no run.

    Raises Refused for a transition that the task state table forbids, and KeyError for an
    event about something the run does not have: both mean a broken journal.
    """
    if not event.run_id:
        return state
    payload = event.payload
    if isinstance(payload, ev.RunCreated):
        return RunState(run=payload.run, seq=event.seq)
    if state is None:
        raise KeyError(f"event {event.seq} is about run {event.run_id}, which was never created")
    after: RunState = _APPLY.get(type(payload), _nothing)(state, payload, event)
    run = after.run.model_copy(update={"updated_at": event.at})
    return after.model_copy(update={"run": run, "seq": event.seq})


def _nothing(state: RunState, payload: Any, event: Event) -> RunState:
    return state


def _run(state: RunState, /, **changes: Any) -> RunState:
    return state.model_copy(update={"run": state.run.model_copy(update=changes)})


def _session(state: RunState, session_id: SessionId, /, **changes: Any) -> RunState:
    session = state.sessions[session_id].model_copy(update=changes)
    return state.model_copy(update={"sessions": {**state.sessions, session_id: session}})


def _attempt(state: RunState, step: str, number: int, /, **changes: Any) -> RunState:
    key = attempt_key(step, number)
    attempt = state.attempts[key].model_copy(update=changes)
    return state.model_copy(update={"attempts": {**state.attempts, key: attempt}})


def _approval(state: RunState, approval_id: ApprovalId, /, **changes: Any) -> RunState:
    approval = state.approvals[approval_id].model_copy(update=changes)
    return state.model_copy(update={"approvals": {**state.approvals, approval_id: approval}})


def _review(state: RunState, review_id: ReviewId, /, **changes: Any) -> RunState:
    review = state.reviews[review_id].model_copy(update=changes)
    return state.model_copy(update={"reviews": {**state.reviews, review_id: review}})


def _run_state_changed(s: RunState, p: ev.RunStateChanged, e: Event) -> RunState:
    check_transition(s.run.state, p.state)
    if p.state is TaskState.IN_PROGRESS and p.by.kind is ActorKind.PERSON:
        s = _without_delay(_without_unstarted_gates(s))  # a person wants it to go on now
    ended = p.state.terminal or p.state is TaskState.FAILED
    return _run(
        s,
        state=p.state,
        reason=p.reason,
        blocked=p.blocked,
        ended_at=e.at if ended else None,
    )


def _without_delay(s: RunState) -> RunState:
    attempts = {
        key: a if a.retry_in is None else a.model_copy(update={"retry_in": None})
        for key, a in s.attempts.items()
    }
    return s.model_copy(update={"attempts": attempts})


def _without_unstarted_gates(s: RunState) -> RunState:
    """A gate whose command was missing says nothing of the work: it is evaluated again."""
    attempts = {
        key: a
        if all(gate.could_start for gate in a.gates)
        else a.model_copy(update={"gates": tuple(g for g in a.gates if g.could_start)})
        for key, a in s.attempts.items()
    }
    return s.model_copy(update={"attempts": attempts})


def _base_pinned(s: RunState, p: ev.BasePinned, e: Event) -> RunState:
    return _run(s, base_commit=p.commit, head_commit=p.commit)


def _session_opened(s: RunState, p: ev.SessionOpened, e: Event) -> RunState:
    return s.model_copy(update={"sessions": {**s.sessions, p.session.session_id: p.session}})


def _session_bound(s: RunState, p: ev.SessionBound, e: Event) -> RunState:
    return _session(
        s,
        p.session_id,
        native_id=p.native_id,
        continuity=p.continuity,
        state=SessionState.IDLE,
    )


def _session_lost(s: RunState, p: ev.SessionLost, e: Event) -> RunState:
    return _session(s, p.session_id, state=SessionState.LOST)


def _session_closed(s: RunState, p: ev.SessionClosed, e: Event) -> RunState:
    return _session(s, p.session_id, state=SessionState.CLOSED, closed_reason=p.why)


def _attempt_started(s: RunState, p: ev.AttemptStarted, e: Event) -> RunState:
    s = _without_delay(s) if p.attempt.tries else s
    return s.model_copy(update={"attempts": {**s.attempts, p.attempt.key: p.attempt}})


def _turn_started(s: RunState, p: ev.TurnStarted, e: Event) -> RunState:
    s = _session(s, p.session_id, turn=p.turn, turn_open=True, state=SessionState.WORKING)
    return _attempt(s, p.step, p.attempt, session_id=p.session_id, turn=p.turn)


def _turn_ended(s: RunState, p: ev.TurnEnded, e: Event) -> RunState:
    return _session(s, p.session_id, turn_open=False, state=SessionState.IDLE)


def _usage_updated(s: RunState, p: ev.UsageUpdated, e: Event) -> RunState:
    return _session(s, p.session_id, usage=p.usage)


def _output_produced(s: RunState, p: ev.OutputProduced, e: Event) -> RunState:
    return _attempt(
        s,
        p.step,
        p.attempt,
        state=AttemptState.PRODUCED,
        output=p.output,
        output_sha256=hashlib.sha256(p.output.encode()).hexdigest(),
        commit=p.commit,
        ended_at=e.at,
    )


def _attempt_failed(s: RunState, p: ev.AttemptFailed, e: Event) -> RunState:
    return _attempt(
        s,
        p.step,
        p.attempt,
        state=AttemptState.FAILED,
        failure=p.failure,
        retry_in=p.retry_in,
        ended_at=e.at,
    )


def _gate_finished(s: RunState, p: ev.GateFinished, e: Event) -> RunState:
    gates = s.attempts[attempt_key(p.step, p.attempt)].gates
    return _attempt(s, p.step, p.attempt, gates=(*gates, p.result))


def _step_finished(s: RunState, p: ev.StepFinished, e: Event) -> RunState:
    if p.attempt:
        s = _attempt(s, p.step, p.attempt, state=AttemptState.PASSED)
    head = p.commit or s.run.head_commit
    return _run(s, cursor=s.run.cursor + 1, head_commit=head)


def _returned(s: RunState, p: ev.Returned, e: Event) -> RunState:
    names = [step.name for step in s.run.steps]
    target = s.latest(p.to_step)
    if target is not None:
        s = _attempt(s, target.step, target.attempt, state=AttemptState.REJECTED)
    if p.cause == "gate":
        key = f"{p.from_step}/{p.gate}"
        return s.model_copy(update={"returns": {**s.returns, key: s.returns.get(key, 0) + 1}})
    s = s.model_copy(
        update={"rejects": {**s.rejects, p.from_step: s.rejects.get(p.from_step, 0) + 1}}
    )
    return _run(s, cursor=names.index(p.to_step))


def _approval_requested(s: RunState, p: ev.ApprovalRequested, e: Event) -> RunState:
    approval = p.approval
    s = s.model_copy(update={"approvals": {**s.approvals, approval.approval_id: approval}})
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
    return s if state is session.state else _session(s, session.session_id, state=state)


def _change_approval(s: RunState, approval_id: ApprovalId, /, **changes: Any) -> RunState:
    before = s.approvals[approval_id]
    s = _approval(s, approval_id, revision=before.revision + 1, **changes)
    return _settle_waiting(s, s.approvals[approval_id])


def _approval_rebound(s: RunState, p: ev.ApprovalRebound, e: Event) -> RunState:
    # What is asked is the same: the revision stays, so a card on screen stays answerable.
    call = s.approvals[p.approval_id].call.model_copy(update={"call_id": p.call_id})
    s = _approval(s, p.approval_id, call=call, epoch=p.epoch, turn=p.turn)
    return _settle_waiting(s, s.approvals[p.approval_id])


def _approval_decided(s: RunState, p: ev.ApprovalDecided, e: Event) -> RunState:
    denied = p.decision.action is Action.DENY
    s = _change_approval(
        s,
        p.approval_id,
        state=ApprovalState.DENIED if denied else ApprovalState.APPROVED,
        decision=p.decision,
    )
    return _hand_over(s, p.approval_id, e) if p.told else s


def _approval_told(s: RunState, p: ev.ApprovalTold, e: Event) -> RunState:
    return _hand_over(s, p.approval_id, e)


def _hand_over(s: RunState, approval_id: ApprovalId, e: Event) -> RunState:
    """The agent hears the decision: from here on an allowed call may be under way."""
    if s.approvals[approval_id].state is ApprovalState.DENIED:
        return _approval(s, approval_id, told=True)
    return _approval(s, approval_id, told=True, state=ApprovalState.PERMITTED, permitted_at=e.at)


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
    return s.model_copy(update={"reviews": {**s.reviews, p.review.review_id: p.review}})


def _verdict_given(s: RunState, p: ev.VerdictGiven, e: Event) -> RunState:
    review = s.reviews[p.review_id]
    if p.attempt:
        s = _attempt(s, review.step, p.attempt, state=AttemptState.PASSED)
    return _review(
        s,
        p.review_id,
        verdicts=(*review.verdicts, p.verdict),
        revision=review.revision + 1,
    )


def _review_escalated(s: RunState, p: ev.ReviewEscalated, e: Event) -> RunState:
    review = s.reviews[p.review_id]
    return _review(s, p.review_id, escalated=p.why, revision=review.revision + 1)


def _review_closed(s: RunState, p: ev.ReviewClosed, e: Event) -> RunState:
    state = ReviewState.APPROVED if p.approved else ReviewState.REJECTED
    return _review(s, p.review_id, state=state, closed_at=e.at)


def _snoozed(s: RunState, p: ev.Snoozed, e: Event) -> RunState:
    if p.item == "approval":
        return _approval(s, ApprovalId(p.item_id), snoozed_until=p.until)
    return _review(s, ReviewId(p.item_id), snoozed_until=p.until)


_APPLY: dict[type, Any] = {
    ev.RunStateChanged: _run_state_changed,
    ev.BasePinned: _base_pinned,
    ev.SessionOpened: _session_opened,
    ev.SessionBound: _session_bound,
    ev.SessionLost: _session_lost,
    ev.SessionClosed: _session_closed,
    ev.AttemptStarted: _attempt_started,
    ev.TurnStarted: _turn_started,
    ev.TurnEnded: _turn_ended,
    ev.UsageUpdated: _usage_updated,
    ev.OutputProduced: _output_produced,
    ev.AttemptFailed: _attempt_failed,
    ev.GateFinished: _gate_finished,
    ev.StepFinished: _step_finished,
    ev.Returned: _returned,
    ev.ApprovalRequested: _approval_requested,
    ev.ApprovalRebound: _approval_rebound,
    ev.ApprovalDecided: _approval_decided,
    ev.ApprovalTold: _approval_told,
    ev.ApprovalOutcome: _approval_outcome,
    ev.ApprovalUncertain: _approval_uncertain,
    ev.ApprovalSettled: _approval_settled,
    ev.ApprovalWithdrawn: _approval_withdrawn,
    ev.ReviewOpened: _review_opened,
    ev.VerdictGiven: _verdict_given,
    ev.ReviewEscalated: _review_escalated,
    ev.ReviewClosed: _review_closed,
    ev.Snoozed: _snoozed,
}
