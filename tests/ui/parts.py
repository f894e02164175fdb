"""Builders of canned domain values, around one fixed night."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from app.domain.approval import (
    Actor,
    ActorKind,
    Approval,
    ApprovalState,
)
from app.domain.attempts import Attempts
from app.domain.base import ApprovalId, RunId, SessionId
from app.domain.day_budget import DayBudget
from app.domain.feed import Status
from app.domain.persistent import PersistentMap
from app.domain.request import Request, Risk
from app.domain.run import (
    Attempt,
    AttemptState,
    Blocked,
    Cause,
    Failure,
    GateResult,
    Review,
    Run,
    RunState,
    StepBrief,
)
from app.domain.session import Chunk, ChunkKind, Session, SessionState, Usage
from app.domain.sessions import Sessions
from app.domain.step import AgentStep, ReviewStep
from app.domain.task_state import TaskState
from app.domain.toolcall import FileChange, ToolCall, ToolKind
from app.domain.workflow import AgentConfig, Recipe, Workflow

NOW = datetime(2026, 3, 4, 2, 14, 0, tzinfo=UTC)
ME = Actor(kind=ActorKind.PERSON, name="mara")
CRITIC = Actor(kind=ActorKind.AGENT, name="critic")
STEPS = (
    StepBrief(name="plan", kind="agent"),
    StepBrief(name="plan-review", kind="review"),
    StepBrief(name="implement", kind="agent"),
)
PLAN_1 = """# Plan
1. Wrap `upload()` in a loop of five tries.
2. Sleep one second between tries.
"""
PLAN_2 = """# Plan
1. Wrap `upload()` in a loop of five tries, only for status 429 and 5xx.
2. Sleep 1, 2, 4, 8 seconds between tries, with jitter.
3. Test: a server that fails twice, then answers.
"""
DIFF = """--- a/uploader.py
+++ b/uploader.py
@@ -1,3 +1,7 @@
 import time
 def upload(client, body):
