"""What events about steps, branches and attempts change."""

from __future__ import annotations

import hashlib
from typing import Any

from msgspec.structs import replace

from app.domain import events as ev
from app.domain.attempts import Attempts
from app.domain.base import SessionId, trusted
from app.domain.events import Event
from app.domain.flow import dependents, owner
from app.domain.reduce_base import (
    changed_attempt,
    changed_session,
    turn_over,
    with_attempt,
    with_question,
    with_review,
    with_run,
    with_step,
)
from app.domain.run import (
    Attempt,
    AttemptState,
    QuestionState,
    ReviewState,
    Run,
    RunState,
    StepProgress,
    Steps,
    StepState,
    TakeOver,
    Unit,
    attempt_key,
)
from app.domain.session import SessionState
from app.domain.sessions import Sessions


def without_delay(s: RunState) -> RunState:
    """A person wants it to go on now: what waits to try again does so at once."""
    for key, attempt in s.attempts.items():
        if attempt.retry_in is not None:
            s = with_attempt(s, key, retry_in=None)
    return s


def without_unstarted_gates(s: RunState) -> RunState:
    """A gate whose command was missing says nothing of the work: it is evaluated again."""
    for key, attempt in s.attempts.items():
        if not all(gate.could_start for gate in attempt.gates):
            s = with_attempt(s, key, gates=tuple(g for g in attempt.gates if g.could_start))
    return s


def _attempt_started(s: RunState, p: ev.AttemptStarted, e: Event) -> RunState:
    attempt = p.attempt
    if attempt.tries:
        s = _without_delay_of(s, attempt)
    changes: dict[str, Any] = {"attempts": s.attempts.set(attempt.key, attempt)}
    step = owner(attempt.step)
    if s.run.current_step != step:
        changes["run"] = s.run.model_copy(update={"current_step": step})
    if p.prompt is not None and attempt.session_id is not None:
        changes["sessions"] = _turn_begun(s, attempt.session_id, attempt.turn)
    return replace(s, **changes)


def _without_delay_of(s: RunState, attempt: Attempt) -> RunState:
    waited = attempt_key(attempt.step, attempt.attempt - 1, attempt.branch, attempt.iteration)
    return with_attempt(s, waited, retry_in=None) if waited in s.attempts else s


def _turn_started(s: RunState, p: ev.TurnStarted, e: Event) -> RunState:
    attempts = changed_attempt(s, p.key, session_id=p.session_id, turn=p.turn)
    sessions = _turn_begun(s, p.session_id, p.turn)
    return replace(s, attempts=attempts, sessions=sessions)


def _turn_begun(s: RunState, session_id: SessionId, turn: int | None) -> Sessions:
    return changed_session(
        s, session_id, turn=turn, turn_open=True, state=SessionState.WORKING, fallback=""
    )


def _call_started(s: RunState, p: ev.CallStarted, e: Event) -> RunState:
    return with_attempt(s, p.key, called=True)


def _output_produced(s: RunState, p: ev.OutputProduced, e: Event) -> RunState:
    key = p.key
    worked = s.attempts[key].worked_seconds + p.worked_seconds
    attempts = changed_attempt(
        s,
        key,
        state=AttemptState.PASSED if p.passed else AttemptState.PRODUCED,
        output=p.output,
        output_sha256=hashlib.sha256(p.output.encode()).hexdigest(),
        commit=p.commit,
        worked_seconds=worked,
        ended_at=e.at,
    )
    sessions = s.sessions if p.session_id is None else turn_over(s, p.session_id)
    return replace(s, attempts=attempts, sessions=sessions)


def _attempt_failed(s: RunState, p: ev.AttemptFailed, e: Event) -> RunState:
    worked = s.attempts[p.key].worked_seconds + p.worked_seconds
    return with_attempt(
        s,
        p.key,
        state=AttemptState.SKIPPED if p.skipped else AttemptState.FAILED,
        failure=p.failure,
        retry_in=p.retry_in,
        worked_seconds=worked,
        blocked=p.blocked,
        fatal=p.fatal,
        ended_at=e.at,
    )


def _gate_finished(s: RunState, p: ev.GateFinished, e: Event) -> RunState:
    return with_attempt(s, p.key, gates=(*s.attempts[p.key].gates, p.result))


def _attempt_passed(s: RunState, p: ev.AttemptPassed, e: Event) -> RunState:
    return with_attempt(s, p.key, state=AttemptState.PASSED)


