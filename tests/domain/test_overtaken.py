"""What comes too late: each kind of event against each state that it no longer fits."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from msgspec.structs import replace

from app.domain import events as ev
from app.domain.attempts import Attempts
from app.domain.base import SessionId
from app.domain.overtaken import Overtaken, check_current
from app.domain.run import Attempt, AttemptState, Failure, FailureKind, RunState, Steps, StepState
from app.domain.run import StepProgress as Progress
from app.domain.task_state import TaskState
from tests.support.story import ADA, ENGINE, START, a_run

KEY: dict[str, Any] = {"step": "plan", "attempt": 1}
OUTPUT = ev.OutputProduced(**KEY, output="done")
FAILED = ev.AttemptFailed(**KEY, failure=Failure(kind=FailureKind.OTHER, message="no"))
ATTEMPT = Attempt(step="plan", attempt=1, started_at=START)
STARTED = ev.AttemptStarted(attempt=ATTEMPT)
TURN = ev.TurnStarted(**KEY, session_id=SessionId("s-1"), turn=1, prompt="go")
DONE = ev.RunStateChanged(state=TaskState.DONE, by=ENGINE)
RETRIED = ev.RunStateChanged(state=TaskState.IN_PROGRESS, by=ADA)
FINISHED = ev.StepFinished(step="plan", attempt=1)
ENDED = ev.TurnEnded(session_id=SessionId("s-1"), turn=1, status="completed")


def _state(
    run: TaskState = TaskState.IN_PROGRESS,
    attempt: AttemptState | None = AttemptState.OPEN,
    finished: bool = False,
) -> RunState:
    made = replace(ATTEMPT, state=attempt)
    progress = Progress(step="plan", state=StepState.DONE)
    return RunState(
        run=a_run().model_copy(update={"state": run}),
        attempts=Attempts({made.key: made} if attempt is not None else {}),
        steps=Steps({"plan": progress} if finished else {}),
    )


@pytest.mark.parametrize(
    ("state", "payload"),
    [
        (_state(), OUTPUT),
        (_state(), FAILED),
        (_state(), TURN),
        (_state(attempt=None), STARTED),
        (_state(attempt=AttemptState.PRODUCED), FINISHED),
        (_state(), DONE),
        (_state(TaskState.BLOCKED), OUTPUT),  # a result that was on its way is not thrown away
        (_state(TaskState.BLOCKED), RETRIED),
        (_state(TaskState.CANCELED), ENDED),
    ],
)
def test_what_is_the_case_is_recorded(state: RunState, payload: ev.Payload) -> None:
    before = deepcopy(state)
    check_current(state, (payload,))
    assert state == before


@pytest.mark.parametrize(
    ("state", "payload", "why"),
    [
        (_state(TaskState.CANCELED), OUTPUT, "the run is canceled"),
        (_state(TaskState.CANCELED), DONE, "the run is canceled"),
        (_state(TaskState.CANCELED, None), STARTED, "the run is canceled"),
        (_state(TaskState.BLOCKED, None), STARTED, "the run is blocked"),
        (_state(TaskState.BLOCKED), TURN, "the run is blocked"),
        (_state(TaskState.BLOCKED), DONE, "the run is blocked"),
        (_state(attempt=AttemptState.STALE), OUTPUT, "plan//0/1 is stale"),
        (_state(attempt=AttemptState.CANCELED), FAILED, "plan//0/1 is canceled"),
        (_state(attempt=AttemptState.PRODUCED), OUTPUT, "plan//0/1 is produced"),
        (_state(attempt=None), OUTPUT, "plan//0/1 was never started"),
        (_state(), STARTED, "plan//0/1 was started before"),
        (_state(attempt=None, finished=True), STARTED, "its step is finished"),
        (_state(attempt=AttemptState.PRODUCED, finished=True), FINISHED, "finished already"),
        (_state(attempt=AttemptState.STALE), FINISHED, "plan//0/1 is stale"),
    ],
)
def test_what_was_overtaken_is_refused(state: RunState, payload: ev.Payload, why: str) -> None:
    with pytest.raises(Overtaken, match=why):
        check_current(state, (payload,))


def test_an_attempt_may_end_in_the_commit_in_which_it_starts() -> None:
    with pytest.raises(Overtaken, match="never started"):
        check_current(_state(attempt=None), (FAILED,))
    check_current(_state(attempt=None), (STARTED, FAILED))
