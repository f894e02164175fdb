"""What happened, one row an event, in words. No Textual."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from app.domain import events as ev
from app.domain.approval import ActorKind
from app.domain.events import Event
from app.domain.run import StepState
from app.domain.text import one_line
from app.ui.page import Row, row

_HIDDEN = (ev.ItemFinished, ev.UsageUpdated)  # many, and in the transcript
_BAD = (ev.AttemptFailed, ev.AttemptBlocked, ev.SessionLost, ev.SessionStuck, ev.ApprovalUncertain)


class EventRows:
    """Events as rows. Each is made once: a run may have thousands, and is drawn at every step of
    a walk through them."""

    def __init__(self) -> None:
        self._made: dict[int, Row] = {}

    def rows(self, events: Iterable[Event], step: str = "", attempt: int = 0) -> list[Row]:
        """Rows in order; only those about one step's attempt when one is named."""
        return [
            self._row(event)
            for event in events
            if not isinstance(event.payload, _HIDDEN) and _about(event.payload, step, attempt)
        ]

    def _row(self, event: Event) -> Row:
        made = self._made.get(event.seq)
        if made is None:
            made = self._made[event.seq] = _event_row(event)
        return made


def _event_row(event: Event) -> Row:
    what, more = describe(event.payload)
    tone = "bad" if isinstance(event.payload, _BAD) else "strong"
    at = (f"{clock(event.at)}  ", "quiet")
    text = (f"  {one_line(more, 500)}" if more else "", "")
    return row(at, (what, tone), text, hang=" " * 10)


def _about(payload: ev.Payload, step: str, attempt: int) -> bool:
    if not step:
        return True
    inner = getattr(payload, "attempt", None)
    if isinstance(payload, ev.AttemptStarted):
        return (payload.attempt.step, payload.attempt.attempt) == (step, attempt)
    if isinstance(payload, ev.ApprovalRequested):
        return (payload.approval.step, payload.approval.attempt) == (step, attempt)
    return getattr(payload, "step", None) == step and inner in (attempt, 0)


def clock(at: datetime) -> str:
    """The time of day where the operator is."""
    return at.astimezone().strftime("%H:%M:%S")


