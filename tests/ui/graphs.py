"""Canned runs of workflows that are graphs: branches, loops, questions, sub-runs, pauses."""

from __future__ import annotations

import json

from msgspec.structs import replace

from app.domain import events as ev
from app.domain.approval import Actor, ActorKind
from app.domain.attempts import Attempts
from app.domain.base import QuestionId, RunId, SessionId
from app.domain.run import (
    Attempt,
    AttemptState,
    Blocked,
    BranchPlan,
    Failure,
    FailureKind,
    Question,
    Run,
    RunState,
    StepBrief,
    StepProgress,
    Steps,
    StepState,
)
from app.domain.session import SessionState
from app.domain.sessions import Sessions
from app.domain.task_state import TaskState
from tests.ui.parts import ago, make_attempt, make_gate, make_run, make_session, make_state

STEPS = (
    StepBrief(name="list", kind="agent"),
    StepBrief(name="audit", kind="fan_out"),
    StepBrief(name="report", kind="collect", needs=("audit",), of=("audit",)),
    StepBrief(name="polish", kind="agent"),
    StepBrief(name="publish", kind="workflow"),
    StepBrief(name="release", kind="question"),
)
ITEMS = ("uploader.py", "parser.py", "routes/session.py", "routes/files.py")
REPORT = "# Report\n\n- uploader.py: clean\n- parser.py: two unsafe reads, mended"


def graph_run(
    number: int, state: TaskState = TaskState.IN_PROGRESS, *, step: str, **changes: object
) -> Run:
    run = make_run(number, "audit what parses input", state)
    return run.model_copy(update={"steps": STEPS, "current_step": step, **changes})


def unit(
    step: str, number: int = 1, state: AttemptState = AttemptState.PASSED, **more: object
) -> Attempt:
    return replace(make_attempt(step, number, state), **more)


def done_step(step: str, state: StepState = StepState.DONE, reason: str = "") -> StepProgress:
    return StepProgress(step=step, state=state, reason=reason)


def with_steps(state: RunState, *progress: StepProgress) -> RunState:
    return replace(state, steps=Steps((p.step, p) for p in progress))


def listed() -> Attempt:
    return unit("list", output=json.dumps(ITEMS))


def plans(count: int = len(ITEMS)) -> tuple[BranchPlan, ...]:
    return tuple(
        BranchPlan(name=str(n), agent="codex", title=ITEMS[(n - 1) % len(ITEMS)], item='"x"')
        for n in range(1, count + 1)
    )


def branches_run(number: int = 20) -> RunState:
    """A fan-out: one branch done, one at work, one that needs a person, one not begun."""
    run = graph_run(number, step="audit")
    session = replace(make_session(run, "audit"), branch="2")
    message = "step audit/3: gate tests failed in attempt 2 after 1 return"
    blocked = Blocked(kind="gate", message=message, step="audit", branch="3")
    log = "E   assert parse('') == []\n1 failed, 41 passed in 0.52s\n"
    failed_gate = (make_gate(False, log),)
    attempts = [
        listed(),
        unit("audit", branch="1", output="uploader.py: clean", gates=(make_gate(True, "ok\n"),)),
        unit("audit", 1, AttemptState.OPEN, branch="2", session_id=session.session_id, turn=1),
        unit("audit", 1, AttemptState.REJECTED, branch="3", gates=failed_gate),
        unit("audit", 2, AttemptState.PRODUCED, branch="3", gates=failed_gate, blocked=blocked),
    ]
    state = make_state(run, sessions=[session], attempts=attempts)
    fan_out = StepProgress(step="audit", state=StepState.OPEN, branches=plans())
    return with_steps(state, done_step("list"), fan_out)


def many_branches_run(number: int = 21, count: int = 300) -> RunState:
    """A fan-out so wide that it cannot be shown branch by branch."""
    run = graph_run(number, step="audit")
    failure = Failure(kind=FailureKind.BAD_REQUEST, message="the file is not Python")
    blocked = Blocked(kind="agent_failure", message=failure.message, step="audit", branch="7")
    done = [unit("audit", branch=str(n), output=f"{n}: clean") for n in range(1, 121) if n != 7]
    failed = unit("audit", 1, AttemptState.FAILED, branch="7", failure=failure, blocked=blocked)
    at_work = [unit("audit", 1, AttemptState.OPEN, branch=str(n)) for n in range(121, 125)]
    state = make_state(run, attempts=[listed(), *done, failed, *at_work])
    fan_out = StepProgress(step="audit", state=StepState.OPEN, branches=plans(count))
    return with_steps(state, done_step("list"), fan_out)


