"""The task state machine, OpenFang's: which run state may follow which."""

from __future__ import annotations

from enum import StrEnum

from app.domain.errors import Refused


class TaskState(StrEnum):
    """State of a run. Only done and canceled are terminal; failed and blocked are resumable."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    FAILED = "failed"
    BLOCKED = "blocked"
    DONE = "done"
    CANCELED = "canceled"

    @property
    def terminal(self) -> bool:
        return self in (TaskState.DONE, TaskState.CANCELED)

    @property
    def resumable(self) -> bool:
        return self in (TaskState.FAILED, TaskState.BLOCKED)


_S = TaskState
_ALLOWED: dict[TaskState, frozenset[TaskState]] = {
    _S.PENDING: frozenset({_S.IN_PROGRESS, _S.FAILED, _S.BLOCKED, _S.CANCELED}),
    _S.IN_PROGRESS: frozenset({_S.FAILED, _S.BLOCKED, _S.DONE, _S.CANCELED}),
    _S.FAILED: frozenset({_S.IN_PROGRESS, _S.BLOCKED, _S.CANCELED}),
    _S.BLOCKED: frozenset({_S.IN_PROGRESS, _S.FAILED, _S.CANCELED}),
    _S.DONE: frozenset(),
    _S.CANCELED: frozenset(),
}


def check_transition(before: TaskState, after: TaskState) -> None:
    """Allow `before` -> `after` or raise Refused; a self transition is always accepted."""
    if before is after or after in _ALLOWED[before]:
        return
    if before.terminal:
        raise Refused(f"invalid state transition: {before} -> {after} (a terminal state)")
    raise Refused(f"invalid state transition: {before} -> {after}")
