"""A run's events, as plain values: for tests of the store, the reducer and decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.domain import events as ev
from app.domain.approval import Action, Actor, ActorKind, Approval, Decision
from app.domain.base import ApprovalId, ReviewId, RunId, SessionId
from app.domain.gate import Gate
from app.domain.request import Request, Risk
from app.domain.run import Attempt, Review, Run, StepBrief, Verdict
from app.domain.session import Session
from app.domain.step import AgentStep, ReviewStep
from app.domain.task_state import TaskState
from app.domain.toolcall import ToolCall, ToolKind, ToolOutcome
from app.domain.workflow import AgentConfig, Recipe, Workflow

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ADA = Actor(kind=ActorKind.PERSON, name="ada")
ENGINE = Actor(kind=ActorKind.SYSTEM, name="engine")

RECIPE = Recipe(
    workflow=Workflow(
        name="change",
        steps=(
            AgentStep(name="plan", agent="planner", prompt="plan {{ request.text }}"),
            ReviewStep(
                kind="review",
                name="plan-review",
                of="plan",
                by=("reviewer", "operator"),
                return_to="plan",
                max_rejects=1,
            ),
            AgentStep(
                name="implement",
                agent="coder",
                prompt="do it",
                gates=(Gate(name="tests", shell="true", max_returns=1),),
            ),
        ),
    ),
    agents=tuple(
        AgentConfig(name=name, driver="scripted") for name in ("planner", "reviewer", "coder")
    ),
)


class FixedClock:
    """A clock that a test moves: sleeping moves it too."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        self.time += timedelta(milliseconds=1)
        return self.time

    def monotonic(self) -> float:
        return (self.time - START).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class CountingIds:
    """Ids in order: run-1, run-2, …"""

    def __init__(self) -> None:
        self._count = 0

    def new(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}-{self._count}"


def a_run(run_id: str = "r-1") -> Run:
    return Run(
        run_id=RunId(run_id),
        trace_id=f"tr-{run_id}",
        request=Request(text="add retry to the uploader", user="ada"),
        project="/repo",
        workflow="change",
        recipe=RECIPE.digest,
        current_step="plan",
        steps=tuple(StepBrief(name=s.name, kind=s.kind) for s in RECIPE.workflow.steps),
        created_at=START,
        updated_at=START,
    )


def a_session(run_id: str = "r-1", step: str = "plan", agent: str = "planner") -> Session:
    return Session(
        session_id=SessionId(f"s-{run_id}-{step}-{agent}"),
        run_id=RunId(run_id),
        step=step,
        agent=agent,
        driver="scripted",
        workspace=f"/work/{step}",
        opened_at=START,
    )


def an_approval(run_id: str = "r-1", number: int = 1, risk: Risk = Risk.HIGH) -> Approval:
    return Approval(
        approval_id=ApprovalId(f"ap-{run_id}-{number}"),
        run_id=RunId(run_id),
        session_id=a_session(run_id).session_id,
        step="plan",
        attempt=1,
        turn=1,
        agent="planner",
        call=ToolCall(
            call_id=f"c{number}",
            tool="shell",
            kind=ToolKind.SHELL,
            title="push",
            command=f"git push origin v{number}",
        ),
        risk=risk,
        epoch=1,
        requested_at=START,
    )


def started(step: str, attempt: int) -> ev.AttemptStarted:
    return ev.AttemptStarted(attempt=Attempt(step=step, attempt=attempt, started_at=START))


def moved(state: TaskState, reason: str = "") -> ev.RunStateChanged:
    return ev.RunStateChanged(state=state, reason=reason, by=ENGINE)


def a_review(number: int = 1, run_id: str = "r-1", of_attempt: int = 1) -> Review:
    return Review(
        review_id=ReviewId(f"rv-{run_id}-{number}"),
        run_id=RunId(run_id),
        step="plan-review",
        round=number,
        of="plan",
        of_attempt=of_attempt,
        by=("reviewer", "operator"),
        opened_at=START,
    )


def a_verdict(decision: str, *reasons: str, by: Actor = ADA) -> Verdict:
    return Verdict.model_validate({"by": by, "decision": decision, "reasons": reasons, "at": START})


def two_runs() -> list[tuple[str, ev.Payload]]:
    """The recipe, then two stories: what a journal is filled with, by run ("" for none)."""
    recipe = ev.RecipeRecorded(digest=RECIPE.digest, recipe=RECIPE)
    return [("", recipe), *((run, p) for run in ("r-1", "r-2") for p in story(run))]


def story(run_id: str = "r-1") -> list[ev.Payload]:
    """Plan, one approval, an output, a review that sends it back: nearly every kind of event."""
    session, approval, review = a_session(run_id), an_approval(run_id), a_review(1, run_id)
    decision = Decision(action=Action.ALLOW, by=ADA, at=START)
    return [
        ev.RunCreated(run=a_run(run_id)),
        moved(TaskState.IN_PROGRESS),
        ev.BasePinned(commit="0" * 40),
        started("plan", 1),
        ev.SessionOpened(session=session),
        ev.TurnStarted(
            session_id=session.session_id, turn=1, step="plan", attempt=1, prompt="plan it"
        ),
        ev.ApprovalRequested(approval=approval),
        ev.ApprovalDecided(approval_id=approval.approval_id, decision=decision, told=True),
        ev.ApprovalOutcome(approval_id=approval.approval_id, outcome=ToolOutcome(ok=True)),
        ev.TurnEnded(session_id=session.session_id, turn=1, status="completed"),
        ev.OutputProduced(step="plan", attempt=1, output="the plan", commit="1" * 40),
        ev.StepFinished(step="plan", attempt=1, commit="1" * 40),
        ev.ReviewOpened(review=review),
        ev.VerdictGiven(review_id=review.review_id, verdict=a_verdict("reject", "too short")),
        ev.ReviewClosed(review_id=review.review_id, approved=False, reasons=("too short",)),
        ev.Returned(
            from_step="plan-review", to_step="plan", cause="rejected", reasons=("too short",)
        ),
    ]
