"""A run as a list: every step with its attempts and review rounds, in the workflow's order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from app.domain.attention import attention, waits_for_operator
from app.domain.run import Attempt, AttemptState, Cause, Review, ReviewState, RunState
from app.domain.text import one_line
from app.ui.rows import Mark, duration, mark_of
from app.ui.widgets.panes import tokens
from app.ui.widgets.queue import Pick

WHOLE = "run"  # the row that stands for all of the run
ATTEMPTS = {
    AttemptState.OPEN: Mark("●", "at work", "live"),
    AttemptState.PRODUCED: Mark("◐", "in gates", "live"),
    AttemptState.PASSED: Mark("✓", "passed", "done"),
    AttemptState.REJECTED: Mark("↩", "sent back", "need"),
    AttemptState.FAILED: Mark("✗", "failed", "bad"),
}
REVIEWS = {
    ReviewState.OPEN: Mark("●", "at work", "live"),
    ReviewState.APPROVED: Mark("✓", "accepted", "done"),
    ReviewState.REJECTED: Mark("↩", "sent back", "need"),
}
WAITS = Mark("◆", "waits", "need")
TO_DO = Mark("○", "to do", "calm")
STOPPED = Mark("■", "stopped", "bad")
CAUSES = {
    Cause.FIRST: "",
    Cause.REJECTED: "after a reject",
    Cause.GATE: "after a gate",
    Cause.RETRY: "retried",
}


def step_picks(state: RunState, now: datetime) -> list[Pick]:
    """The whole run first, then each step: its attempts and rounds, or that it is to do."""
    found = [
        Pick(
            WHOLE,
            mark_of(state, attention(state, now)),
            "whole run",
            duration((state.run.ended_at or now) - state.run.created_at),
        )
    ]
    for step in state.run.steps:
        picks = list(_of_step(state, step.name, now))
        to_do = Pick(f"step:{step.name}", TO_DO, one_line(step.name, 64), quiet=True)
        found += picks or [to_do]
    return found


def _of_step(state: RunState, step: str, now: datetime) -> Iterator[Pick]:
    rows: list[tuple[datetime, Pick]] = []
    attempts = [a for a in state.attempts.values() if a.step == step]
    for attempt in attempts:
        last = attempt is attempts[-1]
        rows.append((attempt.started_at, _attempt(state, attempt, last, now)))
    for review in state.reviews.values():
        if review.step == step:
            rows.append((review.opened_at, _review(state, review, now)))
    yield from (pick for _, pick in sorted(rows, key=lambda r: r[0]))


def _attempt(state: RunState, attempt: Attempt, last: bool, now: datetime) -> Pick:
    session = state.sessions.get(attempt.session_id) if attempt.session_id else None
    used = session.usage.total_tokens if session and last else 0
    took = seconds((attempt.ended_at or now) - attempt.started_at)
    mark = ATTEMPTS[attempt.state]
    if mark.tone == "live" and state.run.state.resumable:
        mark = STOPPED
    elif _asks(state, attempt):
        mark = WAITS
    words = [f"{attempt.step} {attempt.attempt}", CAUSES[attempt.cause]]
    if session is not None and any(r.step == attempt.step for r in state.reviews.values()):
        words.append(f"answer of {session.agent}")
    failed = [gate.gate for gate in attempt.gates if not gate.passed]
    words.append(f"gate {failed[-1]} failed" if failed else "")
    return Pick(
        attempt.key,
        mark,
        one_line(" · ".join(word for word in words if word), 200),
        f"{tokens(used)} tok  {took:>4}" if used else took,
    )


def _asks(state: RunState, attempt: Attempt) -> bool:
    """Whether the attempt waits for an answer of the operator."""
    return not state.run.state.terminal and any(
        approval.state.needs_person
        for approval in state.approvals.values()
        if (approval.step, approval.attempt) == (attempt.step, attempt.attempt)
    )


def _review(state: RunState, review: Review, now: datetime) -> Pick:
    waits = waits_for_operator(state, review.review_id)
    took = seconds((review.closed_at or now) - review.opened_at)
    text = f"{review.step} {review.round} · of {review.of} {review.of_attempt}"
    text += " · escalated" if review.escalated else ""
    mark = WAITS if waits else REVIEWS[review.state]
    return Pick(review.review_id, mark, one_line(text, 200), took)


def seconds(span: timedelta) -> str:
    """At most four or five characters, to the second while that matters: `48s`, `12m`, `3h05`."""
    whole = max(0, int(span.total_seconds()))
    return f"{whole}s" if whole < 100 else duration(span)


def current(state: RunState) -> str:
    """The row to begin with: what happens or happened last."""
    step = state.run.current_step
    rows = list(_of_step(state, step, state.run.updated_at)) if step else []
    if rows:
        return rows[-1].item_id
    return WHOLE


def telling(state: RunState, item_id: str) -> str:
    """The part that tells most about a row: what failed, what is said now, or what came out."""
    attempt = state.attempts.get(item_id)
    if attempt is None:
        return "output"
    if any(not gate.passed for gate in attempt.gates):
        return "gates"
    return "log" if attempt.state is AttemptState.OPEN and attempt.session_id else "output"


def attempt_of(state: RunState, item_id: str) -> Attempt | None:
    """The attempt that a row is about; for a review, the attempt that it judges."""
    if item_id in state.attempts:
        return state.attempts[item_id]
    review = review_of(state, item_id)
    if review is None:
        return None
    for attempt in state.attempts.values():
        if (attempt.step, attempt.attempt) == (review.of, review.of_attempt):
            return attempt
    return None


def review_of(state: RunState, item_id: str) -> Review | None:
    return next((r for r in state.reviews.values() if r.review_id == item_id), None)
