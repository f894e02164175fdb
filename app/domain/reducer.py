"""The reducer: `reduce(state, event) -> state`. Replaying a run's events gives its state."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from app.domain import events as ev
from app.domain import reduce_talk, reduce_work, rollout_events
from app.domain.approval import ActorKind
from app.domain.errors import Refused
from app.domain.events import Event
from app.domain.reduce_base import stamped, turn_over, with_run, with_session
from app.domain.reduce_work import without_delay, without_unstarted_gates
from app.domain.run import Expected, RunState
from app.domain.session import SessionState, Stuck
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
    apply = _APPLY.get(type(payload))
    after: RunState = apply(state, payload, event) if apply is not None else state
    return stamped(state, after, event)


def _run_state_changed(s: RunState, p: ev.RunStateChanged, e: Event) -> RunState:
    check_transition(s.run.state, p.state)
    if p.state is TaskState.IN_PROGRESS and s.frozen:
        raise Refused(
            f"run {s.run.run_id} is frozen: the path that made it was rolled back; cancel it, or "
            "let it finish in shadow"
        )
    worked_before = s.run.worked_before
    if p.state is TaskState.IN_PROGRESS and p.by.kind is ActorKind.PERSON:
        s = without_delay(without_unstarted_gates(s))  # a person wants it to go on now
        if s.run.blocked is not None and s.run.blocked.kind == "timeout":
            worked_before += s.worked_seconds  # who takes it up again grants it its time anew
        if s.run.blocked is not None and s.run.blocked.kind == "budget":
            s = _budget_anew(s)
    ended = p.state.terminal or p.state is TaskState.FAILED
    return with_run(
        s,
        state=p.state,
        reason=p.reason,
        blocked=p.blocked,
        worked_before=worked_before,
        ended_at=e.at if ended else None,
    )


def _expected_given(s: RunState, p: rollout_events.ExpectedGiven, e: Event) -> RunState:
    return replace(s, expected=Expected(text=p.text, seconds=p.seconds))


def _shadow_begun(s: RunState, p: rollout_events.ShadowBegun, e: Event) -> RunState:
    return with_run(s, shadow=True)


def _budget_anew(s: RunState) -> RunState:
    """Who takes it up again grants it as much as before."""
    tokens = s.run.tokens_before + s.spent_tokens
    return with_run(s, tokens_before=tokens, cost_before=s.run.cost_before + s.spent_usd)


def _base_pinned(s: RunState, p: ev.BasePinned, e: Event) -> RunState:
    return with_run(s, base_commit=p.commit, head_commit=p.commit)


def _session_opened(s: RunState, p: ev.SessionOpened, e: Event) -> RunState:
    return replace(s, sessions=s.sessions.set(p.session.session_id, p.session))


def _session_bound(s: RunState, p: ev.SessionBound, e: Event) -> RunState:
    return with_session(
        s,
        p.session_id,
        native_id=p.native_id,
        continuity=p.continuity,
        state=SessionState.IDLE,
    )


def _session_lost(s: RunState, p: ev.SessionLost, e: Event) -> RunState:
    return with_session(s, p.session_id, state=SessionState.LOST, stuck=None)


def _session_stuck(s: RunState, p: ev.SessionStuck, e: Event) -> RunState:
    return with_session(s, p.session_id, stuck=Stuck(kind=p.kind, why=p.why, since=e.at))


def _session_moving(s: RunState, p: ev.SessionMoving, e: Event) -> RunState:
    return with_session(s, p.session_id, stuck=None)


def _session_attached(s: RunState, p: ev.SessionAttached, e: Event) -> RunState:
    before = s.sessions[p.session_id].attachments
    return with_session(
        s, p.session_id, attachments=tuple(dict.fromkeys([*before, *p.attachments]))
    )


def _model_switched(s: RunState, p: ev.ModelSwitched, e: Event) -> RunState:
    return with_session(s, p.session_id, fallback=p.model)


def _session_closed(s: RunState, p: ev.SessionClosed, e: Event) -> RunState:
    closed = {"state": SessionState.CLOSED, "closed_reason": p.why, "stuck": None}
    return with_session(s, p.session_id, **closed)


def _turn_ended(s: RunState, p: ev.TurnEnded, e: Event) -> RunState:
    return replace(s, sessions=turn_over(s, p.session_id))


def _usage_updated(s: RunState, p: ev.UsageUpdated, e: Event) -> RunState:
    return with_session(s, p.session_id, usage=p.usage)


_APPLY: dict[type, Any] = {
    ev.RunStateChanged: _run_state_changed,
    ev.BasePinned: _base_pinned,
    ev.SessionOpened: _session_opened,
    ev.SessionBound: _session_bound,
    ev.SessionLost: _session_lost,
    ev.SessionStuck: _session_stuck,
    ev.SessionMoving: _session_moving,
    ev.SessionAttached: _session_attached,
    ev.ModelSwitched: _model_switched,
    ev.SessionClosed: _session_closed,
    ev.TurnEnded: _turn_ended,
    ev.UsageUpdated: _usage_updated,
    rollout_events.ExpectedGiven: _expected_given,
    rollout_events.ShadowBegun: _shadow_begun,
    **reduce_work.APPLY,
    **reduce_talk.APPLY,
}
