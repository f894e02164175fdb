"""Attention: everything that waits for a person, derived from the runs' states."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from app.domain.approval import ApprovalState
from app.domain.base import Model, RunId
from app.domain.request import Risk
from app.domain.run import ReviewState, RunState
from app.domain.step import OPERATOR
from app.domain.task_state import TaskState


class AttentionKind(StrEnum):
    UNCERTAIN = "uncertain"
    APPROVAL = "approval"
    REVIEW = "review"
    BLOCKED = "blocked"


class AttentionItem(Model):
    """One thing that waits for a person. `item_id` names the approval, review or run."""

    kind: AttentionKind
    run_id: RunId
    item_id: str
    title: str
    risk: Risk | None = None
    since: datetime
    snoozed: bool = False


def waits_for_operator(state: RunState, review_id: str) -> bool:
    """Whether a review is now the operator's to answer: escalated, or agents before are done."""
    review = next(r for r in state.reviews.values() if r.review_id == review_id)
    if review.state is not ReviewState.OPEN or state.run.state.terminal:
        return False
    if review.escalated:
        return True
    if any(verdict.decision != "approve" for verdict in review.verdicts):
        return False  # it is about to be sent back or escalated
    given = len(review.verdicts)
    return given < len(review.by) and review.by[given] == OPERATOR


def attention(state: RunState, now: datetime) -> list[AttentionItem]:
    """What of this run waits for a person, most urgent first; snoozed items last."""
    run, found = state.run, list[AttentionItem]()
    if run.state.terminal:
        return found
    for approval in state.approvals.values():
        if not approval.state.needs_person:
            continue
        uncertain = approval.state is ApprovalState.UNCERTAIN
        found.append(
            AttentionItem(
                kind=AttentionKind.UNCERTAIN if uncertain else AttentionKind.APPROVAL,
                run_id=run.run_id,
                item_id=approval.approval_id,
                title=approval.call.title,
                risk=approval.risk,
                since=approval.requested_at,
                snoozed=approval.snoozed_until is not None and approval.snoozed_until > now,
            )
        )
    for review in state.reviews.values():
        if waits_for_operator(state, review.review_id):
            found.append(
                AttentionItem(
                    kind=AttentionKind.REVIEW,
                    run_id=run.run_id,
                    item_id=review.review_id,
                    title=f"{review.of}, version {review.of_attempt}"
                    + (f": {review.escalated}" if review.escalated else ""),
                    since=review.opened_at,
                    snoozed=review.snoozed_until is not None and review.snoozed_until > now,
                )
            )
    stuck = run.state in (TaskState.BLOCKED, TaskState.FAILED)
    if stuck and not any(i.kind is AttentionKind.REVIEW for i in found):
        found.append(
            AttentionItem(
                kind=AttentionKind.BLOCKED,
                run_id=run.run_id,
                item_id=run.run_id,
                title=run.blocked.message if run.blocked else run.reason,
                since=run.updated_at,
            )
        )
    return sorted(found, key=_urgency)


def _urgency(item: AttentionItem) -> tuple[bool, int, int, datetime]:
    kinds = list(AttentionKind)
    return (item.snoozed, kinds.index(item.kind), -(item.risk.rank if item.risk else 0), item.since)
