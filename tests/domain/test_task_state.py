"""The task state table, every cell of it."""

from __future__ import annotations

import pytest

from app.domain.errors import Refused
from app.domain.task_state import TaskState, check_transition

_TABLE = {
    "pending": "in_progress failed blocked canceled pending",
    "in_progress": "failed blocked done canceled in_progress",
    "failed": "in_progress blocked canceled failed",
    "blocked": "in_progress failed canceled blocked",
    "done": "done",
    "canceled": "canceled",
}


@pytest.mark.parametrize("before", list(TaskState))
@pytest.mark.parametrize("after", list(TaskState))
def test_every_transition_is_as_the_table_says(before: TaskState, after: TaskState) -> None:
    if after in _TABLE[before].split():
        check_transition(before, after)
        assert after is before or not before.terminal
    else:
        with pytest.raises(Refused, match=f"{before} -> {after}"):
            check_transition(before, after)


def test_a_terminal_state_says_so() -> None:
    with pytest.raises(Refused, match="terminal state"):
        check_transition(TaskState.DONE, TaskState.FAILED)


def test_only_failed_and_blocked_are_resumable() -> None:
    assert [s for s in TaskState if s.resumable] == [TaskState.FAILED, TaskState.BLOCKED]
    assert [s for s in TaskState if s.terminal] == [TaskState.DONE, TaskState.CANCELED]
