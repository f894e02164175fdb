"""What becomes of the tool calls of a turn that is over, or was cut off."""

from __future__ import annotations

from app.agents.protocol import SettledCall
from app.domain import events as ev
from app.domain.approval import Approval, ApprovalState, Settlement
from app.domain.base import SessionId
from app.domain.request import Risk
from app.domain.run import RunState
from app.domain.toolcall import ToolOutcome


def settled_calls(state: RunState, session_id: SessionId, turn: int) -> tuple[SettledCall, ...]:
    """What is known of the tool calls that a turn made before it was cut off."""
    found = []
    for approval in state.approvals.values():
        if approval.session_id != session_id or approval.turn != turn:
            continue
        summary = approval.outcome.summary if approval.outcome else ""
        if approval.state in (ApprovalState.EXECUTED, ApprovalState.FAILED):
            found.append(SettledCall(approval.call, "done", summary))
        elif approval.settlement is Settlement.TREAT_AS_DONE:
            found.append(SettledCall(approval.call, "done", "the operator says it was done"))
        elif approval.settlement is Settlement.RUN_AGAIN:
            found.append(SettledCall(approval.call, "run_again"))
        elif approval.state.refused and approval.told:
            # One that the operator gave while no agent was there is still to be told.
            reason = approval.decision.reason if approval.decision else ""
            found.append(SettledCall(approval.call, "denied", reason))
    return tuple(found)


def end_approval(approval: Approval, *, lost: bool) -> list[ev.Payload]:
    """What becomes of an approval that is still open when its turn ends."""
    if approval.state is ApprovalState.PERMITTED:
        if lost:
            return lost_call(approval, "its agent was lost before it reported an outcome")
        summary = "the agent ended its turn without reporting an outcome"
        outcome = ToolOutcome(ok=True, summary=summary)
        return [ev.ApprovalOutcome(approval_id=approval.approval_id, outcome=outcome)]
    if approval.state in (ApprovalState.PENDING, ApprovalState.APPROVED) and not lost:
        why = "the agent ended its turn without waiting for the answer"
        return [ev.ApprovalWithdrawn(approval_id=approval.approval_id, why=why)]
    return []


def lost_call(approval: Approval, why: str) -> list[ev.Payload]:
    """A permitted call whose outcome nobody knows: a question, unless it only reads."""
    if approval.risk is Risk.LOW:
        gone = "its outcome is unknown; reading is simply done again"
        return [ev.ApprovalWithdrawn(approval_id=approval.approval_id, why=gone)]
    return [ev.ApprovalUncertain(approval_id=approval.approval_id, why=why)]


def lost_calls(state: RunState, why: str, session_id: SessionId | None = None) -> list[ev.Payload]:
    """The same for all permitted calls of a session, or of the whole run."""
    return [
        payload
        for approval in state.approvals.values()
        if approval.state is ApprovalState.PERMITTED and session_id in (None, approval.session_id)
        for payload in lost_call(approval, why)
    ]
