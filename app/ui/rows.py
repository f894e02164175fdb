"""What a run looks like in one row: state as glyph and word, step, attempt, time. No Textual."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.attention import AttentionItem, AttentionKind
from app.domain.base import RunId
from app.domain.run import RunState
from app.domain.task_state import TaskState
from app.domain.text import one_line
from app.ui.marks import HELD, NEEDS, PAUSED, STATES, Mark

TITLE_CHARS = 200
_SHADOW = "◐ shadow: "


@dataclass(frozen=True, slots=True)
class RunRow:
    """One line of the list of runs."""

    run_id: RunId
    mark: Mark
    title: str
    step: str
    attempt: str
    elapsed: str


def run_row(state: RunState, needs: Iterable[AttentionItem], now: datetime) -> RunRow:
    """`needs` is what of this run waits for a person, most urgent first."""
    run = state.run
    return RunRow(
        run_id=run.run_id,
        mark=mark_of(state, needs),
        title=one_line(
            f"{_SHADOW}{run.request.title}" if run.shadow else run.request.title, TITLE_CHARS
        ),
        step=one_line(run.current_step, 64),
        attempt=_attempt(state),
        elapsed=duration((run.ended_at or now) - run.created_at),
    )


def mark_of(state: RunState, needs: Iterable[AttentionItem]) -> Mark:
    """What a run needs comes before what it does; something snoozed is not needed now."""
    going = not state.run.state.resumable
    for item in needs:
        if item.snoozed:
            continue
        if item.kind is not AttentionKind.BLOCKED:
            return NEEDS[item.kind]
        if going:
            return HELD
    return PAUSED if is_paused(state) else STATES[state.run.state]


def named_by(needs: Iterable[AttentionItem]) -> list[AttentionItem]:
    """What of a run's needs its row names: the first, or nothing."""
    return [item for item in needs if not item.snoozed][:1]


def is_paused(state: RunState) -> bool:
    """Whether somebody has paused the run: it stands still, and nothing is wrong."""
    blocked = state.run.blocked
    return state.run.state is TaskState.BLOCKED and blocked is not None and blocked.kind == "paused"


def _attempt(state: RunState) -> str:
    step = state.run.current_step
    reviews = sum(review.step == step for review in state.reviews.values())
    latest = state.latest(step)
    number = reviews or (latest.attempt if latest else 0)
    return str(number) if number else ""


def duration(span: timedelta) -> str:
    """At most five characters, to the minute: `<1m`, `12m`, `3h05`, `2d04h`."""
    minutes = max(0, int(span.total_seconds() // 60))
    if minutes < 1:
        return "<1m"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes}m"
    days, hours = divmod(hours, 24)
    if not days:
        return f"{hours}h{minutes:02d}"
    return f"{days}d{hours:02d}h" if days < 10 else f"{days}d"


def explain(state: RunState, needs: Iterable[AttentionItem], now: datetime) -> str:
    """One sentence about where a run stands, for the line under the list."""
    run = state.run
    for item in needs:
        if item.snoozed:
            continue
        match item.kind:
            case AttentionKind.APPROVAL:
                return f"asks to: {item.title}"
            case AttentionKind.UNCERTAIN:
                return f"nobody knows whether this was done: {item.title}"
            case AttentionKind.QUESTION:
                return f"asks you: {item.title}"
            case AttentionKind.REVIEW:
                return f"waits for your verdict on {item.title}"
            case AttentionKind.STUCK:
                return f"seems stuck (s speaks to it, K starts it anew): {item.title}"
            case AttentionKind.BLOCKED:
                return item.title or str(run.state)
    if is_paused(state):
        why = run.blocked.message if run.blocked else ""
        said = why if why.startswith("paused") else f"paused: {why}"
        return f"{said}, {duration(now - run.updated_at)} ago; u lets it go on"
    if run.state is TaskState.DONE:
        return "finished: every step passed"
    if run.state is TaskState.CANCELED:
        return f"canceled: {run.reason}" if run.reason else "canceled"
    if run.state is TaskState.PENDING:
        return "waits for its turn"
    step = run.current_step
    latest = state.latest(step)
    if latest is not None and latest.failure is not None and latest.retry_in is not None:
        return f"{step} waits {latest.retry_in:.0f} s to try again: {latest.failure.message}"
    sessions = [s for s in state.sessions.values() if s.step == step]
    if sessions:
        return f"{sessions[-1].agent} is {sessions[-1].state} on {step}"
    return f"works on {step}" if step else "at work"