def _attempt_blocked(s: RunState, p: ev.AttemptBlocked, e: Event) -> RunState:
    return with_attempt(s, p.key, blocked=p.blocked, fatal=p.fatal)


def _attempt_released(s: RunState, p: ev.AttemptReleased, e: Event) -> RunState:
    attempt = s.attempts[p.key]
    failed_gate = attempt.gates and not attempt.gates[-1].passed and attempt.gates[-1].could_start
    changes: dict[str, Any] = {"blocked": None, "fatal": False, "retry_in": None}
    if p.prompt:
        s = replace(s, prompts={**s.prompts, str(p.unit): p.prompt})
    if attempt.state is AttemptState.PRODUCED and (failed_gate or p.prompt):
        changes["state"] = AttemptState.REJECTED
    return _granted_anew(with_attempt(s, p.key, **changes), p.unit)


def _granted_anew(s: RunState, unit: Unit) -> RunState:
    """Who takes a unit up again grants it its time anew; the run's own account goes on."""
    spent = {attempt.key: attempt.worked_seconds for attempt in s.attempts.of(unit)}
    for key in [key for key, seconds in spent.items() if seconds]:
        s = with_attempt(s, key, worked_seconds=0.0)
    return with_run(s, worked_before=s.run.worked_before - sum(spent.values()))


def _attempt_skipped(s: RunState, p: ev.AttemptSkipped, e: Event) -> RunState:
    changes: dict[str, Any] = {"blocked": None, "fatal": False, "retry_in": None}
    if p.output is not None:
        changes["given"] = True
        changes["output"] = p.output
        changes["output_sha256"] = hashlib.sha256(p.output.encode()).hexdigest()
    return with_attempt(s, p.key, state=AttemptState.SKIPPED, ended_at=e.at, **changes)


def _attempt_canceled(s: RunState, p: ev.AttemptCanceled, e: Event) -> RunState:
    return with_attempt(s, p.key, state=AttemptState.CANCELED, blocked=None, ended_at=e.at)


def _step_finished(s: RunState, p: ev.StepFinished, e: Event) -> RunState:
    attempts = s.attempts
    if p.attempt:
        key = attempt_key(p.step, p.attempt)
        attempts = changed_attempt(s, key, state=AttemptState.PASSED)
    before = s.steps.get(p.step) or trusted(StepProgress, step=p.step, state=StepState.OPEN)
    changes = {"state": p.state, "reason": p.reason, "commit": p.commit}
    steps = s.steps.set(p.step, before.model_copy(update=changes))
    head = p.commit or s.run.head_commit
    at = {"head_commit": head, "current_step": _first_open(s.run, steps)}
    run = s.run.model_copy(update=at)
    return replace(s, run=run, attempts=attempts, steps=steps)


def _first_open(run: Run, steps: Steps) -> str:
    """Where a run is; "" when all is done."""
    return next((step.name for step in run.steps if step.name not in steps.finished), "")


def _branches_planned(s: RunState, p: ev.BranchesPlanned, e: Event) -> RunState:
    progress = StepProgress(step=p.step, state=StepState.OPEN, branches=p.branches)
    return with_step(with_run(s, current_step=p.step), progress)


def _branch_canceled(s: RunState, p: ev.BranchCanceled, e: Event) -> RunState:
    progress = s.steps[p.step]
    canceled = (*progress.canceled, p.branch)
    return with_step(s, progress.model_copy(update={"canceled": canceled}))


def _child_started(s: RunState, p: ev.ChildStarted, e: Event) -> RunState:
    return with_attempt(s, p.key, child=p.child)


def _head_moved(s: RunState, p: ev.HeadMoved, e: Event) -> RunState:
    return with_run(s, head_commit=p.commit, head_branch=p.branch)


def _prefix_taken(s: RunState, p: ev.PrefixTaken, e: Event) -> RunState:
    attempts = Attempts((attempt.key, attempt) for attempt in p.attempts)
    steps = Steps((progress.step, progress) for progress in p.steps)
    s = replace(s, attempts=attempts, steps=steps)
    return with_run(s, current_step=_first_open(s.run, steps))


def _take_over_begun(s: RunState, p: ev.TakeOverBegun, e: Event) -> RunState:
    return replace(s, taken=TakeOver(by=p.by, commit=p.commit, begun_at=e.at))