def loop_run(number: int = 22) -> RunState:
    """Branches collected, one of them canceled; a loop in its third turn."""
    run = graph_run(number, step="polish")
    session = make_session(run, "polish")
    attempts = [
        listed(),
        *(unit("audit", branch=str(n), output="clean") for n in (1, 2, 3)),
        unit("audit", 1, AttemptState.CANCELED, branch="4"),
        unit("report", output=REPORT),
        unit("polish", iteration=1, output="not yet"),
        unit("polish", iteration=2, output="nearly"),
        unit("polish", 1, AttemptState.OPEN, iteration=3, session_id=session.session_id, turn=3),
    ]
    state = make_state(run, sessions=[session], attempts=attempts)
    fan_out = StepProgress(step="audit", state=StepState.DONE, branches=plans(), canceled=("4",))
    return with_steps(state, done_step("list"), fan_out, done_step("report"))


def long_loop_run(number: int = 28, turns: int = 400) -> RunState:
    """A loop that is at work on its last turn, with all those before it."""
    run = graph_run(number, step="polish")
    session = make_session(run, "polish")
    before = [unit("polish", iteration=n, output=f"turn {n}") for n in range(1, turns)]
    now = unit("polish", 1, AttemptState.OPEN, iteration=turns, session_id=session.session_id)
    state = make_state(run, sessions=[session], attempts=[listed(), *before, now])
    return with_steps(state, done_step("list"), done_step("audit"), done_step("report"))


def child_run(number: int = 23) -> tuple[RunState, RunState]:
    """A run whose step waits for a run of its own, and that run."""
    child_id = RunId(f"run-{number + 1:04d}")
    run = graph_run(number, step="publish")
    skipped = done_step("polish", StepState.SKIPPED, "its condition does not hold")
    attempts = [
        listed(),
        unit("audit", branch="1", output="clean"),
        unit("report", output=REPORT),
        unit("publish", 1, AttemptState.OPEN, child=child_id),
    ]
    fan_out = StepProgress(step="audit", state=StepState.DONE, branches=plans(1))
    parent = with_steps(
        make_state(run, attempts=attempts), done_step("list"), fan_out, done_step("report"), skipped
    )
    own = make_run(number + 1, "publish the report").model_copy(
        update={"parent": run.run_id, "parent_step": "publish", "workflow": "publishing"}
    )
    session = make_session(own, "plan")
    return parent, make_state(
        own, sessions=[session], attempts=[make_attempt("plan", session=session)]
    )


def question_run(number: int = 25, *, choices: tuple[str, ...] = ("yes", "no")) -> RunState:
    """Everything is made; the workflow asks whether to go on."""
    run = graph_run(number, step="release")
    text = "Release this report?\n\nIt goes to all 40 customers at once."
    question = Question(
        question_id=QuestionId(f"q-{number:04d}"),
        run_id=run.run_id,
        step="release",
        attempt=1,
        text=text if choices else "What is the release called?",
        choices=choices,
        asked_at=ago(4),
    )
    attempts = [
        listed(),
        unit("report", output=REPORT),
        unit("publish", output=REPORT, child=RunId("run-0099")),
        unit("release", 1, AttemptState.OPEN),
    ]
    state = make_state(run, attempts=attempts)
    state = replace(state, questions=state.questions.set(question.question_id, question))
    names = ("list", "audit", "report", "polish", "publish")
    return with_steps(state, *(done_step(name) for name in names))


def paused_run(number: int = 26) -> RunState:
    """Paused by a person in the middle of a fan-out."""
    state = branches_run(number)
    blocked = Blocked(kind="paused", message="paused by mara: lunch", step="audit")
    changes = {"state": TaskState.BLOCKED, "blocked": blocked, "reason": blocked.message}
    sessions = {
        key: replace(s, state=SessionState.LOST, turn_open=False)
        for key, s in state.sessions.items()
    }
    attempts = {
        key: replace(a, blocked=None, state=AttemptState.PASSED) if a.blocked else a
        for key, a in state.attempts.items()
    }
    run = state.run.model_copy(update=changes)
    parts = {"sessions": Sessions(sessions), "attempts": Attempts(attempts)}
    return replace(state, run=run, **parts)


def asked(state: RunState) -> list[ev.Payload]:
    """The beginning of the run, and a turn for each attempt that has begun one."""
    me = Actor(kind=ActorKind.PERSON, name="mara")
    started = ev.RunStateChanged(state=TaskState.IN_PROGRESS, reason="started", by=me)
    turns: list[ev.Payload] = [
        ev.TurnStarted(
            **attempt.unit._asdict(),
            attempt=attempt.attempt,
            session_id=SessionId("s"),
            turn=attempt.attempt,
            prompt=f"Audit this file and mend what is unsafe.\n\n# Your last attempt {attempt.key}",
        )
        for attempt in state.attempts.values()
    ]
    return [started, *turns]
