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
    """An agent wants to make a call. A rule's answer to it is in the same commit."""

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
    """How a permitted call ended, in its agent's words; where the agent told nothing until the end
    of its turn, it counts as done."""

    type: Literal["approval_outcome"] = "approval_outcome"
    approval_id: ApprovalId
    outcome: ToolOutcome


class ApprovalUncertain(Model):
    """Nobody knows whether a permitted call was made: a person says what becomes of it."""

    type: Literal["approval_uncertain"] = "approval_uncertain"
    approval_id: ApprovalId
    why: str


class ApprovalSettled(Model):
    """A person has said what becomes of an uncertain call. What an abort does to the run is an
    event of its own."""

    type: Literal["approval_settled"] = "approval_settled"
    approval_id: ApprovalId
    settlement: Settlement
    by: Actor
    reason: str = ""


class ApprovalWithdrawn(Model):
    """No answer is wanted any more: the agent waits no longer, or nobody needs its work; or a call
    that only reads was cut off, and is simply made again."""

    type: Literal["approval_withdrawn"] = "approval_withdrawn"
    approval_id: ApprovalId
    why: str


class ReviewOpened(Model):
    """An artefact is put before its reviewers."""

    type: Literal["review_opened"] = "review_opened"
    review: Review


class VerdictGiven(Model):
    """One reviewer's answer; an agent's attempt at the review passes by it."""

    type: Literal["verdict_given"] = "verdict_given"
    review_id: ReviewId
    verdict: Verdict
    attempt: int = 0  # of the review step, when an agent gave it


class ReviewEscalated(Model):
    """The operator must answer, though that was not planned; `at_limit` as in `Review`."""

    type: Literal["review_escalated"] = "review_escalated"
    review_id: ReviewId
    why: str
    at_limit: bool = False


class ReviewClosed(Model):
    """A review has its result. What follows from it (the step's end, the return, the gate's result)
    is in the same commit."""

    type: Literal["review_closed"] = "review_closed"
    review_id: ReviewId
    approved: bool
    reasons: tuple[str, ...] = ()


class QuestionAsked(Model):
    """A step has put its question to the operator, and waits for the answer."""

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
