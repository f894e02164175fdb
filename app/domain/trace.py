"""The trace of a run: its events under four categories, each with a short outcome token.

Categories and tokens are those of behaviour.md 1.9 where it has one (`sent`, `ok`, `failed`,
`rejected`, `approved`, `return_to_step`, `quality_gate_passed`, `in_progress`, `resumed`, …).
What it leaves out has tokens of its own: retries, time-outs, approvals, blocked, canceled,
sessions. Left out here is only what says nothing of the run's way: see `NOT_TRACED`.
"""

from datetime import datetime
from enum import StrEnum

from app.domain import events as ev
from app.domain import rollout_events
from app.domain.approval import Action, ActorKind, Approval, Decision
from app.domain.base import ApprovalId, Model, QuestionId, ReviewId, SessionId
from app.domain.events import Event, Payload
from app.domain.flow import owner
from app.domain.run import (
    Attempt,
    Cause,
    Failure,
    FailureKind,
    GateResult,
    Review,
    RunState,
    StepState,
)
from app.domain.task_state import TaskState
from app.domain.text import one_line

_DETAIL = 300  # characters: a trace is read line by line


class TraceCategory(StrEnum):
    """What kind of fact an entry is."""

    DECISION = "decision"  # what happens next, by whoever decides it
    DISPATCH = "dispatch"  # something handed to an agent, and the session that carries it
    EXECUTION = "execution"  # how work ended
    REVIEW = "review"  # the judgement of an artefact


class TraceEntry(Model):
    """One event of a run, for a reader and for programs that compare traces."""

    seq: int
    at: datetime
    trace_id: str
    run_id: str
    step: str = ""  # empty for what concerns the run as a whole
    category: TraceCategory
    outcome: str
    detail: str = ""  # one printable line


# What concerns the store as a whole, and the running account of what an agent says and uses.
NOT_TRACED = (
    ev.SupervisorStarted,
    ev.SupervisorStopped,
    ev.RecipeRecorded,
    ev.RuleAdded,
    ev.RuleRemoved,
    ev.BudgetGranted,
    ev.ProcessStarted,
    ev.ProcessEnded,
    ev.ItemFinished,
    ev.UsageUpdated,
    *rollout_events.OF_THE_STORE,
)
_DECISION, _DISPATCH = TraceCategory.DECISION, TraceCategory.DISPATCH
_EXECUTION, _REVIEW = TraceCategory.EXECUTION, TraceCategory.REVIEW
_Said = tuple[TraceCategory, str, str, str]  # category, outcome, step, detail
_ATTEMPTS = {
    Cause.FIRST: "attempt_started",
    Cause.REJECTED: "attempt_after_reject",
    Cause.GATE: "attempt_after_gate",
    Cause.RETRY: "retry",
}


def entries_of(event: Event, before: RunState | None) -> list[TraceEntry]:
    """What a run's event says, given the state before it: nothing when it is not traced, and each
    fact when it tells several.

    Raises KeyError for an event about something that the run does not have (a broken journal).
    """
    if not event.run_id or isinstance(event.payload, NOT_TRACED):
        return []
    return [
        TraceEntry(
            seq=event.seq,
            at=event.at,
            trace_id=event.trace_id,
            run_id=event.run_id,
            step=step,
            category=category,
            outcome=outcome,
            detail=one_line(detail, _DETAIL),
        )
        for payload in _facts(event.payload, before)
        for category, outcome, step, detail in [_said(payload, before)]
    ]


def _facts(payload: Payload, before: RunState | None) -> list[Payload]:
    """An attempt may begin with its turn; an output may tell the end of its turn and, of a branch
    or a turn of a loop, that it needs no gate: each is a fact. That a step's only unit has passed,
    the step's end says."""
    found = [payload]
    if isinstance(payload, ev.AttemptStarted):
        found += _turn_begun(payload)
    if isinstance(payload, ev.OutputProduced):
        if payload.session_id is not None and before is not None:
            key, turn = payload.session_id, before.sessions[payload.session_id].turn
            found.insert(0, ev.TurnEnded(session_id=key, turn=turn, status="completed"))
        if payload.passed and (payload.branch or payload.iteration):
            found.append(ev.AttemptPassed(**payload.unit._asdict(), attempt=payload.attempt))
    return found


