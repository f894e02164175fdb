"""How states look: a glyph and a word for each, and the colour that helps. No Textual."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.attention import AttentionKind
from app.domain.run import AttemptState, Cause, ReviewState, StepState
from app.domain.task_state import TaskState


@dataclass(frozen=True, slots=True)
class Mark:
    """A state for the eye: a glyph and a word say it, `tone` names the colour that helps."""

    glyph: str
    word: str
    tone: str  # need, bad, live, calm or done


NEEDS = {
    AttentionKind.UNCERTAIN: Mark("?", "uncertain", "need"),
    AttentionKind.APPROVAL: Mark("!", "approval", "need"),
    AttentionKind.QUESTION: Mark("¿", "question", "need"),
    AttentionKind.REVIEW: Mark("◆", "review", "need"),
    AttentionKind.STUCK: Mark("◌", "stuck", "need"),
    AttentionKind.BLOCKED: Mark("■", "blocked", "bad"),
    AttentionKind.ROLLOUT: Mark("⇄", "rollout", "need"),
}
STATES = {
    TaskState.PENDING: Mark("○", "queued", "calm"),
    TaskState.IN_PROGRESS: Mark("●", "working", "live"),
    TaskState.FAILED: Mark("✗", "failed", "bad"),
    TaskState.BLOCKED: Mark("■", "blocked", "bad"),
    TaskState.DONE: Mark("✓", "done", "done"),
    TaskState.CANCELED: Mark("–", "canceled", "done"),
}
PAUSED = Mark("‖", "paused", "calm")
HELD = Mark("■", "held", "bad")  # a part of the run, while the rest goes on
ATTEMPTS = {
    AttemptState.OPEN: Mark("●", "at work", "live"),
    AttemptState.PRODUCED: Mark("◐", "in gates", "live"),
    AttemptState.PASSED: Mark("✓", "passed", "done"),
    AttemptState.REJECTED: Mark("↩", "sent back", "need"),
    AttemptState.FAILED: Mark("✗", "failed", "bad"),
    AttemptState.SKIPPED: Mark("»", "skipped", "calm"),
    AttemptState.STALE: Mark("~", "stale", "calm"),
    AttemptState.CANCELED: Mark("–", "canceled", "calm"),
}
REVIEWS = {
    ReviewState.OPEN: Mark("●", "at work", "live"),
    ReviewState.APPROVED: Mark("✓", "accepted", "done"),
    ReviewState.REJECTED: Mark("↩", "sent back", "need"),
    ReviewState.WITHDRAWN: Mark("–", "withdrawn", "calm"),
}
STEPS = {
    StepState.OPEN: Mark("●", "at work", "live"),
    StepState.DONE: Mark("✓", "passed", "done"),
    StepState.SKIPPED: Mark("»", "skipped", "calm"),
    StepState.CANCELED: Mark("–", "canceled", "calm"),
}
AGAIN = Mark("↻", "waits", "live")  # for the time after which it is tried again
TO_DO = Mark("○", "to do", "calm")
STOPPED = Mark("■", "stopped", "bad")
MORE = Mark("…", "", "calm")
CAUSES = {
    Cause.FIRST: "",
    Cause.REJECTED: "after a reject",
    Cause.GATE: "after a gate",
    Cause.RETRY: "retried",
}