def _take_over_ended(s: RunState, p: ev.TakeOverEnded, e: Event) -> RunState:
    if s.taken is None:
        raise KeyError(f"run {s.run.run_id} was not being taken over")
    ended = {"ended_at": e.at, "files": p.files, "failed": p.failed}
    return replace(s, taken=s.taken.model_copy(update=ended))


def _returned(s: RunState, p: ev.Returned, e: Event) -> RunState:
    if p.cause == "gate" and p.from_step == p.to_step:
        return _sent_back(s, p)
    if p.cause == "gate":
        s = _counted(s, "returns", f"{p.from_step}/{p.gate}")
    else:
        s = _counted(s, "rejects", p.from_step)
    after = dependents(s.run, p.to_step)
    kinds = {step.name: step.kind for step in s.run.steps}
    attempts = s.attempts
    for key, attempt in s.attempts.items():
        if owner(attempt.step) in after or attempt.step == p.to_step:
            changes = _superseded(attempt, p.to_step, kinds)
            attempts = attempts.set(key, replace(attempt, **changes))
    again = {p.to_step, *after}
    steps = Steps((name, x) for name, x in s.steps.items() if name not in again)
    s = replace(s, attempts=attempts, steps=steps)
    s = _told(s, p)
    return with_run(_withdrawn(s, again, e), current_step=p.to_step)


def _told(s: RunState, p: ev.Returned) -> RunState:
    """Keep the reasons with what they are about: the newest attempt of each of its branches."""
    newest = {a.branch: a.key for a in s.attempts.values() if a.step == p.to_step}
    for key in newest.values():
        s = with_attempt(s, key, reasons=p.reasons, by_gate=p.cause == "gate")
    return s


def _sent_back(s: RunState, p: ev.Returned) -> RunState:
    """To the agent that made it, after a gate."""
    target = s.latest(p.to_step, p.branch)
    if target is not None:
        s = with_attempt(s, target.key, state=AttemptState.REJECTED, blocked=None)
        return _counted(s, "returns", f"{target.unit}/{p.gate}")
    return s


def _counted(s: RunState, counter: str, key: str) -> RunState:
    counts: dict[str, int] = getattr(s, counter)
    return replace(s, **{counter: {**counts, key: counts.get(key, 0) + 1}})


def _superseded(attempt: Attempt, target: str, kinds: dict[str, str]) -> dict[str, Any]:
    """What becomes of an attempt whose step is made again."""
    changes: dict[str, Any] = {"blocked": None, "fatal": False, "retry_in": None}
    if kinds.get(attempt.step) == "review" and not attempt.state.live:
        return changes  # a reviewer's answer stays what it was
    if attempt.iteration:
        return changes | {"state": AttemptState.STALE}  # the loop begins again at its first turn
    if attempt.state.live or attempt.state.over:
        target_state = AttemptState.REJECTED if attempt.step == target else AttemptState.STALE
        changes["state"] = target_state
    return changes


def _withdrawn(s: RunState, again: set[str], e: Event) -> RunState:
    """Reviews and questions about what is made again need no answer."""
    for key, review in s.reviews.items():
        if review.state is ReviewState.OPEN and review.step in again:
            s = with_review(s, key, state=ReviewState.WITHDRAWN, closed_at=e.at)
    for name, question in s.questions.items():
        if question.state is QuestionState.OPEN and question.step in again:
            s = with_question(s, name, state=QuestionState.WITHDRAWN, answered_at=e.at)
    return s


APPLY: dict[type, Any] = {
    ev.AttemptStarted: _attempt_started,
    ev.TurnStarted: _turn_started,
    ev.CallStarted: _call_started,
    ev.OutputProduced: _output_produced,
    ev.AttemptFailed: _attempt_failed,
    ev.GateFinished: _gate_finished,
    ev.AttemptPassed: _attempt_passed,
    ev.AttemptBlocked: _attempt_blocked,
    ev.AttemptReleased: _attempt_released,
    ev.AttemptSkipped: _attempt_skipped,
    ev.AttemptCanceled: _attempt_canceled,
    ev.StepFinished: _step_finished,
    ev.BranchesPlanned: _branches_planned,
    ev.BranchCanceled: _branch_canceled,
    ev.ChildStarted: _child_started,
    ev.HeadMoved: _head_moved,
    ev.PrefixTaken: _prefix_taken,
    ev.TakeOverBegun: _take_over_begun,
    ev.TakeOverEnded: _take_over_ended,
    ev.Returned: _returned,
}