def _turn_begun(payload: ev.AttemptStarted) -> list[Payload]:
    attempt = payload.attempt
    if payload.prompt is None or attempt.session_id is None or attempt.turn is None:
        return []
    return [
        ev.TurnStarted(
            **attempt.unit._asdict(),
            attempt=attempt.attempt,
            session_id=attempt.session_id,
            turn=attempt.turn,
            prompt=payload.prompt,
        )
    ]


def _said(payload: Payload, before: RunState | None) -> _Said:
    if isinstance(payload, ev.RunCreated):
        run = payload.run
        path = f"{run.path} path{', in shadow' if run.shadow else ''}, " if run.rollout else ""
        about = f"{path}workflow {run.workflow}, version {run.recipe[:12]}: {run.request.title}"
        return _DECISION, "created", "", about
    if before is None:
        raise KeyError(f"{payload.type} before the run was created")
    said = (
        _of_run(payload, before)
        or _of_session(payload, before)
        or _of_attempt(payload, before)
        or _of_flow(payload, before)
        or _of_approval(payload, before)
        or _of_review(payload, before)
    )
    if said is None:
        raise KeyError(f"{payload.type} is no event of a run")
    return said


def _of_run(payload: Payload, before: RunState) -> _Said | None:
    match payload:
        case ev.RunStateChanged(state=state, reason=reason, by=by, blocked=blocked):
            again = state is TaskState.IN_PROGRESS and before.run.state.resumable
            step = blocked.step if blocked else ""
            return _DECISION, "resumed" if again else state, step, _with(str(by), reason)
        case ev.BasePinned(commit=commit):
            return _DECISION, "base_pinned", "", f"work starts from commit {commit[:12]}"
        case ev.Returned(from_step=origin, to_step=to, cause=cause, gate=gate):
            why = f"gate {gate}" if gate else cause  # the reasons stand in the entry before
            return _DECISION, "return_to_step", origin, f"to {to}: {why}"
        case rollout_events.ShadowBegun(by=by):
            return _DECISION, "shadow_begun", "", f"{by}: nobody is given its answer"
        case rollout_events.ExpectedGiven(text=text):
            return _DECISION, "expected_given", "", f"{len(text):,} characters to compare with"
        case ev.Snoozed(item=item, item_id=key, until=until, by=by):
            outcome = "snoozed" if until else "brought_back"
            return _DECISION, outcome, _asked_in(item, key, before), f"{by}: {item} {key}"
    return None


def _asked_in(item: str, key: str, before: RunState) -> str:
    if item == "question":
        return before.questions[QuestionId(key)].step
    if item == "approval":
        return before.approvals[ApprovalId(key)].step
    return _review(key, before).step


def _of_session(payload: Payload, before: RunState) -> _Said | None:
    match payload:
        case ev.SessionOpened(session=session):
            what = f"{session.agent}, session {session.session_id}"
            return _DISPATCH, "session_opened", session.step, what
        case ev.SessionBound(session_id=key, continuity=how):
            return _session(f"session_{how}", key, before)
        case ev.SessionLost(session_id=key, why=why):
            return _session("session_lost", key, before, why)
        case ev.SessionStuck(session_id=key, why=why):
            return _session("session_stuck", key, before, why)
        case ev.RestartAsked(session_id=key, by=by, reason=why):
            return _session("restart_asked", key, before, _with(str(by), why))
        case ev.SessionMoving(session_id=key):
            return _session("session_moving", key, before)
        case ev.SessionAttached(session_id=key, attachments=found):
            return _session("session_attached", key, before, ", ".join(map(str, found)))
        case ev.ModelSwitched(session_id=key, model=model, why=why):
            return _session("model_switched", key, before, _with(model, why))
        case ev.SessionClosed(session_id=key, why=why):
            return _session("session_closed", key, before, why)
        case ev.CallStarted(step=step):
            return _DISPATCH, "called", step, ""
        case ev.TurnStarted(session_id=key, turn=turn, step=step, again=again):
            agent = before.sessions[key].agent
            return _DISPATCH, "sent_again" if again else "sent", step, f"{agent}, turn {turn}"
        case ev.TurnEnded(session_id=key, turn=turn, status=status, failure=failure):
            outcome = "timed_out" if _is_timeout(failure) else f"turn_{status}"
            session = before.sessions[key]
            about = _with(f"{session.agent}, turn {turn}", failure.message if failure else "")
            return _work(session.step, before), outcome, session.step, about
    return None


