"""What an agent's unit does next, whoever it works for: its turn, which begins its first
attempt, or another attempt."""

from __future__ import annotations

from app.domain import directives as do
from app.domain.approval import ApprovalState
from app.domain.run import Attempt, AttemptState, Cause, RunState, Unit


def turn(unit: Unit, attempt: int, agent: str, state: RunState) -> do.RunTurn | do.Wait:
    """Prompt the agent, unless something it did must be settled first."""
    for approval in state.approvals.values():
        session = state.sessions.get(approval.session_id)
        own = session is not None and (session.step, session.branch) == (unit.step, unit.branch)
        if own and approval.state is ApprovalState.UNCERTAIN:
            return do.Wait(unit, "a tool call's outcome is uncertain")
    return do.RunTurn(unit, attempt, agent)


def next_attempt(previous: Attempt, *, otherwise: Cause) -> do.StartAttempt:
    """The one after an attempt that came to nothing or, for the cause `otherwise`, is not the
    last."""
    unit, number, wait = previous.unit, previous.attempt + 1, previous.retry_in
    if previous.state is not AttemptState.FAILED:
        return do.StartAttempt(unit, number, otherwise)
    if wait is None:
        return do.StartAttempt(unit, number, Cause.RETRY)
    return do.StartAttempt(unit, number, Cause.RETRY, previous.tries + 1, wait)
