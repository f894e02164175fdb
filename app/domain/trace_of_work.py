"""The facts of a run's work: the run itself, its sessions, attempts, gates and flow."""

from app.domain import events as ev
from app.domain import rollout_events
from app.domain.base import ApprovalId, QuestionId, SessionId
from app.domain.events import Payload
from app.domain.flow import owner
from app.domain.run import Attempt, Cause, Failure, FailureKind, GateResult, RunState, StepState
from app.domain.task_state import TaskState
from app.domain.trace_facts import (
    DECISION,
    DISPATCH,
    EXECUTION,
    REVIEW,
    Fact,
    TraceCategory,
    joined,
    review_of,
)

_ATTEMPTS = {
    Cause.FIRST: "attempt_started",
    Cause.REJECTED: "attempt_after_reject",
    Cause.GATE: "attempt_after_gate",
    Cause.RETRY: "retry",
}


def of_run(payload: Payload, before: RunState) -> Fact | None:
    """How the run as a whole stands, and who has put off what of it."""
    match payload:
        case ev.RunStateChanged(state=state, reason=reason, by=by, blocked=blocked):
            again = state is TaskState.IN_PROGRESS and before.run.state.resumable
            step = blocked.step if blocked else ""
            return DECISION, "resumed" if again else state, step, joined(str(by), reason)
        case ev.BasePinned(commit=commit):
            return DECISION, "base_pinned", "", f"work starts from commit {commit[:12]}"
        case ev.Returned(from_step=origin, to_step=to, cause=cause, gate=gate):
            why = f"gate {gate}" if gate else cause  # the reasons stand in the entry before
            return DECISION, "return_to_step", origin, f"to {to}: {why}"
        case rollout_events.ShadowBegun(by=by):
            return DECISION, "shadow_begun", "", f"{by}: nobody is given its answer"
        case rollout_events.ExpectedGiven(text=text):
            return DECISION, "expected_given", "", f"{len(text):,} characters to compare with"
        case ev.Snoozed(item=item, item_id=key, until=until, by=by):
            outcome = "snoozed" if until else "brought_back"
            return DECISION, outcome, _asked_in(item, key, before), f"{by}: {item} {key}"
    return None


def _asked_in(item: str, key: str, before: RunState) -> str:
    if item == "question":
        return before.questions[QuestionId(key)].step
    if item == "approval":
        return before.approvals[ApprovalId(key)].step
    return review_of(key, before).step


def of_session(payload: Payload, before: RunState) -> Fact | None:
    """What sessions are told, and how their turns end."""
    match payload:
        case ev.SessionOpened(session=session):
            what = f"{session.agent}, session {session.session_id}"
            return DISPATCH, "session_opened", session.step, what
        case ev.SessionBound(session_id=key, continuity=how):
            return _session(f"session_{how}", key, before)
        case ev.SessionLost(session_id=key, why=why):
            return _session("session_lost", key, before, why)
        case ev.SessionStuck(session_id=key, why=why):
            return _session("session_stuck", key, before, why)
        case ev.RestartAsked(session_id=key, by=by, reason=why):
            return _session("restart_asked", key, before, joined(str(by), why))
        case ev.SessionMoving(session_id=key):
            return _session("session_moving", key, before)
        case ev.SessionAttached(session_id=key, attachments=found):
            return _session("session_attached", key, before, ", ".join(map(str, found)))
        case ev.ModelSwitched(session_id=key, model=model, why=why):
            return _session("model_switched", key, before, joined(model, why))
        case ev.SessionClosed(session_id=key, why=why):
            return _session("session_closed", key, before, why)
        case ev.CallStarted(step=step):
            return DISPATCH, "called", step, ""
        case ev.TurnStarted(session_id=key, turn=turn, step=step, again=again):
            agent = before.sessions[key].agent
            return DISPATCH, "sent_again" if again else "sent", step, f"{agent}, turn {turn}"
        case ev.TurnEnded(session_id=key, turn=turn, status=status, failure=failure):
            outcome = "timed_out" if _is_timeout(failure) else f"turn_{status}"
            session = before.sessions[key]
            about = joined(f"{session.agent}, turn {turn}", failure.message if failure else "")
            return _work(session.step, before), outcome, session.step, about
    return None