def _session(outcome: str, key: SessionId, before: RunState, why: str = "") -> _Said:
    session = before.sessions[key]
    return _DISPATCH, outcome, session.step, _with(f"{session.agent}, session {key}", why)


def _is_timeout(failure: Failure | None) -> bool:
    return failure is not None and failure.kind is FailureKind.TIMEOUT


def _of_attempt(payload: Payload, before: RunState) -> _Said | None:
    match payload:
        case ev.AttemptStarted(attempt=attempt):
            return _DECISION, _ATTEMPTS[attempt.cause], attempt.step, _started(attempt)
        case ev.OutputProduced(step=step, attempt=number, output=output):
            what = f"attempt {number}, {len(output)} characters"
            return _work(step, before), "output", step, what
        case ev.AttemptFailed(step=step, attempt=number, failure=failure, retry_in=wait):
            again = f"; tries again in {wait:.0f} s" if wait is not None else ""
            what = f"attempt {number}, {failure.kind}: {failure.message}{again}"
            return _work(step, before), "failed", step, what
        case ev.GateFinished(step=step, attempt=number, result=result):
            return _EXECUTION, _gate(result), step, f"attempt {number}, {_gate_end(result)}"
    return None


def _of_flow(payload: Payload, before: RunState) -> _Said | None:
    """How the workflow goes: steps, branches, loops, sub-workflows."""
    match payload:
        case ev.StepFinished():
            return _step_finished(payload, before)
        case ev.AttemptPassed():
            return _EXECUTION, "ok", payload.step, f"{payload.unit}, attempt {payload.attempt}"
        case ev.AttemptBlocked(blocked=blocked):
            return _DECISION, "attempt_blocked", payload.step, f"{payload.unit}: {blocked.message}"
        case ev.AttemptReleased(by=by, prompt=prompt):
            how = "with another prompt" if prompt else "as it was"
            return _DECISION, "attempt_released", payload.step, f"{by}: {payload.unit} {how}"
        case ev.AttemptSkipped(by=by, output=output, reason=reason):
            how = "given a value" if output is not None else "skipped"
            what = _with(f"{by}: {payload.unit} {how}", reason)
            return _EXECUTION, "skipped", payload.step, what
        case ev.AttemptCanceled(why=why):
            return _EXECUTION, "canceled", payload.step, f"{payload.unit}: {why}"
        case ev.BranchesPlanned(step=step, branches=branches):
            names = ", ".join(plan.name for plan in branches)
            return _DECISION, "parallel_dispatch", step, f"{len(branches)} branches: {names}"
        case ev.BranchCanceled(step=step, branch=branch, why=why):
            return _DECISION, "branch_canceled", step, f"{branch}: {why}"
        case ev.ChildStarted(child=child):
            return _DISPATCH, "child_started", payload.step, child
        case ev.HeadMoved(commit=commit):
            return _DECISION, "merged", "", f"the work is at commit {commit[:12]}"
        case ev.PrefixTaken(source=source, steps=steps):
            taken = ", ".join(progress.step for progress in steps) or "nothing"
            return _DECISION, "forked", "", f"from {source}: {taken}"
        case ev.QuestionAsked(question=question):
            return _DECISION, "question_asked", question.step, question.text
        case ev.QuestionAnswered(question_id=key, answer=answer, by=by):
            return _DECISION, "question_answered", before.questions[key].step, f"{by}: {answer}"
    return None


def _step_finished(payload: ev.StepFinished, before: RunState) -> _Said:
    kind = next((brief.kind for brief in before.run.steps if brief.name == payload.step), "")
    if payload.state is not StepState.DONE:
        return _DECISION, payload.state, payload.step, payload.reason
    if payload.reason in ("until_met", "max_iterations_reached"):
        return _DECISION, payload.reason, payload.step, ""
    outcome = "aggregated" if kind == "collect" else "ok"
    newest = before.latest(payload.step) if kind == "agent" else None
    attempt = payload.attempt or (newest.attempt if newest is not None else 0)
    return (
        _work(payload.step, before),
        outcome,
        payload.step,
        f"attempt {attempt}" if attempt else "",
    )


