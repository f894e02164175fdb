"""The facts of what was asked of persons and reviewers, and of what they answered."""

from app.domain import events as ev
from app.domain.approval import Action, ActorKind, Approval, Decision
from app.domain.base import ApprovalId
from app.domain.events import Payload
from app.domain.run import Review, RunState
from app.domain.trace_facts import DECISION, DISPATCH, EXECUTION, REVIEW, Fact, joined, review_of


def of_approval(payload: Payload, before: RunState) -> Fact | None:
    """A tool call: asked about, decided, told, made."""
    match payload:
        case ev.ApprovalRequested(approval=approval):
            outcome, category = "approval_requested", DECISION
            why = f"{approval.risk} risk, {approval.agent}"
        case ev.ApprovalRebound():
            outcome, category, why = "approval_requested_again", DECISION, ""
        case ev.ApprovalSupported(by=by):
            outcome, category, why = "approval_supported", DECISION, str(by)
        case ev.ApprovalEdited(by=by, risk=risk):
            outcome, category, why = "approval_edited", DECISION, f"{by}, {risk} risk"
        case ev.ApprovalDecided(decision=decision):
            outcome, category = _decided(decision), DECISION
            why = joined(str(decision.by), decision.reason)
        case ev.ApprovalTold():
            outcome, category, why = "approval_told", DISPATCH, ""
        case ev.ApprovalOutcome(outcome=result):
            outcome = "approval_executed" if result.ok else "approval_failed"
            code = f"exit code {result.exit_code}" if result.exit_code is not None else ""
            category, why = EXECUTION, code
        case ev.ApprovalUncertain(why=why):
            outcome, category = "approval_uncertain", EXECUTION
        case ev.ApprovalSettled(settlement=settlement, by=by, reason=reason):
            outcome, category = "approval_settled", DECISION
            why = joined(f"{settlement} by {by}", reason)
        case ev.ApprovalWithdrawn(why=why):
            outcome, category = "approval_withdrawn", DECISION
        case _:
            return None
    asked = _approval(payload, before)
    return category, outcome, asked.step, joined(asked.call.title, why)


def _approval(payload: Payload, before: RunState) -> Approval:
    if isinstance(payload, ev.ApprovalRequested):
        return payload.approval
    return before.approvals[getattr(payload, "approval_id", ApprovalId(""))]


def _decided(decision: Decision) -> str:
    if decision.by.kind is ActorKind.TIMEOUT:
        return "approval_timed_out"
    return "approval_denied" if decision.action is Action.DENY else "approval_allowed"


def of_review(payload: Payload, before: RunState) -> Fact | None:
    """A review: opened, judged, closed."""
    match payload:
        case ev.ReviewOpened(review=review):
            what = f"{review.of}, version {review.of_attempt}, by {', '.join(review.by)}"
            return REVIEW, "review_opened", review.step, what
        case ev.VerdictGiven(review_id=key, verdict=verdict):
            what = joined(str(verdict.by), "; ".join(verdict.reasons))
            return REVIEW, f"verdict_{verdict.decision}", review_of(key, before).step, what
        case ev.ReviewEscalated(review_id=key, why=why):
            return REVIEW, _escalated(review_of(key, before)), review_of(key, before).step, why
        case ev.ReviewClosed(review_id=key, approved=approved, reasons=reasons):
            outcome = "approved" if approved else "rejected"
            return REVIEW, outcome, review_of(key, before).step, "; ".join(reasons)
    return None


def _escalated(review: Review) -> str:
    """After a reject the limit of returns is used up, which is `failed`; else nobody could read
    the verdict."""
    rejected = bool(review.verdicts) and review.verdicts[-1].decision == "reject"
    return "failed" if rejected else "escalated"
