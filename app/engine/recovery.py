"""Recovery: what a new supervisor makes of what the last one left."""

from __future__ import annotations

from app.domain import events as ev
from app.domain.run import RunState
from app.domain.session import SessionState
from app.engine.turn_end import lost_calls


def recover(state: RunState) -> list[ev.Payload]:
    """Events for one unfinished run: its agents are gone, and what they were doing is unknown.

    Pending approvals stay as they are: they are shown again, and the resumed agent's same
    question is joined to them.
    """
    found = lost_calls(state, "Longwatch stopped before the agent reported an outcome")
    for session in state.sessions.values():
        if session.state not in (SessionState.CLOSED, SessionState.LOST):
            why = "Longwatch was restarted"
            found.append(ev.SessionLost(session_id=session.session_id, why=why))
    return found
