"""Canned run states for every state a screen can meet."""

from __future__ import annotations

from msgspec.structs import replace

from app.domain.approval import (
    ApprovalState,
)
from app.domain.base import ReviewId
from app.domain.request import Risk
from app.domain.run import (
    AttemptState,
    Blocked,
    Cause,
    Failure,
    FailureKind,
    Review,
    ReviewState,
    Run,
    RunState,
    Verdict,
)
from app.domain.session import Chunk, ChunkKind, SessionState, Stuck, StuckKind
from app.domain.task_state import TaskState
from app.domain.toolcall import ToolCall
from tests.ui.parts import (
    CRITIC,
    EDIT,
    FORCE_PUSH,
    PLAN_1,
    PLAN_2,
    REMOVE,
    ago,
    make_approval,
    make_attempt,
    make_chunks,
    make_gate,
    make_run,
    make_session,
    make_state,
)


def pending_run(number: int = 1) -> RunState:
    """Created, nothing begun."""
    return make_state(make_run(number, "add a health check", TaskState.PENDING, minutes=0.2))


def running_run(number: int = 2, title: str = "add retry to the uploader") -> RunState:
    """At work in its first step."""
    run = make_run(number, title)
    session = make_session(run, "plan")
    return make_state(run, sessions=[session], attempts=[make_attempt("plan", session=session)])


def stuck_run(number: int = 11) -> RunState:
    """At work, and nothing has come from its agent for a quarter of an hour."""
    state = running_run(number, "move the queue to Postgres")
    (session,) = state.sessions.values()
    why = "no word for 15 min from: pytest -q tests"
    found = Stuck(kind=StuckKind.QUIET, why=why, since=ago(3))
    changed = replace(session, stuck=found)
    return replace(state, sessions=state.sessions.set(session.session_id, changed))


def _implementing(
    number: int, title: str, at_work: SessionState, call: ToolCall, **approval: object
) -> RunState:
    run = make_run(number, title, cursor=2)
    session = make_session(run, "implement", at_work)
    asked = make_approval(run, call).model_copy(update=approval)
    plan = make_attempt("plan", 1, AttemptState.PASSED, output=PLAN_2, minutes=11)
    return make_state(
        run,
        sessions=[make_session(run, "plan", SessionState.IDLE), session],
        attempts=[plan, make_attempt("implement", session=session, minutes=6)],
        approvals=[asked],
    )


def waiting_run(number: int = 3) -> RunState:
    """Its session waits for an approval of a risky shell command."""
    return _implementing(number, "publish the release", SessionState.WAITING, FORCE_PUSH)


def waiting_edit_run(number: int = 4) -> RunState:
    """Its session waits for an approval of a file change."""
    return _implementing(
        number,
        "retry uploads",
        SessionState.WAITING,
        EDIT,
        risk=Risk.MEDIUM,
        risk_reasons=("changes 1 file in the workspace",),
        requested_at=ago(2),
    )


def uncertain_run(number: int = 5) -> RunState:
    """A permitted tool call of which nobody knows whether it was carried out."""
    return _implementing(
        number,
        "clean the build folder",
        SessionState.LOST,
        REMOVE,
        state=ApprovalState.UNCERTAIN,
        permitted_at=ago(8),
        risk_reasons=("removes files recursively",),
    )


def review_run(number: int = 6, *, escalated: str = "") -> RunState:
    """The second plan waits for the operator; the first was rejected by an agent."""
    run = make_run(number, "add retry to the uploader", cursor=1)
    first = make_attempt("plan", 1, AttemptState.REJECTED, output=PLAN_1, minutes=11)
    second = make_attempt(
        "plan", 2, AttemptState.PASSED, cause=Cause.REJECTED, output=PLAN_2, minutes=8
    )
    rejected = Verdict(
        by=CRITIC,
        decision="reject",
        reasons=("Retries every error, also 404.", "No test is planned."),
        at=ago(9),
    )
    approved = Verdict(by=CRITIC, decision="approve", reasons=("Backs off, tested.",), at=ago(5))
    reviews = [
        _review(run, 1, 1, (rejected,), ReviewState.REJECTED),
        _review(run, 2, 2, (approved,), ReviewState.OPEN).model_copy(
            update={"escalated": escalated}
        ),
    ]
    sessions = [
        make_session(run, "plan", SessionState.IDLE),
        make_session(run, "plan-review", SessionState.IDLE, agent="critic"),
    ]
    state = make_state(run, sessions=sessions, attempts=[first, second], reviews=reviews)
    return replace(state, rejects={"plan-review": 1})


