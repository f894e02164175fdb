"""A run's progress in sentences, for the person beside a headless run."""

from __future__ import annotations

from app.domain import events as ev
from app.domain.approval import ActorKind
from app.domain.events import Event, Payload
from app.domain.run import RunState
from app.domain.text import one_line

_WIDTH = 400  # characters: reasons are worth reading, a page of them is not


def sentence(event: Event, state: RunState) -> str:
    """What the event means for the run, in one line; empty for what is not worth one."""
    text = _step(event.payload) or _question(event.payload, state) or _session(event.payload, state)
    return f"[{event.at.astimezone():%H:%M:%S}] {one_line(text, _WIDTH)}" if text else ""


def _step(payload: Payload) -> str:
    match payload:
        case ev.RunCreated(run=run):
            return f"run {run.run_id} of workflow {run.workflow}"
        case ev.RunStateChanged(state=state, reason=reason):
            return f"run is {state}" + (f": {reason}" if reason else "")
        case ev.AttemptStarted(attempt=attempt):
            return f"{attempt.step}: attempt {attempt.attempt} ({attempt.cause})"
        case ev.AttemptFailed(step=step, attempt=attempt, failure=failure, retry_in=wait):
            again = f"; tries again in {wait:.0f} s" if wait is not None else ""
            return f"{step}: attempt {attempt} failed: {failure.message}{again}"
        case ev.OutputProduced(step=step, attempt=attempt):
            return f"{step}: attempt {attempt} has a result"
        case ev.GateFinished(step=step, result=result):
            return f"{step}: gate {result.gate} {'passed' if result.passed else 'failed'}"
        case ev.StepFinished(step=step):
            return f"{step}: finished"
        case ev.Returned(from_step=origin, to_step=to, cause=cause):
            return f"{origin}: {cause}, back to {to}"
    return ""


def _question(payload: Payload, state: RunState) -> str:
    match payload:
        case ev.ApprovalRequested(approval=approval):
            return f"{approval.agent} asks ({approval.risk} risk): {approval.call.title}"
        case ev.ApprovalEdited(call=call, risk=risk, by=by):
            return f"changed by {by} ({risk} risk): {call.title}"
        case ev.ApprovalDecided(approval_id=key, decision=decision):
            why = f": {decision.reason}" if decision.reason else ""
            title = state.approvals[key].call.title
            if decision.by.kind is ActorKind.TIMEOUT:
                return f"timed out: {title}{why}"
            return f"{decision.action} by {decision.by}: {title}{why}"
        case ev.ApprovalOutcome(approval_id=key, outcome=outcome):
            code = f" (exit code {outcome.exit_code})" if outcome.exit_code is not None else ""
            how = "done" if outcome.ok else f"failed{code}"
            return f"{how}: {state.approvals[key].call.title}"
        case ev.ApprovalUncertain(approval_id=key, why=why):
            return f"uncertain: {state.approvals[key].call.title}: {why}"
        case ev.ApprovalSettled(approval_id=key, settlement=settlement):
            return f"settled as {settlement}: {state.approvals[key].call.title}"
        case ev.ReviewOpened(review=review):
            return f"{review.step}: review of {review.of}, version {review.of_attempt}"
        case ev.VerdictGiven(verdict=verdict):
            why = f": {'; '.join(verdict.reasons)}" if verdict.reasons else ""
            return f"{verdict.by}: {verdict.decision}{why}"
        case ev.ReviewEscalated(why=why):
            return f"the operator must judge: {why}"
    return ""


def _session(payload: Payload, state: RunState) -> str:
    match payload:
        case ev.SessionBound(session_id=key, continuity=continuity):
            return (
                f"{state.sessions[key].step}: session {continuity} with {state.sessions[key].agent}"
            )
        case ev.SessionLost(session_id=key, why=why):
            return f"{state.sessions[key].step}: session lost: {why}"
        case ev.SessionStuck(session_id=key, why=why):
            return f"{state.sessions[key].step}: seems stuck: {why}"
        case ev.ModelSwitched(session_id=key, model=model, why=why):
            return f"{state.sessions[key].step}: goes on with {model}: {why}"
    return ""
