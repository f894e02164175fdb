"""Replaying events gives the state; the state alone gives the next thing to do."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from app.domain import directives as do
from app.domain import events as ev
from app.domain.approval import Actor, ActorKind, ApprovalState, Settlement
from app.domain.attention import AttentionKind, attention
from app.domain.decide import decide
from app.domain.errors import Refused
from app.domain.events import Event
from app.domain.reducer import reduce
from app.domain.run import AttemptState, Cause, GateResult, ReviewState, RunState, Unit
from app.domain.session import SessionState
from app.domain.task_state import TaskState
from tests.support.story import (
    ADA,
    RECIPE,
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

REVIEWER = Actor(kind=ActorKind.AGENT, name="reviewer")


def play(*payloads: ev.Payload, state: RunState | None = None) -> RunState:
    seq = state.seq if state else 0
    for payload in payloads:
        seq += 1
        event = Event(seq=seq, at=START, run_id=a_run().run_id, trace_id="tr", payload=payload)
        state = reduce(state, event)
    assert state is not None
    return state


def following(state: RunState) -> do.Directive:
    """The only thing to do next: this workflow is one line."""
    (directive,) = decide(RECIPE, state)
    return directive


def begun() -> RunState:
    return play(*story()[:4])


def produced(state: RunState, step: str, attempt: int, output: str = "text") -> RunState:
    return play(ev.OutputProduced(step=step, attempt=attempt, output=output), state=state)


def reviewed(*verdicts: ev.VerdictGiven) -> RunState:
    state = produced(begun(), "plan", 1)
    return play(
        ev.StepFinished(step="plan", attempt=1),
        ev.ReviewOpened(review=a_review()),
        *verdicts,
        state=state,
    )


def given(decision: str, *reasons: str, by: Actor = REVIEWER) -> ev.VerdictGiven:
    verdict = a_verdict(decision, *reasons, by=by)
    return ev.VerdictGiven(review_id=a_review().review_id, verdict=verdict)


def test_a_story_ends_with_the_plan_sent_back() -> None:
    state = play(*story())
    assert state.run.state is TaskState.IN_PROGRESS
    assert state.run.current_step == "plan"
    assert state.rejects == {"plan-review": 1}
    assert state.attempts["plan//0/1"].state is AttemptState.REJECTED
    assert state.seq == len(story())
    again = following(state)
    assert again == do.StartAttempt(Unit("plan"), 2, Cause.REJECTED)


def test_the_session_waits_while_an_approval_is_pending_and_works_after_it() -> None:
    waiting = play(*story()[:7])
    session = waiting.sessions[a_session().session_id]
    assert session.state is SessionState.WAITING
    working = play(story()[7], state=waiting)
    assert working.sessions[session.session_id].state is SessionState.WORKING
    assert working.approvals[an_approval().approval_id].state is ApprovalState.PERMITTED


def test_events_that_do_not_fit_are_refused() -> None:
    state = play(*story()[:2], moved(TaskState.CANCELED))
    with pytest.raises(Refused, match="terminal state"):
        play(moved(TaskState.IN_PROGRESS), state=state)


def test_first_things_first() -> None:
    state = play(ev.RunCreated(run=a_run()))
    assert following(state) == do.Begin()
    state = play(moved(TaskState.IN_PROGRESS), state=state)
    assert following(state) == do.PinBase()
    state = play(ev.BasePinned(commit="0" * 40), state=state)
    assert following(state) == do.RunTurn(Unit("plan"), 1, "planner")  # its attempt begins with it
    state = play(started("plan", 1), state=state)
    assert following(state) == do.RunTurn(Unit("plan"), 1, "planner")
    assert following(produced(state, "plan", 1)) == do.FinishStep(Unit("plan"), 1)


def test_a_review_asks_the_agent_first_then_the_operator() -> None:
    unit = Unit("plan-review")
    assert following(reviewed()) == do.RunTurn(unit, 1, "reviewer")
    state = reviewed(given("approve"))
    assert isinstance(following(state), do.Wait)
    assert [i.kind for i in attention(state, START)] == [AttentionKind.REVIEW]
    done = play(given("approve", by=ADA), state=state)
    closing = following(done)
    assert isinstance(closing, do.CloseReview) and closing.approved


def test_a_reject_goes_back_with_its_reasons() -> None:
    closing = following(reviewed(given("reject", "no tests", "no back-off")))
    assert isinstance(closing, do.CloseReview)
    assert (closing.approved, closing.return_to) == (False, "plan")
    assert closing.reasons == ("no tests", "no back-off")


def test_a_rejected_artefact_is_not_put_to_the_operator() -> None:
    assert attention(reviewed(given("reject", "no tests")), START) == []


def test_an_unparsable_verdict_goes_to_the_operator_and_never_approves() -> None:
    state = reviewed(given("unparsable"))
    escalation = following(state)
    assert isinstance(escalation, do.Escalate) and not escalation.at_limit
    state = play(
        ev.ReviewEscalated(review_id=a_review().review_id, why=escalation.why), state=state
    )
    assert isinstance(following(state), do.Wait)
    assert attention(state, START)[0].kind is AttentionKind.REVIEW


def test_at_the_reject_limit_the_run_blocks_and_the_operator_decides() -> None:
    state = reviewed(given("reject", "first"))
    state = replace(state, rejects={"plan-review": 1})
    escalation = following(state)
    assert isinstance(escalation, do.Escalate) and escalation.at_limit
    state = play(
        ev.ReviewEscalated(review_id=a_review().review_id, why=escalation.why), state=state
    )
    for decision, approved in (("approve", True), ("reject", False)):
        closing = following(play(given(decision, "x", by=ADA), state=state))
        assert isinstance(closing, do.CloseReview) and closing.approved is approved


def gate(passed: bool) -> ev.GateFinished:
    result = GateResult(
        gate="tests",
        passed=passed,
        exit_code=0 if passed else 1,
        log="",
        log_sha256="",
        log_bytes=0,
        started_at=START,
        ended_at=START,
    )
    return ev.GateFinished(step="implement", attempt=1, result=result)


def implementing() -> RunState:
    state = reviewed(given("approve"), given("approve", by=ADA))
    state = play(
        ev.ReviewClosed(review_id=a_review().review_id, approved=True),
        ev.StepFinished(step="plan-review", attempt=0),
        started("implement", 1),
        state=state,
    )
    assert state.reviews[a_review().review_id].state is ReviewState.APPROVED
    return produced(state, "implement", 1)


def test_a_gate_runs_before_a_step_is_finished() -> None:
    state = implementing()
    directive = following(state)
    assert isinstance(directive, do.RunGate) and directive.gate.name == "tests"
    assert following(play(gate(True), state=state)) == do.FinishStep(Unit("implement"), 1)


def test_a_failed_gate_sends_back_until_its_limit_then_blocks() -> None:
    state = play(gate(False), state=implementing())
    assert following(state) == do.SendBack(Unit("implement"), "implement", "tests")
    back = ev.Returned(from_step="implement", to_step="implement", cause="gate", gate="tests")
    again = play(back, state=state)
    assert following(again) == do.StartAttempt(Unit("implement"), 2, Cause.GATE)
    limit = replace(state, returns={"implement/tests": 1})
    block = following(limit)
    assert isinstance(block, do.Block) and not block.fatal
    assert "gate tests failed" in block.blocked.message
    held = ev.AttemptBlocked(step="implement", attempt=1, blocked=block.blocked)
    assert following(play(held, state=limit)) == do.Stop(TaskState.BLOCKED, block.blocked)


def test_nothing_runs_on_while_a_tool_call_is_uncertain() -> None:
    state = play(*story()[:8])
    approval_id = an_approval().approval_id
    state = play(ev.ApprovalUncertain(approval_id=approval_id, why="gone"), state=state)
    assert isinstance(following(state), do.Wait)
    assert attention(state, START)[0].kind is AttentionKind.UNCERTAIN
    settled = ev.ApprovalSettled(
        approval_id=approval_id, settlement=Settlement.TREAT_AS_DONE, by=ADA
    )
    assert following(play(settled, state=state)) == do.RunTurn(Unit("plan"), 1, "planner")


def test_the_end_of_the_steps_completes_the_run() -> None:
    state = play(gate(True), state=implementing())
    state = play(ev.StepFinished(step="implement", attempt=1), state=state)
    assert following(state) == do.Complete()


def test_an_output_can_end_its_turn_and_pass_by_itself() -> None:
    session = a_session()
    turn = ev.TurnStarted(
        session_id=session.session_id, turn=1, step="plan", attempt=1, prompt="plan it"
    )
    apart = play(
        ev.SessionOpened(session=session),
        turn,
        ev.TurnEnded(session_id=session.session_id, turn=1, status="completed"),
        ev.OutputProduced(step="plan", attempt=1, output="text"),
        ev.AttemptPassed(step="plan", attempt=1),
        state=begun(),
    )
    output = ev.OutputProduced(
        step="plan", attempt=1, output="text", session_id=session.session_id, passed=True
    )
    at_once = play(ev.SessionOpened(session=session), turn, output, state=begun())
    assert at_once.sessions == apart.sessions
    assert [a.state for a in at_once.attempts.values()] == [
        a.state for a in apart.attempts.values()
    ]
    assert following(at_once) == following(apart) == do.FinishStep(Unit("plan"))
