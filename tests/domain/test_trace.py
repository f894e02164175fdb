"""Every kind of event of a run, and the entry that a reader gets for it."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec.structs import replace

from app.domain import events as ev
from app.domain.approval import Action, Actor, ActorKind, Decision, Settlement
from app.domain.base import QuestionId, ReviewId, RunId
from app.domain.events import Event
from app.domain.reducer import reduce
from app.domain.rollout_events import ExpectedGiven, ShadowBegun
from app.domain.run import (
    Attempt,
    Blocked,
    BranchPlan,
    Cause,
    Failure,
    FailureKind,
    GateResult,
    Question,
    RunState,
)
from app.domain.session import Continuity, StuckKind, Usage
from app.domain.task_state import TaskState
from app.domain.toolcall import ToolOutcome
from app.domain.trace import NOT_TRACED, TraceEntry, entries_of
from app.domain.trace_facts import TraceCategory
from tests.support.story import (
    ADA,
    ENGINE,
    START,
    a_review,
    a_run,
    a_session,
    a_verdict,
    an_approval,
    moved,
    started,
    story,
)

SESSION = a_session().session_id
NOBODY = Actor(kind=ActorKind.TIMEOUT, name="deadline")


def traced(payloads: list[ev.Payload]) -> list[TraceEntry]:
    """The entries of a run that goes this way."""
    state: RunState | None = None
    found = []
    for seq, payload in enumerate(payloads, start=1):
        event = Event(seq=seq, at=START, run_id=RunId("r-1"), trace_id="tr-r-1", payload=payload)
        found += entries_of(event, state)
        state = reduce(state, event)
    return found


def said(payloads: list[ev.Payload]) -> list[str]:
    return [f"{e.category} {e.outcome} {e.step or '-'}" for e in traced(payloads)]


def after(*payloads: ev.Payload) -> list[TraceEntry]:
    """The entries of these, after a run, its first attempt and its session are there."""
    return traced([*_BEGUN, *payloads])[len(_BEGUN) :]


def outcomes(*payloads: ev.Payload) -> list[str]:
    return [entry.outcome for entry in after(*payloads)]


_BEGUN: list[ev.Payload] = [
    ev.RunCreated(run=a_run()),
    moved(TaskState.IN_PROGRESS),
    started("plan", 1),
    ev.SessionOpened(session=a_session()),
]


def a_gate(**found: object) -> ev.GateFinished:
    result = {
        "gate": "tests",
        "passed": False,
        "exit_code": None,
        "log": "",
        "log_sha256": "",
        "log_bytes": 0,
        "started_at": START,
        "ended_at": START,
    }
    return ev.GateFinished(step="plan", attempt=1, result=GateResult.model_validate(result | found))


def a_failure(kind: FailureKind) -> Failure:
    return Failure(kind=kind, message="no\x1b[2Jresult")


def decided(action: Action, by: Actor = ADA, told: bool = True) -> ev.ApprovalDecided:
    decision = Decision(action=action, reason="why not", by=by, at=START)
    return ev.ApprovalDecided(approval_id=an_approval().approval_id, decision=decision, told=told)


def test_a_plan_that_is_sent_back() -> None:
    assert said(story()) == [
        "decision created -",
        "decision in_progress -",
        "decision base_pinned -",
        "decision attempt_started plan",
        "dispatch session_opened plan",
        "dispatch sent plan",
        "decision approval_requested plan",
        "decision approval_allowed plan",
        "execution approval_executed plan",
        "execution turn_completed plan",
        "execution output plan",
        "execution ok plan",
        "review review_opened plan-review",
        "review verdict_reject plan-review",
        "review rejected plan-review",
        "decision return_to_step plan-review",
    ]
    entry = traced(story())[6]
    assert (entry.seq, entry.run_id, entry.trace_id) == (7, "r-1", "tr-r-1")
    assert entry.detail == "push: high risk, planner"


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ([TaskState.BLOCKED, TaskState.IN_PROGRESS], ["blocked", "resumed"]),
        ([TaskState.FAILED, TaskState.IN_PROGRESS], ["failed", "resumed"]),
        ([TaskState.IN_PROGRESS, TaskState.DONE], ["in_progress", "done"]),
        ([TaskState.CANCELED], ["canceled"]),
    ],
)
def test_going_on_after_a_stop_is_resumed(way: list[TaskState], expected: list[str]) -> None:
    assert outcomes(*(moved(state) for state in way)) == expected


def test_a_run_that_is_blocked_names_the_step_and_who_stopped_it() -> None:
    blocked = Blocked(kind="gate", message="tests failed", step="implement")
    (entry,) = after(
        ev.RunStateChanged(
            state=TaskState.BLOCKED, reason="tests\nfailed", by=ENGINE, blocked=blocked
        )
    )
    assert (entry.category, entry.outcome) == (TraceCategory.DECISION, "blocked")
    assert (entry.step, entry.detail) == ("implement", "system:engine: tests ↵ failed")


def test_a_rate_limit_and_each_retry_are_told() -> None:
    attempt = Attempt(step="plan", attempt=2, cause=Cause.RETRY, tries=1, started_at=START)
    failed = ev.AttemptFailed(
        step="plan", attempt=1, failure=a_failure(FailureKind.RATE_LIMIT), retry_in=9.6
    )
    first, second = after(failed, ev.AttemptStarted(attempt=attempt))
    assert (first.category, first.outcome) == (TraceCategory.EXECUTION, "failed")
    assert first.detail == "attempt 1, rate_limit: no␛[2Jresult; tries again in 10 s"
    assert (second.outcome, second.detail) == ("retry", "attempt 2, automatic try 1")
    causes = [Cause.FIRST, Cause.REJECTED, Cause.GATE]
    again = [replace(attempt, cause=cause, tries=0) for cause in causes]
    assert outcomes(*(ev.AttemptStarted(attempt=a) for a in again)) == [
        "attempt_started",
        "attempt_after_reject",
        "attempt_after_gate",
    ]


def test_time_outs_of_turns_gates_and_questions_are_no_other_failures() -> None:
    sent = ev.TurnStarted(session_id=SESSION, turn=1, step="plan", attempt=1, prompt="p")
    ended = ev.TurnEnded(session_id=SESSION, turn=1, status="failed")
    timeout = ended.model_copy(update={"failure": a_failure(FailureKind.TIMEOUT)})
    again = sent.model_copy(update={"again": True})
    interrupted = ended.model_copy(update={"status": "interrupted"})
    assert outcomes(sent, timeout, again, ended, interrupted) == [
        "sent",
        "timed_out",
        "sent_again",
        "turn_failed",
        "turn_interrupted",
    ]
    gates = [a_gate(), a_gate(timed_out=True), a_gate(could_start=False), a_gate(passed=True)]
    assert outcomes(*gates) == [
        "quality_gate_failed",
        "quality_gate_timed_out",
        "quality_gate_not_started",
        "quality_gate_passed",
    ]
    asked = ev.ApprovalRequested(approval=an_approval())
    assert outcomes(asked, decided(Action.DENY, NOBODY))[1] == "approval_timed_out"


def test_an_approval_is_told_in_all_its_facts() -> None:
    key = an_approval().approval_id
    asked = ev.ApprovalRequested(approval=an_approval())
    found = after(
        asked,
        ev.ApprovalRebound(approval_id=key, call_id="c9", turn=1, epoch=2),
        decided(Action.ALLOW, told=False),
        ev.ApprovalTold(approval_id=key),
        ev.ApprovalUncertain(approval_id=key, why="Longwatch stopped"),
        ev.ApprovalSettled(approval_id=key, settlement=Settlement.ABORT, by=ADA, reason="no"),
    )
    assert [f"{e.category} {e.outcome}" for e in found] == [
        "decision approval_requested",
        "decision approval_requested_again",
        "decision approval_allowed",
        "dispatch approval_told",
        "execution approval_uncertain",
        "decision approval_settled",
    ]
    assert {e.step for e in found} == {"plan"}
    assert found[2].detail == "push: ada: why not"
    assert found[5].detail == "push: abort by ada: no"
    outcome = ev.ApprovalOutcome(approval_id=key, outcome=ToolOutcome(ok=False, exit_code=3))
    failed = after(asked, decided(Action.ALLOW), outcome)[2]
    assert (failed.outcome, failed.detail) == ("approval_failed", "push: exit code 3")
    withdrawn = ev.ApprovalWithdrawn(approval_id=key, why="the agent is gone")
    assert outcomes(asked, withdrawn)[1] == "approval_withdrawn"
    assert outcomes(asked, decided(Action.DENY))[1] == "approval_denied"


def test_sessions_that_are_lost_and_resumed() -> None:
    bound = [
        ev.SessionBound(session_id=SESSION, native_id="n", continuity=how) for how in Continuity
    ]
    lost = ev.SessionLost(session_id=SESSION, why="Longwatch was restarted")
    closed = ev.SessionClosed(session_id=SESSION, why="the run is done")
    found = after(*bound, lost, closed)
    assert [e.outcome for e in found] == [
        "session_fresh",
        "session_resumed",
        "session_restarted",
        "session_lost",
        "session_closed",
    ]
    assert {(e.category, e.step) for e in found} == {(TraceCategory.DISPATCH, "plan")}


def test_a_review_ends_by_approval_by_its_limit_or_with_a_person() -> None:
    opened = ev.ReviewOpened(review=a_review())
    key = ReviewId("rv-r-1-1")
    reject, unread = (
        ev.VerdictGiven(review_id=key, verdict=a_verdict(decision, "short", by=ENGINE))
        for decision in ("reject", "unparsable")
    )
    escalated = ev.ReviewEscalated(review_id=key, why="too often")
    closed = ev.ReviewClosed(review_id=key, approved=True)
    finished = ev.StepFinished(step="plan-review", attempt=0)
    assert outcomes(opened, reject, escalated)[1:] == ["verdict_reject", "failed"]
    assert outcomes(opened, unread, escalated)[1:] == ["verdict_unparsable", "escalated"]
    found = after(opened, closed, finished)
    assert [(e.category, e.outcome) for e in found[1:]] == [
        (TraceCategory.REVIEW, "approved"),
        (TraceCategory.REVIEW, "ok"),
    ]


def test_not_now_is_told_with_its_step() -> None:
    opened = ev.ReviewOpened(review=a_review())
    asked = ev.ApprovalRequested(approval=an_approval())
    put_off = ev.Snoozed(item="review", item_id="rv-r-1-1", until=START, by=ADA)
    back = ev.Snoozed(item="approval", item_id=an_approval().approval_id, until=None, by=ADA)
    found = after(opened, asked, put_off, back)[2:]
    assert [(e.outcome, e.step) for e in found] == [
        ("snoozed", "plan-review"),
        ("brought_back", "plan"),
    ]


def test_what_an_agent_says_and_uses_is_left_out() -> None:
    item = ev.ItemFinished(session_id=SESSION, item_id="i", kind="message", sha256="", size=1)
    assert after(item, ev.UsageUpdated(session_id=SESSION, usage=Usage())) == []
    stopped = Event(seq=1, at=START, payload=ev.SupervisorStopped(epoch=1))
    assert entries_of(stopped, None) == []


def _flow() -> list[ev.Payload]:
    blocked = Blocked(kind="gate", message="no", step="plan")
    asked = Question(
        question_id=QuestionId("q-1"),
        run_id=RunId("r-1"),
        step="plan",
        attempt=1,
        text="which?",
        asked_at=START,
    )
    plan = BranchPlan(name="a", agent="coder")
    return [
        ev.AttemptBlocked(step="plan", attempt=1, blocked=blocked),
        ev.AttemptReleased(step="plan", attempt=1, by=ADA),
        ev.AttemptSkipped(step="plan", attempt=1, by=ADA, output="this"),
        ev.CallStarted(step="plan", attempt=1),
        ev.AttemptPassed(step="plan", attempt=1),
        ev.AttemptCanceled(step="plan", attempt=1, why="late"),
        ev.BranchesPlanned(step="implement", branches=(plan,)),
        ev.BranchCanceled(step="implement", branch="a", why="late"),
        ev.ChildStarted(step="plan", attempt=1, child=RunId("r-2")),
        ev.HeadMoved(commit="0" * 40),
        ev.QuestionAsked(question=asked),
        ev.QuestionAnswered(question_id=asked.question_id, answer="that", by=ADA),
        ev.PrefixTaken(source=RunId("r-0"), attempts=(), steps=()),
        ev.TakeOverBegun(commit="c" * 40, by=ADA),
        ev.TakeOverEnded(files=2),
    ]


def test_every_kind_of_event_is_either_told_or_named_as_left_out() -> None:
    """A new kind of event must not go missing from traces unnoticed."""
    key, review = an_approval("r-1", 2).approval_id, ReviewId("rv-r-1-1")
    everything: list[ev.Payload] = [
        *story(),
        ev.SessionBound(session_id=SESSION, native_id="n", continuity=Continuity.RESUMED),
        ev.SessionLost(session_id=SESSION, why="gone"),
        ev.SessionClosed(session_id=SESSION, why="over"),
        ev.AttemptFailed(step="plan", attempt=1, failure=a_failure(FailureKind.OTHER)),
        a_gate(),
        ev.ApprovalRequested(approval=an_approval("r-1", 2)),
        ev.ApprovalRebound(approval_id=key, call_id="c9", turn=1, epoch=2),
        ev.ApprovalSupported(approval_id=key, by=ADA),
        ev.ApprovalEdited(
            approval_id=key,
            call=an_approval().call,
            text="ls",
            risk=an_approval().risk,
            by=ADA,
        ),
        ev.ApprovalTold(approval_id=key),
        ev.ApprovalUncertain(approval_id=key, why="gone"),
        ev.ApprovalSettled(approval_id=key, settlement=Settlement.ABORT, by=ADA),
        ev.ApprovalWithdrawn(approval_id=key, why="gone"),
        ev.SessionStuck(session_id=SESSION, kind=StuckKind.QUIET, why="no word"),
        ev.SessionMoving(session_id=SESSION),
        ev.SessionAttached(session_id=SESSION, attachments=(), by=ADA),
        ev.ModelSwitched(session_id=SESSION, before="a/b", model="c/d", why="away"),
        ev.RestartAsked(session_id=SESSION, by=ADA),
        ev.ReviewEscalated(review_id=review, why="unreadable"),
        ev.Snoozed(item="review", item_id=review, until=START, by=ADA),
        *_flow(),
        ExpectedGiven(text="yes"),
        ShadowBegun(by=ADA),
    ]
    kinds = set(get_args(get_args(ev.Payload)[0]))
    assert {type(payload) for payload in everything} == kinds - set(NOT_TRACED)
    assert [entry.seq for entry in traced(everything)] == list(range(1, len(everything) + 1))


def test_an_event_before_the_run_is_a_broken_journal() -> None:
    event = Event(seq=1, at=START, run_id=RunId("r-1"), payload=moved(TaskState.DONE))
    with pytest.raises(KeyError, match="before the run was created"):
        entries_of(event, None)


def test_an_output_that_ends_its_turn_is_told_as_both() -> None:
    turn = ev.TurnStarted(session_id=SESSION, turn=1, step="plan", attempt=1, prompt="plan it")
    output = ev.OutputProduced(
        step="plan", attempt=1, output="text", session_id=SESSION, passed=True
    )
    finished = ev.StepFinished(step="plan")
    entries = after(turn, output, finished)[1:]
    assert [(e.outcome, e.detail) for e in entries] == [
        ("turn_completed", "planner, turn 1"),
        ("output", "attempt 1, 4 characters"),
        ("ok", "attempt 1"),
    ]
    assert [e.seq - entries[0].seq for e in entries] == [0, 0, 1]


def test_a_turn_of_a_loop_passes_with_its_output() -> None:
    attempt = Attempt(step="plan", iteration=2, attempt=1, started_at=START)
    output = ev.OutputProduced(step="plan", iteration=2, attempt=1, output="text", passed=True)
    told = after(ev.AttemptStarted(attempt=attempt), output)[1:]
    assert [(e.outcome, e.detail) for e in told] == [
        ("output", "attempt 1, 4 characters"),
        ("ok", "plan (iter 2), attempt 1"),
    ]