def _session(outcome: str, key: SessionId, before: RunState, why: str = "") -> Fact:
    session = before.sessions[key]
    return DISPATCH, outcome, session.step, joined(f"{session.agent}, session {key}", why)


def _is_timeout(failure: Failure | None) -> bool:
    return failure is not None and failure.kind is FailureKind.TIMEOUT


def of_attempt(payload: Payload, before: RunState) -> Fact | None:
    """How attempts begin and end, and what gates find."""
    match payload:
        case ev.AttemptStarted(attempt=attempt):
            return DECISION, _ATTEMPTS[attempt.cause], attempt.step, _started(attempt)
        case ev.OutputProduced(step=step, attempt=number, output=output):
            what = f"attempt {number}, {len(output)} characters"
            return _work(step, before), "output", step, what
        case ev.AttemptFailed(step=step, attempt=number, failure=failure, retry_in=wait):
            again = f"; tries again in {wait:.0f} s" if wait is not None else ""
            what = f"attempt {number}, {failure.kind}: {failure.message}{again}"
            return _work(step, before), "failed", step, what
        case ev.GateFinished(step=step, attempt=number, result=result):
            return EXECUTION, _gate(result), step, f"attempt {number}, {_gate_end(result)}"
    return None


def of_flow(payload: Payload, before: RunState) -> Fact | None:
    """How the workflow goes: steps, branches, loops, sub-workflows."""
    match payload:
        case ev.StepFinished():
            return _step_finished(payload, before)
        case ev.AttemptPassed():
            return EXECUTION, "ok", payload.step, f"{payload.unit}, attempt {payload.attempt}"
        case ev.AttemptBlocked(blocked=blocked):
            return DECISION, "attempt_blocked", payload.step, f"{payload.unit}: {blocked.message}"
        case ev.AttemptReleased(by=by, prompt=prompt):
            how = "with another prompt" if prompt else "as it was"
            return DECISION, "attempt_released", payload.step, f"{by}: {payload.unit} {how}"
        case ev.AttemptSkipped(by=by, output=output, reason=reason):
            how = "given a value" if output is not None else "skipped"
            what = joined(f"{by}: {payload.unit} {how}", reason)
            return EXECUTION, "skipped", payload.step, what
        case ev.AttemptCanceled(why=why):
            return EXECUTION, "canceled", payload.step, f"{payload.unit}: {why}"
        case ev.BranchesPlanned(step=step, branches=branches):
            names = ", ".join(plan.name for plan in branches)
            return DECISION, "parallel_dispatch", step, f"{len(branches)} branches: {names}"
        case ev.BranchCanceled(step=step, branch=branch, why=why):
            return DECISION, "branch_canceled", step, f"{branch}: {why}"
        case ev.ChildStarted(child=child):
            return DISPATCH, "child_started", payload.step, child
        case ev.HeadMoved(commit=commit):
            return DECISION, "merged", "", f"the work is at commit {commit[:12]}"
        case ev.PrefixTaken(source=source, steps=steps):
            taken = ", ".join(progress.step for progress in steps) or "nothing"
            return DECISION, "forked", "", f"from {source}: {taken}"
        case ev.TakeOverBegun(commit=commit, by=by):
            return DISPATCH, "take_over", "", f"{by}: commit {commit[:12]} into the project"
        case ev.TakeOverEnded(files=files, failed=failed):
            how = failed or f"{files} files changed"
            return EXECUTION, "take_over_failed" if failed else "taken_over", "", how
        case ev.QuestionAsked(question=question):
            return DECISION, "question_asked", question.step, question.text
        case ev.QuestionAnswered(question_id=key, answer=answer, by=by):
            return DECISION, "question_answered", before.questions[key].step, f"{by}: {answer}"
    return None


def _step_finished(payload: ev.StepFinished, before: RunState) -> Fact:
    kind = next((brief.kind for brief in before.run.steps if brief.name == payload.step), "")
    if payload.state is not StepState.DONE:
        return DECISION, payload.state, payload.step, payload.reason
    if payload.reason in ("until_met", "max_iterations_reached"):
        return DECISION, payload.reason, payload.step, ""
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
    return REVIEW if kinds.get(owner(step)) == "review" else EXECUTION


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
