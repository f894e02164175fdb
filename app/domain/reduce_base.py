"""Changing a run's state: every change makes new values and leaves the old ones alone."""

from __future__ import annotations

from typing import Any

from msgspec.structs import force_setattr, replace

from app.domain.attempts import Attempts
from app.domain.base import ApprovalId, QuestionId, ReviewId, SessionId
from app.domain.events import Event
from app.domain.run import RunState, StepProgress
from app.domain.session import SessionState
from app.domain.sessions import Sessions


def stamped(before: RunState, after: RunState, event: Event) -> RunState:
    """`after` as the state at this event. What the event has made anew nobody else has seen yet:
    that is changed in place, not copied once more."""
    if after.run is not before.run:
        after.run.__dict__["updated_at"] = event.at
    if after is before:
        return replace(after, seq=event.seq)
    force_setattr(after, "seq", event.seq)
    return after


def with_run(state: RunState, /, **changes: Any) -> RunState:
    """The state with some fields of its run's head changed."""
    return replace(state, run=state.run.model_copy(update=changes))


def with_session(state: RunState, session_id: SessionId, /, **changes: Any) -> RunState:
    """The state with some fields of one session changed. Raises KeyError for no such session."""
    return replace(state, sessions=changed_session(state, session_id, **changes))


def changed_session(state: RunState, session_id: SessionId, /, **changes: Any) -> Sessions:
    """The run's sessions for who changes something else too: the state is copied once for both."""
    session = replace(state.sessions[session_id], **changes)
    return state.sessions.set(session_id, session)


def turn_over(state: RunState, session_id: SessionId) -> Sessions:
    """The session's agent has stopped: it is at rest."""
    return changed_session(state, session_id, turn_open=False, state=SessionState.IDLE, stuck=None)


def with_attempt(state: RunState, key: str, /, **changes: Any) -> RunState:
    """As `with_session`, for an attempt."""
    return replace(state, attempts=changed_attempt(state, key, **changes))


def changed_attempt(state: RunState, key: str, /, **changes: Any) -> Attempts:
    """As `changed_session`, for an attempt."""
    return state.attempts.set(key, replace(state.attempts[key], **changes))


def with_approval(state: RunState, approval_id: ApprovalId, /, **changes: Any) -> RunState:
    """As `with_session`, for an approval; its revision is moved by who calls."""
    approval = state.approvals[approval_id].model_copy(update=changes)
    return replace(state, approvals=state.approvals.set(approval_id, approval))


def with_review(state: RunState, review_id: ReviewId, /, **changes: Any) -> RunState:
    """As `with_approval`, for a review."""
    review = state.reviews[review_id].model_copy(update=changes)
    return replace(state, reviews=state.reviews.set(review_id, review))


def with_question(state: RunState, question_id: QuestionId, /, **changes: Any) -> RunState:
    """As `with_approval`, for a question."""
    question = state.questions[question_id].model_copy(update=changes)
    return replace(state, questions=state.questions.set(question_id, question))


def with_step(state: RunState, progress: StepProgress) -> RunState:
    """The state with a step's progress in place of what was known of that step."""
    return replace(state, steps=state.steps.set(progress.step, progress))
