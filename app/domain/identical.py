"""Identical calls: the same thing, asked for by several sessions of one project."""

from __future__ import annotations

import hashlib

from app.domain.approval import Approval, ApprovalState
from app.domain.run import RunState


def likeness(state: RunState, approval: Approval) -> str:
    """Equal for pending approvals that one answer may answer, each by itself; empty for one that
    stands alone.

    The same call with the same risk, for the same reasons, in the same project; every session has
    a workspace of its own, which does not count. What several persons must allow, or a person
    has changed, stands alone.
    """
    session = state.sessions.get(approval.session_id)
    alone = approval.deciders > 1 or approval.original is not None
    if approval.state is not ApprovalState.PENDING or alone or session is None:
        return ""
    call = approval.call.model_copy(update={"call_id": "", "reason": None, "title": ""})
    said = call.model_dump_json()
    if session.workspace:
        said = said.replace(session.workspace, "<workspace>")
    parts = (state.run.project, said, approval.risk, *approval.risk_reasons, approval.rule)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