def _started(attempt: Attempt) -> str:
    tries = f", automatic try {attempt.tries}" if attempt.tries else ""
    part = f"{attempt.unit}, " if attempt.branch or attempt.iteration else ""
    return f"{part}attempt {attempt.attempt}{tries}"


def _work(step: str, before: RunState) -> TraceCategory:
    """Work of a review step is of the category review."""
    kinds = {brief.name: brief.kind for brief in before.run.steps}
    return _REVIEW if kinds.get(owner(step)) == "review" else _EXECUTION


def _gate(result: GateResult) -> str:
    """Whether a gate's command is there at all is another fact than what it found."""
    if result.passed:
        return "quality_gate_passed"
    if not result.could_start:
        return "quality_gate_not_started"
    return "quality_gate_timed_out" if result.timed_out else "quality_gate_failed"


def _gate_end(result: GateResult) -> str:
    code = f", exit code {result.exit_code}" if result.exit_code is not None else ""
    return f"gate {result.gate}{code}"


def _of_approval(payload: Payload, before: RunState) -> _Said | None:
    match payload:
        case ev.ApprovalRequested(approval=approval):
            outcome, category = "approval_requested", _DECISION
            why = f"{approval.risk} risk, {approval.agent}"
        case ev.ApprovalRebound():
            outcome, category, why = "approval_requested_again", _DECISION, ""
        case ev.ApprovalSupported(by=by):
            outcome, category, why = "approval_supported", _DECISION, str(by)
        case ev.ApprovalEdited(by=by, risk=risk):
            outcome, category, why = "approval_edited", _DECISION, f"{by}, {risk} risk"
        case ev.ApprovalDecided(decision=decision):
            outcome, category = _decided(decision), _DECISION
            why = _with(str(decision.by), decision.reason)
        case ev.ApprovalTold():
            outcome, category, why = "approval_told", _DISPATCH, ""
        case ev.ApprovalOutcome(outcome=result):
            outcome = "approval_executed" if result.ok else "approval_failed"
            code = f"exit code {result.exit_code}" if result.exit_code is not None else ""
            category, why = _EXECUTION, code
        case ev.ApprovalUncertain(why=why):
            outcome, category = "approval_uncertain", _EXECUTION
        case ev.ApprovalSettled(settlement=settlement, by=by, reason=reason):
            outcome, category = "approval_settled", _DECISION
            why = _with(f"{settlement} by {by}", reason)
        case ev.ApprovalWithdrawn(why=why):
            outcome, category = "approval_withdrawn", _DECISION
        case _:
            return None
    asked = _approval(payload, before)
    return category, outcome, asked.step, _with(asked.call.title, why)


def _approval(payload: Payload, before: RunState) -> Approval:
    if isinstance(payload, ev.ApprovalRequested):
        return payload.approval
    return before.approvals[getattr(payload, "approval_id", ApprovalId(""))]


def _decided(decision: Decision) -> str:
    if decision.by.kind is ActorKind.TIMEOUT:
        return "approval_timed_out"
    return "approval_denied" if decision.action is Action.DENY else "approval_allowed"


def _of_review(payload: Payload, before: RunState) -> _Said | None:
    match payload:
        case ev.ReviewOpened(review=review):
            what = f"{review.of}, version {review.of_attempt}, by {', '.join(review.by)}"
            return _REVIEW, "review_opened", review.step, what
        case ev.VerdictGiven(review_id=key, verdict=verdict):
            what = _with(str(verdict.by), "; ".join(verdict.reasons))
            return _REVIEW, f"verdict_{verdict.decision}", _review(key, before).step, what
        case ev.ReviewEscalated(review_id=key, why=why):
            return _REVIEW, _escalated(_review(key, before)), _review(key, before).step, why
        case ev.ReviewClosed(review_id=key, approved=approved, reasons=reasons):
            outcome = "approved" if approved else "rejected"
            return _REVIEW, outcome, _review(key, before).step, "; ".join(reasons)
    return None


def _review(key: str, before: RunState) -> Review:
    return before.reviews[ReviewId(key)]


def _escalated(review: Review) -> str:
    """After a reject the limit of returns is used up, which is `failed`; else nobody could read
    the verdict."""
    rejected = bool(review.verdicts) and review.verdicts[-1].decision == "reject"
    return "failed" if rejected else "escalated"


def _with(what: str, more: str) -> str:
    return f"{what}: {more}" if more else what
