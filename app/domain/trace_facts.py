"""What one fact of a trace is: its category, its outcome token, its step and its detail."""

from enum import StrEnum

from app.domain.base import ReviewId
from app.domain.run import Review, RunState


class TraceCategory(StrEnum):
    """What kind of fact an entry is."""

    DECISION = "decision"  # what happens next, by whoever decides it
    DISPATCH = "dispatch"  # something handed to an agent, and the session that carries it
    EXECUTION = "execution"  # how work ended
    REVIEW = "review"  # the judgement of an artefact


DECISION, DISPATCH = TraceCategory.DECISION, TraceCategory.DISPATCH
EXECUTION, REVIEW = TraceCategory.EXECUTION, TraceCategory.REVIEW
Fact = tuple[TraceCategory, str, str, str]  # category, outcome, step, detail


def review_of(key: str, before: RunState) -> Review:
    """Raises KeyError for a review that the run does not have."""
    return before.reviews[ReviewId(key)]


def joined(what: str, more: str) -> str:
    """A detail and what else is said of it, if anything."""
    return f"{what}: {more}" if more else what