def describe(payload: ev.Payload) -> tuple[str, str]:
    """What happened in two or three words, and the particulars."""
    name = payload.type.replace("_", " ")
    match payload:
        case ev.RunStateChanged():
            return f"run {payload.state.replace('_', ' ')}", f"{payload.reason} ({payload.by})"
        case ev.SessionOpened(session=session):
            return name, f"{session.agent} on {session.step}"
        case ev.SessionBound():
            return name, f"{payload.continuity} ({payload.native_id})"
        case ev.SessionLost(why=why) | ev.SessionClosed(why=why) | ev.SessionStuck(why=why):
            return name, why
        case ev.SessionAttached(attachments=found, by=by):
            return name, f"{', '.join(map(str, found))} ({by})"
        case ev.ModelSwitched(model=model, why=why):
            return name, _with(model, why)
        case ev.RestartAsked(by=by, reason=reason):
            return name, _with(f"by {by}", reason)
        case ev.AttemptStarted(attempt=attempt):
            turn = f", turn {attempt.turn}" if payload.prompt is not None else ""
            return name, f"{attempt.unit} {attempt.attempt}, {attempt.cause}{turn}"
        case ev.TurnEnded():
            why = f": {payload.failure.message}" if payload.failure else ""
            return name, f"turn {payload.turn} {payload.status}{why}"
        case ev.OfAttempt():
            return _of_attempt(payload, name)
        case ev.StepFinished():
            ended = "finished" if payload.state is StepState.DONE else payload.state
            return f"step {ended}", _with(payload.step, payload.reason)
        case ev.BranchesPlanned(branches=branches):
            return name, f"{payload.step}: {len(branches)} branches"
        case ev.BranchCanceled(why=why):
            return name, f"{payload.step}/{payload.branch}: {why}"
        case ev.HeadMoved(commit=commit):
            return "work merged", commit[:12]
        case ev.PrefixTaken(source=source, steps=steps):
            return "forked", f"from {source}, with {len(steps)} steps"
        case ev.TakeOverBegun(by=by):
            return "taking over", f"the work into the project's folder (by {by})"
        case ev.TakeOverEnded(files=files, failed=failed):
            if failed:
                return "not taken over", failed
            return "taken over", f"{files} files changed"
        case ev.Returned():
            return name, f"{payload.from_step} → {payload.to_step}, {payload.cause}"
        case ev.QuestionAsked(question=question):
            return name, f"{question.step}: {question.text}"
        case ev.QuestionAnswered():
            return name, f"{payload.answer} (by {payload.by})"
        case ev.ApprovalRequested(approval=approval):
            return name, f"{approval.risk}: {approval.call.title}"
        case ev.ApprovalSupported(by=by):
            return "allowed by one", str(by)
        case ev.ApprovalEdited(call=call, risk=risk, by=by):
            return "call changed", f"{risk}: {call.title} (by {by})"
        case ev.ApprovalDecided(decision=decision):
            reason = f": {decision.reason}" if decision.reason else ""
            if decision.by.kind is ActorKind.TIMEOUT:
                return "approval timed out", decision.reason
            return f"approval {decision.action}", f"by {decision.by}, {decision.scope}{reason}"
        case ev.ApprovalOutcome(outcome=outcome):
            return "call ended", f"{'ok' if outcome.ok else 'failed'} {outcome.summary}"
        case ev.ApprovalSettled():
            return name, f"{payload.settlement} by {payload.by}"
        case ev.ApprovalUncertain(why=why) | ev.ApprovalWithdrawn(why=why):
            return name, why
        case ev.ReviewEscalated(why=why):
            return name, why
        case ev.ReviewOpened(review=review):
            return name, f"{review.of} {review.of_attempt}, round {review.round}"
        case ev.VerdictGiven(verdict=verdict):
            return f"verdict {verdict.decision}", f"by {verdict.by}: {'; '.join(verdict.reasons)}"
        case ev.ReviewClosed():
            return name, "approved" if payload.approved else "rejected"
        case ev.Snoozed():
            return "put off" if payload.until else "brought back", f"{payload.item} by {payload.by}"
    return name, ""


def _of_attempt(payload: ev.OfAttempt, name: str) -> tuple[str, str]:
    """An event about one attempt of a step, a branch or a turn of a loop."""
    which = f"{payload.unit} {payload.attempt}"
    match payload:
        case ev.TurnStarted():
            again = ", again after a restart" if payload.again else ""
            return name, f"{which}, turn {payload.turn}{again}"
        case ev.OutputProduced():
            passed = ", passed" if payload.passed else ""
            return name, f"{which}, {len(payload.output):,} characters{passed}"
        case ev.AttemptFailed(failure=failure, retry_in=retry_in):
            again = "" if retry_in is None else f"; again in {retry_in:.0f} s"
            return name, f"{which}: {failure.message}{again}"
        case ev.GateFinished(result=result):
            return f"gate {'passed' if result.passed else 'failed'}", f"{result.gate} of {which}"
        case ev.AttemptBlocked(blocked=blocked):
            return name, f"{which}: {blocked.message}"
        case ev.AttemptReleased(by=by, prompt=prompt):
            return "tried again", f"{which}{', with a new prompt' if prompt else ''} (by {by})"
        case ev.AttemptSkipped(by=by, output=output, reason=reason):
            value = ", with a value" if output is not None else ""
            return "skipped", _with(f"{which}{value} (by {by})", reason)
        case ev.AttemptCanceled(why=why):
            return name, f"{which}: {why}"
        case ev.ChildStarted(child=child):
            return name, f"{which}: {child}"
    return name, which


def _with(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what


def history(events: Iterable[Event], created: datetime) -> Iterator[str]:
    """The run's states in order, each with its time."""
    yield f"queued {clock(created)[:5]}"
    for event in events:
        if isinstance(event.payload, ev.RunStateChanged):
            yield f"{event.payload.state.replace('_', ' ')} {clock(event.at)[:5]}"
