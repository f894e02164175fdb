"""Events about what somebody is asked: approvals, reviews, questions."""

from datetime import datetime
from typing import Literal

from app.domain.approval import Actor, Approval, Decision, Settlement
from app.domain.base import (
    ApprovalId,
    Model,
    QuestionId,
    ReviewId,
)
from app.domain.request import Risk
from app.domain.run import (
    Question,
    Review,
    Verdict,
)
from app.domain.toolcall import ToolCall, ToolOutcome


class ApprovalRequested(Model):
    type: Literal["approval_requested"] = "approval_requested"
    approval: Approval


class ApprovalRebound(Model):
    """A restarted agent asks the same question again, under a new id of its own."""

    type: Literal["approval_rebound"] = "approval_rebound"
    approval_id: ApprovalId
    call_id: str
    turn: int
    epoch: int


class ApprovalSupported(Model):
    """A person allows it, and another one must too before it is decided."""

    type: Literal["approval_supported"] = "approval_supported"
    approval_id: ApprovalId
    by: Actor


class ApprovalDecided(Model):
    """`told`: the agent is there and is told right after this commit."""

    type: Literal["approval_decided"] = "approval_decided"
    approval_id: ApprovalId
    decision: Decision
    told: bool


class ApprovalEdited(Model):
    """A person has changed what is asked, and not answered it yet: it is judged and read anew."""

    type: Literal["approval_edited"] = "approval_edited"
    approval_id: ApprovalId
    call: ToolCall
    text: str
    risk: Risk
    risk_reasons: tuple[str, ...] = ()
    deciders: int = 1
    by: Actor


class ApprovalTold(Model):
    """A decision that had waited for its agent is handed over right after this commit."""

    type: Literal["approval_told"] = "approval_told"
    approval_id: ApprovalId


class ApprovalOutcome(Model):
    type: Literal["approval_outcome"] = "approval_outcome"
    approval_id: ApprovalId
    outcome: ToolOutcome


class ApprovalUncertain(Model):
    type: Literal["approval_uncertain"] = "approval_uncertain"
    approval_id: ApprovalId
    why: str


class ApprovalSettled(Model):
    type: Literal["approval_settled"] = "approval_settled"
    approval_id: ApprovalId
    settlement: Settlement
    by: Actor
    reason: str = ""


class ApprovalWithdrawn(Model):
    type: Literal["approval_withdrawn"] = "approval_withdrawn"
    approval_id: ApprovalId
    why: str


class ReviewOpened(Model):
    type: Literal["review_opened"] = "review_opened"
    review: Review


class VerdictGiven(Model):
    type: Literal["verdict_given"] = "verdict_given"
    review_id: ReviewId
    verdict: Verdict
    attempt: int = 0  # of the review step, when an agent gave it


class ReviewEscalated(Model):
    type: Literal["review_escalated"] = "review_escalated"
    review_id: ReviewId
    why: str
    at_limit: bool = False


class ReviewClosed(Model):
    type: Literal["review_closed"] = "review_closed"
    review_id: ReviewId
    approved: bool
    reasons: tuple[str, ...] = ()


class QuestionAsked(Model):
    type: Literal["question_asked"] = "question_asked"
    question: Question


class QuestionAnswered(Model):
    """The answer is the step's result."""

    type: Literal["question_answered"] = "question_answered"
    question_id: QuestionId
    answer: str
    by: Actor


class Snoozed(Model):
    """ "Not now": an answer for the operator, not for the agent."""

    type: Literal["snoozed"] = "snoozed"
    item: Literal["approval", "review", "question"]
    item_id: str
    until: datetime | None
    by: Actor