-    return client.put("/files", body)
+    for wait in (1, 2, 4, 8):
+        answer = client.put("/files", body)
+        if answer.status not in (429, 500, 502, 503):
+            return answer
+        time.sleep(wait)
+    return answer
"""


def ago(minutes: float = 0, seconds: float = 0) -> datetime:
    return NOW - timedelta(minutes=minutes, seconds=seconds)


def make_run(
    number: int,
    title: str,
    state: TaskState = TaskState.IN_PROGRESS,
    *,
    cursor: int = 0,
    minutes: float = 12,
    blocked: Blocked | None = None,
    reason: str = "",
) -> Run:
    ended = ago(1) if state.terminal or state is TaskState.FAILED else None
    return Run(
        run_id=RunId(f"run-{number:04d}"),
        trace_id=f"trace-{number:04d}",
        request=Request(text=title, user="mara"),
        project="/home/mara/uploader",
        workflow="change",
        recipe="5f" * 32,
        steps=STEPS,
        state=state,
        current_step=STEPS[cursor].name if cursor < len(STEPS) else "",
        blocked=blocked,
        reason=reason,
        base_commit="a1b2c3d4" * 5,
        created_at=ago(minutes),
        updated_at=ago(1),
        ended_at=ended,
    )


def make_session(
    run: Run, step: str, state: SessionState = SessionState.WORKING, agent: str = "codex"
) -> Session:
    return Session(
        session_id=SessionId(f"s-{run.run_id[4:]}-{step}"),
        run_id=run.run_id,
        step=step,
        agent=agent,
        driver="scripted",
        workspace=f"/home/mara/.local/state/longwatch/worktrees/{run.run_id}/{step}",
        git_branch=f"longwatch/{run.run_id}/{step}",
        native_id=f"thread-{run.run_id}",
        state=state,
        turn=1,
        turn_open=state in (SessionState.WORKING, SessionState.WAITING),
        usage=Usage(input_tokens=8_200, output_tokens=1_450, total_tokens=9_650),
        opened_at=ago(11),
    )


def make_attempt(
    step: str,
    number: int = 1,
    state: AttemptState = AttemptState.OPEN,
    *,
    cause: Cause = Cause.FIRST,
    output: str | None = None,
    gates: tuple[GateResult, ...] = (),
    failure: Failure | None = None,
    session: Session | None = None,
    minutes: float = 9,
) -> Attempt:
    return Attempt(
        step=step,
        attempt=number,
        cause=cause,
        state=state,
        session_id=session.session_id if session else None,
        turn=number if session else None,
        output=output,
        gates=gates,
        failure=failure,
        started_at=ago(minutes),
        ended_at=None if state is AttemptState.OPEN else ago(minutes - 2),
    )


def make_gate(passed: bool, log: str) -> GateResult:
    return GateResult(
        gate="tests",
        passed=passed,
        exit_code=0 if passed else 1,
        log=log,
        log_sha256="ab" * 32,
        log_bytes=len(log),
        started_at=ago(5),
        ended_at=ago(4, 48),
    )


def make_state(
    run: Run,
    *,
    sessions: Sequence[Session] = (),
    attempts: Sequence[Attempt] = (),
    approvals: Sequence[Approval] = (),
    reviews: Sequence[Review] = (),
) -> RunState:
    return RunState(
        run=run,
        sessions=Sessions((s.session_id, s) for s in sessions),
        attempts=Attempts((a.key, a) for a in attempts),
        approvals=PersistentMap((a.approval_id, a) for a in approvals),
        reviews=PersistentMap((r.review_id, r) for r in reviews),
        seq=10,
    )


def make_approval(
    run: Run,
    call: ToolCall,
    risk: Risk = Risk.HIGH,
    *,
    reasons: tuple[str, ...] = ("rewrites published history",),
    state: ApprovalState = ApprovalState.PENDING,
    number: int = 1,
    revision: int = 1,
    minutes: float = 3,
) -> Approval:
    return Approval(
        approval_id=ApprovalId(f"ap-{run.run_id[4:]}-{number}"),
        revision=revision,
        run_id=run.run_id,
        session_id=SessionId(f"s-{run.run_id[4:]}-implement"),
        step="implement",
        attempt=1,
        turn=1,
        agent="codex",
        call=call,
        risk=risk,
        risk_reasons=reasons,
        rule="ask about every shell command of high risk",
        offered=("accept", "acceptForSession", "decline", "cancel"),
        state=state,
        epoch=1,
        requested_at=ago(minutes),
    )


FORCE_PUSH = ToolCall(
    call_id="call-7",
    tool="shell",
    kind=ToolKind.SHELL,
    title="git push --force origin main",
    command="git push --force origin main",
    cwd="/home/mara/uploader",
    reason="The branch was rebased, a plain push is refused.",
)
EDIT = ToolCall(
    call_id="call-8",
    tool="apply_patch",
    kind=ToolKind.EDIT,
    title="change uploader.py",
    cwd="/home/mara/uploader",
    changes=(FileChange(path="uploader.py", change="update", diff=DIFF),),
)
REMOVE = ToolCall(
    call_id="call-9",
    tool="shell",
    kind=ToolKind.SHELL,
    title="rm -rf build dist",
    command="rm -rf build dist",
    cwd="/home/mara/uploader",
)


def make_chunks(session: Session, texts: Iterable[tuple[ChunkKind, str]]) -> list[Chunk]:
    """Finished items of a transcript, in order."""
    return [
        Chunk(
            session_id=session.session_id,
            ordinal=i,
            kind=kind,
            item_id=f"i{i}",
            text=text,
            end=True,
            at=ago(8),
        )
        for i, (kind, text) in enumerate(texts, start=1)
    ]


def make_status(problem: str = "", budgets: tuple[DayBudget, ...] = ()) -> Status:
    return Status(
        epoch=1,
        pid=4242,
        host="tower",
        store="/home/mara/.local/state/longwatch",
        version="0.1.0",
        sqlite="3.51.3",
        started_at=ago(90),
        seq=120,
        problem=problem,
        budgets=budgets,
    )


RECIPE = Recipe(
    workflow=Workflow.model_validate(
        {
            "name": "change",
            "step": [
                AgentStep(name="plan", agent="codex", prompt="{{ request }}"),
                ReviewStep(
                    kind="review",
                    name="plan-review",
                    of="plan",
                    by=("critic", "operator"),
                    return_to="plan",
                ),
                AgentStep(name="implement", agent="codex", prompt="{{ outputs.plan }}"),
            ],
        }
    ),
    agents=(
        AgentConfig(name="codex", driver="codex"),
        AgentConfig(name="critic", driver="codex", sandbox="read-only"),
    ),
)
