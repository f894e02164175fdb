"""What no longer fits a run's state: work that was begun before somebody decided otherwise.

Between the moment at which work is begun and the one at which its result is committed, an
operator can cancel or pause the run, a review can send the work back, another branch can make
the result needless. The engine asks here, in the very step in which it applies an event, so that
what was overtaken leaves no trace in the run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.domain import events as ev
from app.domain import rollout_events
from app.domain.approval import ActorKind
from app.domain.errors import Refused
from app.domain.flow import owner
from app.domain.run import AttemptState, QuestionState, ReviewState, RunState, attempt_key
from app.domain.task_state import TaskState

_GOES_ON = (TaskState.PENDING, TaskState.IN_PROGRESS)
_STILL_TRUE: frozenset[type] = frozenset(
    [
        # Of a run that is over these still happen: its agents and their calls come to their end.
        ev.SessionBound,
        ev.SessionLost,
        ev.SessionStuck,
        ev.SessionMoving,
        ev.ModelSwitched,
        ev.SessionClosed,
        ev.TurnEnded,
        ev.ItemFinished,
        ev.UsageUpdated,
        ev.ApprovalOutcome,
        ev.ApprovalUncertain,
        ev.ApprovalSettled,
        ev.ApprovalWithdrawn,
        ev.ProcessStarted,
        ev.ProcessEnded,
        ev.Snoozed,
        ev.TakeOverBegun,
        ev.TakeOverEnded,
        rollout_events.ShadowBegun,
        rollout_events.ExpectedGiven,
    ]
)


class Overtaken(Refused):
    """What was to be recorded is not the case any more; nothing was changed."""


def check_current(state: RunState, payloads: tuple[ev.Payload, ...]) -> None:
    """Whether all of these, to be applied as one, fit the state. Raises Overtaken."""
    started: set[str] = set()
    for payload in payloads:
        if started and isinstance(payload, ev.OfAttempt) and payload.key in started:
            continue
        if type(payload) is ev.AttemptStarted:
            started.add(payload.attempt.key)
        if why := _why_not(state, payload):
            raise Overtaken(f"run {state.run.run_id}: {payload.type} comes too late: {why}")


def _why_not(state: RunState, payload: Any) -> str:
    run = state.run
    kind = type(payload)
    if run.state not in _GOES_ON and run.state.terminal and kind not in _STILL_TRUE:
        return f"the run is {run.state}"
    check = _CHECKS.get(kind)
    return check(state, payload) if check is not None else ""


def _unless(holds: object, why: str) -> str:
    return "" if holds else why


def _run_state_changed(state: RunState, p: ev.RunStateChanged) -> str:
    waits = state.run.blocked is not None and state.run.blocked.until is not None
    person = p.by.kind is not ActorKind.SYSTEM
    fits = person or p.state is TaskState.CANCELED or state.run.state in _GOES_ON or waits
    return _unless(fits, f"the run is {state.run.state}")


def _attempt_started(state: RunState, p: ev.AttemptStarted) -> str:
    if state.run.state is not TaskState.IN_PROGRESS:
        return f"the run is {state.run.state}"
    if p.attempt.key in state.attempts:
        return f"{p.attempt.key} was started before"
    return "its step is finished" if state.finished(owner(p.attempt.step)) else ""


def _turn_started(state: RunState, p: ev.TurnStarted | ev.CallStarted) -> str:
    if state.run.state is not TaskState.IN_PROGRESS:
        return f"the run is {state.run.state}"
    return _at(state, p, AttemptState.OPEN)


def _at(state: RunState, p: ev.OfAttempt, *wanted: AttemptState) -> str:
    attempt = state.attempts.get(p.key)
    if attempt is None:
        return f"{p.key} was never started"
    return "" if attempt.state in wanted else f"{attempt.key} is {attempt.state}"


def _result(state: RunState, p: ev.OfAttempt) -> str:
    return _at(state, p, AttemptState.OPEN)


def _gate_finished(state: RunState, p: ev.GateFinished) -> str:
    why = _at(state, p, AttemptState.PRODUCED)
    if why:
        return why
    done = {gate.gate for gate in state.attempts[p.key].gates}
    return _unless(p.result.gate not in done, f"gate {p.result.gate} was evaluated before")


def _attempt_passed(state: RunState, p: ev.AttemptPassed) -> str:
    return _at(state, p, AttemptState.PRODUCED)


def _attempt_blocked(state: RunState, p: ev.AttemptBlocked) -> str:
    return _at(state, p, AttemptState.OPEN, AttemptState.PRODUCED)


def _held(state: RunState, p: ev.AttemptReleased | ev.AttemptSkipped) -> str:
    attempt = state.attempts.get(p.key)
    if attempt is None:
        return f"{p.key} was never started"
    if isinstance(p, ev.AttemptSkipped) and p.by.kind is ActorKind.SYSTEM:
        return _unless(not attempt.state.over, f"{p.key} is {attempt.state}")
    return _unless(attempt.blocked is not None, f"{p.key} does not stand still")


def _step_finished(state: RunState, p: ev.StepFinished) -> str:
    attempt = state.attempts.get(attempt_key(p.step, p.attempt)) if p.attempt else None
    if attempt is not None and attempt.state is not AttemptState.PRODUCED:
        return f"{attempt.key} is {attempt.state}"
    return _unless(not state.finished(p.step), "the step is finished already")


def _branches_planned(state: RunState, p: ev.BranchesPlanned) -> str:
    return _unless(p.step not in state.steps, "its branches are known")


def _child_started(state: RunState, p: ev.ChildStarted) -> str:
    if state.run.state is not TaskState.IN_PROGRESS:
        return f"the run is {state.run.state}"
    why = _at(state, p, AttemptState.OPEN)
    return why or _unless(state.attempts[p.key].child is None, "its run was started before")


def _review(state: RunState, p: ev.VerdictGiven | ev.ReviewEscalated | ev.ReviewClosed) -> str:
    return _unless(state.reviews[p.review_id].state is ReviewState.OPEN, "the review is closed")


def _question_answered(state: RunState, p: ev.QuestionAnswered) -> str:
    asked = state.questions[p.question_id]
    return _unless(asked.state is QuestionState.OPEN, f"the question is {asked.state}")


_CHECKS: dict[type, Callable[[RunState, Any], str]] = {
    ev.RunStateChanged: _run_state_changed,
    ev.AttemptStarted: _attempt_started,
    ev.TurnStarted: _turn_started,
    ev.CallStarted: _turn_started,
    ev.OutputProduced: _result,
    ev.AttemptFailed: _result,
    ev.GateFinished: _gate_finished,
    ev.AttemptPassed: _attempt_passed,
    ev.AttemptBlocked: _attempt_blocked,
    ev.AttemptReleased: _held,
    ev.AttemptSkipped: _held,
    ev.StepFinished: _step_finished,
    ev.BranchesPlanned: _branches_planned,
    ev.ChildStarted: _child_started,
    ev.VerdictGiven: _review,
    ev.ReviewEscalated: _review,
    ev.ReviewClosed: _review,
    ev.QuestionAnswered: _question_answered,
}