def _review(
    run: Run, number: int, of_attempt: int, verdicts: tuple[Verdict, ...], state: ReviewState
) -> Review:
    return Review(
        review_id=ReviewId(f"rv-{run.run_id[4:]}-{number}"),
        revision=1 + len(verdicts),
        run_id=run.run_id,
        step="plan-review",
        round=number,
        of="plan",
        of_attempt=of_attempt,
        by=("critic", "operator"),
        verdicts=verdicts,
        state=state,
        opened_at=ago(10 - 2 * number),
        closed_at=None if state is ReviewState.OPEN else ago(9),
    )


def blocked_run(number: int = 7) -> RunState:
    """Stands still: a gate failed as often as it may."""
    blocked = Blocked(
        kind="gate", message="gate tests of step implement failed 3 times", step="implement"
    )
    run = make_run(number, "port the parser", TaskState.BLOCKED, cursor=2, blocked=blocked)
    session = make_session(run, "implement", SessionState.IDLE)
    log = "E   assert parse('') == []\n1 failed, 41 passed in 0.52s\n"
    attempts = [
        make_attempt("plan", 1, AttemptState.PASSED, output=PLAN_2, minutes=11),
        make_attempt("implement", 1, AttemptState.REJECTED, gates=(make_gate(False, log),)),
        make_attempt(
            "implement",
            2,
            AttemptState.PRODUCED,
            cause=Cause.GATE,
            gates=(make_gate(False, log),),
            session=session,
            minutes=5,
        ),
    ]
    return make_state(run, sessions=[session], attempts=attempts)


def failed_run(number: int = 8) -> RunState:
    failure = Failure(
        kind=FailureKind.UNAUTHORIZED, message="codex is not logged in: run `codex login`"
    )
    run = make_run(number, "rename the flag", TaskState.FAILED, reason=failure.message)
    attempt = make_attempt("plan", 1, AttemptState.FAILED, failure=failure)
    return make_state(run, attempts=[attempt])


def done_run(number: int = 9, minutes: float = 40) -> RunState:
    run = make_run(number, "fix the typo in the README", TaskState.DONE, cursor=3, minutes=minutes)
    gates = (make_gate(True, "42 passed in 0.50s\n"),)
    session = make_session(run, "implement", SessionState.CLOSED)
    attempts = [
        make_attempt("plan", 1, AttemptState.PASSED, output=PLAN_2, minutes=30),
        make_attempt(
            "implement", 1, AttemptState.PASSED, output="done", gates=gates, session=session
        ),
    ]
    return make_state(run, sessions=[session], attempts=attempts)


def copied_run() -> RunState:
    """Of a plain folder, and done: its work waits to be taken over."""
    state = done_run()
    update = {"copied": True, "base_commit": "b" * 40, "head_commit": "c" * 40}
    return replace(state, run=state.run.model_copy(update=update))


def canceled_run(number: int = 10) -> RunState:
    return make_state(
        make_run(number, "upgrade everything", TaskState.CANCELED, cursor=1, reason="not today")
    )


def many_runs(count: int = 30) -> list[RunState]:
    """A busy night: every state, several times over."""
    makers = (running_run, waiting_run, review_run, blocked_run, done_run, canceled_run, failed_run)
    return [makers[i % len(makers)](100 + i) for i in range(count)]


STORY = (
    (ChunkKind.PROMPT, "Make a plan for: add retry to the uploader"),
    (ChunkKind.THOUGHT, "The uploader has one call site. Let me read it first."),
    (ChunkKind.TOOL, "shell: sed -n 1,40p uploader.py"),
    (ChunkKind.OUTPUT, 'def upload(client, body):\n    return client.put("/files", body)'),
    (
        ChunkKind.MESSAGE,
        "I will wrap upload() in a loop of five tries for status 429 and 5xx only, "
        "and wait 1, 2, 4 and 8 seconds in between.\n\nThen a test with a server that fails "
        "twice.",
    ),
    (ChunkKind.NOTICE, "gate tests failed: its output goes back to the agent"),
    (ChunkKind.ERROR, "stream ended early, trying again (1 of 3)"),
)


def story(state: RunState) -> list[Chunk]:
    """Something said in each session of a run."""
    return [c for session in state.sessions.values() for c in make_chunks(session, STORY)]
