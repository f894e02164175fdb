"""Words for every event, and which of them are about one attempt."""

from __future__ import annotations

import pytest

from app.domain import events as ev
from app.domain.approval import Action, Decision, Settlement
from app.domain.base import ApprovalId, ReviewId, SessionId
from app.domain.events import Event
from app.domain.run import Failure, FailureKind, Verdict
from app.domain.session import Continuity
from app.domain.task_state import TaskState
from app.domain.toolcall import ToolOutcome
from app.ui.event_rows import EventRows, describe
from tests.ui import canned
from tests.ui.parts import CRITIC, FORCE_PUSH, ME, NOW, ago, make_approval, make_gate, make_session


def state_changed(state: TaskState, reason: str = "") -> ev.RunStateChanged:
    return ev.RunStateChanged(state=state, reason=reason, by=ME)


PAYLOADS: list[tuple[ev.Payload, str]] = [
    (state_changed(TaskState.IN_PROGRESS, "go"), "run in progress|go (mara)"),
    (
        ev.SessionOpened(session=make_session(canned.running_run().run, "plan")),
        "session opened|codex on plan",
    ),
    (
        ev.SessionBound(session_id=SessionId("s"), native_id="t1", continuity=Continuity.RESUMED),
        "session bound|resumed (t1)",
    ),
    (ev.SessionLost(session_id=SessionId("s"), why="died"), "session lost|died"),
    (ev.SessionClosed(session_id=SessionId("s"), why="done"), "session closed|done"),
    (
        ev.TurnStarted(
            session_id=SessionId("s"), turn=2, step="plan", attempt=1, prompt="p", again=True
        ),
        "turn started|plan 1, turn 2, again after a restart",
    ),
    (
        ev.TurnEnded(
            session_id=SessionId("s"),
            turn=2,
            status="failed",
            failure=Failure(kind=FailureKind.OTHER, message="boom"),
        ),
        "turn ended|turn 2 failed: boom",
    ),
    (
        ev.OutputProduced(step="plan", attempt=1, output="x" * 1_200),
        "output produced|plan 1, 1,200 characters",
    ),
    (
        ev.AttemptFailed(
            step="plan", attempt=1, failure=Failure(kind=FailureKind.OTHER, message="boom")
        ),
        "attempt failed|plan 1: boom",
    ),
    (
        ev.GateFinished(step="plan", attempt=1, result=make_gate(False, "")),
        "gate failed|tests of plan 1",
    ),
    (
        ev.GateFinished(step="plan", attempt=1, result=make_gate(True, "")),
        "gate passed|tests of plan 1",
    ),
    (ev.StepFinished(step="plan", attempt=1), "step finished|plan"),
    (
        ev.Returned(from_step="plan-review", to_step="plan", cause="rejected"),
        "returned|plan-review → plan, rejected",
    ),
    (
        ev.ApprovalRequested(approval=make_approval(canned.running_run().run, FORCE_PUSH)),
        "approval requested|high: git push --force origin main",
    ),
    (
        ev.ApprovalDecided(
            approval_id=ApprovalId("a"),
            decision=Decision(action=Action.DENY, reason="no", by=ME, at=NOW),
            told=True,
        ),
        "approval deny|by mara, once: no",
    ),
    (
        ev.ApprovalOutcome(approval_id=ApprovalId("a"), outcome=ToolOutcome(ok=True, summary="x")),
        "call ended|ok x",
    ),
    (
        ev.ApprovalSettled(approval_id=ApprovalId("a"), settlement=Settlement.RUN_AGAIN, by=ME),
        "approval settled|run_again by mara",
    ),
    (
        ev.ApprovalUncertain(approval_id=ApprovalId("a"), why="killed"),
        "approval uncertain|killed",
    ),
    (ev.ApprovalWithdrawn(approval_id=ApprovalId("a"), why="off"), "approval withdrawn|off"),
    (ev.ReviewEscalated(review_id=ReviewId("r"), why="limit"), "review escalated|limit"),
    (
        ev.ReviewOpened(review=next(iter(canned.review_run().reviews.values()))),
        "review opened|plan 1, round 1",
    ),
    (
        ev.VerdictGiven(
            review_id=ReviewId("r"),
            verdict=Verdict(by=CRITIC, decision="reject", reasons=("a", "b"), at=NOW),
        ),
        "verdict reject|by agent:critic: a; b",
    ),
    (ev.ReviewClosed(review_id=ReviewId("r"), approved=False), "review closed|rejected"),
    (
        ev.Snoozed(item="review", item_id="r", until=ago(1), by=ME),
        "put off|review by mara",
    ),
    (ev.Snoozed(item="review", item_id="r", until=None, by=ME), "brought back|review by mara"),
    (ev.BasePinned(commit="abc"), "base pinned|"),
]


@pytest.mark.parametrize(("payload", "words"), PAYLOADS, ids=[w.split("|")[0] for _, w in PAYLOADS])
def test_every_event_has_words(payload: ev.Payload, words: str) -> None:
    assert "|".join(describe(payload)) == words


def test_events_of_one_attempt() -> None:
    session = SessionId("s")
    about: list[ev.Payload] = [
        ev.OutputProduced(step="plan", attempt=1, output="x"),
        ev.OutputProduced(step="plan", attempt=2, output="x"),
        ev.StepFinished(step="plan", attempt=0),
        ev.ApprovalRequested(approval=make_approval(canned.running_run().run, FORCE_PUSH)),
        ev.ItemFinished(session_id=session, item_id="i", kind="k", sha256="", size=1),
        ev.SessionLost(session_id=session, why="x"),
    ]
    events = [Event(seq=n, at=NOW, payload=payload) for n, payload in enumerate(about, 1)]
    of_plan = [row.text for row in EventRows().rows(events, "plan", 1)]
    assert [text.split("  ")[1] for text in of_plan] == ["output produced", "step finished"]
    assert len(EventRows().rows(events, "implement", 1)) == 1
    assert len(EventRows().rows(events)) == 5, "items are in the transcript"
