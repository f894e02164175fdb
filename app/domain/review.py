"""Reviews and questions: what somebody has to say about a run."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from app.domain.approval import Actor
from app.domain.attempt import (
    Unit,
)
from app.domain.base import Model, QuestionId, ReviewId, RunId


class Verdict(Model):
    """One reviewer's answer. `unparsable` never approves: it calls the operator."""

    by: Actor
    decision: Literal["approve", "reject", "unparsable"]
    reasons: tuple[str, ...] = ()
    at: datetime


class ReviewState(StrEnum):
    """How a review stands. Only an open one takes verdicts."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"  # what it judges is made again


class Review(Model):
    """The judgement of one artefact: attempt `of_attempt` of step `of`.

    With `gate` it is not a review step's but a gate of `step` itself.
    """

    review_id: ReviewId
    revision: int = 1  # moves when a verdict arrives; an answer names the one it read
    run_id: RunId
    step: str
    round: int  # from 1: how often this review step has been reached
    of: str
    of_attempt: int
    of_branch: str = ""
    of_iteration: int = 0
    gate: str = ""
    by: tuple[str, ...]
    require: Literal["all", "any"] = "all"  # how many of them must approve
    verdicts: tuple[Verdict, ...] = ()
    escalated: str = ""  # why the operator must answer, when that was not planned
    at_limit: bool = False  # escalated because it has been sent back as often as it may be
    state: ReviewState = ReviewState.OPEN
    opened_at: datetime
    closed_at: datetime | None = None
    snoozed_until: datetime | None = None

    @property
    def unit(self) -> Unit:
        """Under which the attempts of its reviewing agents are kept."""
        if self.gate:
            return Unit(f"{self.step}.{self.gate}", self.of_branch, self.of_iteration)
        return Unit(self.step)


class QuestionState(StrEnum):
    """How a question stands. Only an open one takes an answer."""

    OPEN = "open"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"


class Question(Model):
    """Something only the operator can say; the answer is the step's result."""

    question_id: QuestionId
    revision: int = 1
    run_id: RunId
    step: str
    attempt: int
    text: str
    choices: tuple[str, ...] = ()  # empty: any text answers
    state: QuestionState = QuestionState.OPEN
    answer: str = ""
    by: Actor | None = None
    asked_at: datetime
    answered_at: datetime | None = None
    snoozed_until: datetime | None = None
