"""A run as a list: every step with its attempts and review rounds, in the workflow's order."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from functools import partial

from app.domain.approval import Approval, ApprovalState
from app.domain.attention import AttentionKind, attention, waits_for_operator
from app.domain.base import ReviewId
from app.domain.flow import owner
from app.domain.run import Attempt, Question, QuestionState, Review, RunState, StepState
from app.domain.text import one_line
from app.domain.usage import count
from app.ui.branches import (
    INDENT,
    LIVE,
    MOST,
    OVER,
    URGENT,
    Part,
    branch_name,
    folded,
    not_begun,
    planned,
    step_id,
    summary,
)
from app.ui.marks import (
    AGAIN,
    ATTEMPTS,
    CAUSES,
    NEEDS,
    PAUSED,
    REVIEWS,
    STEPS,
    STOPPED,
    TO_DO,
    Mark,
)
from app.ui.rows import duration, is_paused, mark_of
from app.ui.widgets.queue import Pick

WHOLE = "run"  # the row that stands for all of the run
LONGEST_LOOP = 1_000  # turns that a workflow may declare


def step_picks(
    state: RunState, now: datetime, keep: str = "", opened: Collection[str] = ()
) -> list[Pick]:
    """The whole run first, then each step: its attempts and rounds, or that it is to do.

    Of a step with very many branches or turns only those that need eyes have a row, and `keep`,
    unless the step is `opened`.
    """
    found = [
        Pick(
            WHOLE,
            mark_of(state, attention(state, now)),
            "whole run",
            duration((state.run.ended_at or now) - state.run.created_at),
        )
    ]
    for step in state.run.steps:
        picks = list(_of_step(state, step.name, now, keep, step.name in opened))
        found += picks or [_not_begun(state, step.name)]
    return found


def _not_begun(state: RunState, step: str) -> Pick:
    progress = state.steps.get(step)
    if progress is None or progress.state is StepState.OPEN:
        return Pick(step_id(step), TO_DO, one_line(step, 64), quiet=True)
    text = one_line(f"{step} · {progress.reason}" if progress.reason else step, 200)
    return Pick(step_id(step), STEPS[progress.state], text, quiet=True)


def _of_step(
    state: RunState, step: str, now: datetime, keep: str = "", opened: bool = False
) -> Iterator[Pick]:
    progress = state.steps.get(step)
    if progress is not None and progress.branches:
        mark, text = summary(progress, state, now)
        mark = PAUSED if is_paused(state) and mark.tone == "live" else mark
        yield Pick(step_id(step), mark, f"{step} · {text}")
        yield from folded(step, _branches(state, step, now), keep, opened=opened)
        return
    parts = _in_order(state, step, now)
    yield from folded(step, parts, keep, opened=opened)


def _newest_last(state: RunState, step: str) -> list[Attempt | Review]:
    """A step's attempts, those of its judges and its review rounds, as they came."""
    found: list[tuple[datetime, Attempt | Review]] = [
        (a.started_at, a) for a in state.attempts.values() if owner(a.step) == step
    ]
    found += [(r.opened_at, r) for r in state.reviews.values() if r.step == step]
    return [each for _, each in sorted(found, key=lambda one: one[0])]


def _in_order(state: RunState, step: str, now: datetime) -> list[Part]:
    asked, rows = _asked(state), _newest_last(state, step)
    last = next((each for each in reversed(rows) if isinstance(each, Attempt)), None)
    return [
        _part(state, each, each is last, now, asked)
        if isinstance(each, Attempt)
        else _round(state, each, now)
        for each in rows
    ]


def _branches(state: RunState, step: str, now: datetime) -> list[Part]:
    progress, asked = state.steps[step], _asked(state)
    few = len(progress.branches) <= MOST
    found: list[Part] = []
    for plan, attempts in planned(progress, state):
        if not attempts:
            found.append(not_begun(step, plan, canceled=plan.name in progress.canceled))
        for attempt in attempts if few else attempts[-1:]:
            found.append(_part(state, attempt, True, now, asked, branch_name(plan)))
    found += [_round(state, r, now) for r in state.reviews.values() if r.step == step]
    # An attempt without a branch: the list could not be read, or the work not be merged.
    whole = [a for a in state.attempts.values() if a.step == step and not a.branch]
    return [*(_part(state, attempt, True, now, asked) for attempt in whole), *found]


def _round(state: RunState, review: Review, now: datetime) -> Part:
    pick = _review(state, review, now)
    return Part(URGENT, pick.mark.word, pick.item_id, lambda: pick)


def _part(
    state: RunState, attempt: Attempt, last: bool, now: datetime, asked: _Asked, branch: str = ""
) -> Part:
    mark = _mark(state, attempt, asked)
    urgent = mark.tone in ("bad", "need") or mark is AGAIN
    urgency = URGENT if urgent and last else LIVE if mark.tone == "live" else OVER
    if attempt.iteration and not last:  # of a long loop the newest turns tell most
        urgency = OVER + 1 + LONGEST_LOOP - attempt.iteration
    make = partial(_attempt, state, attempt, mark, last, now, branch)
    return Part(urgency, mark.word, attempt.key, make)


def _mark(state: RunState, attempt: Attempt, asked: _Asked) -> Mark:
    mark = ATTEMPTS[attempt.state]
    if attempt.blocked is not None:
        return STOPPED
    if mark.tone == "live" and is_paused(state):
        return PAUSED
    if mark.tone == "live" and state.run.state.resumable:
        return STOPPED
    if (kind := _asks(state, attempt, asked)) is not None:
        return NEEDS[kind]
    return AGAIN if attempt.retry_in is not None else mark


def _attempt(
    state: RunState, attempt: Attempt, mark: Mark, last: bool, now: datetime, branch: str
) -> Pick:
    session = state.sessions.get(attempt.session_id) if attempt.session_id else None
    used = session.usage.total_tokens if session and last else 0
    took = seconds((attempt.ended_at or now) - attempt.started_at)
    words = [_name(attempt, branch), CAUSES[attempt.cause]]
    if session is not None and any(r.step == attempt.step for r in state.reviews.values()):
        words.append(f"answer of {session.agent}")
    failed = [gate.gate for gate in attempt.gates if not gate.passed]
    words.append(f"gate {failed[-1]} failed" if failed else "")
    words.append(f"again in {attempt.retry_in:.0f} s" if attempt.retry_in is not None else "")
    words.append(f"run {attempt.child}" if attempt.child else "")
    return Pick(
        attempt.key,
        mark,
        one_line(" · ".join(word for word in words if word), 200),
        f"{count(used)} tok  {took:>4}" if used else took,
        lead=INDENT if branch else "",
    )


def _name(attempt: Attempt, branch: str) -> str:
    again = f" · try {attempt.attempt}" if attempt.attempt > 1 else ""
    if branch:
        return f"{branch}{again}"
    if attempt.iteration:
        return f"{attempt.step} · turn {attempt.iteration}{again}"
    if owner(attempt.step) != attempt.step:
        return f"{attempt.step.replace('.', ', gate ')} {attempt.attempt}"
    return f"{attempt.step} {attempt.attempt}"


_Asked = tuple[list[Approval], list[Question]]


def _asked(state: RunState) -> _Asked:
    """What of a run waits for the operator: found once for all of its attempts."""
    if state.run.state.terminal:
        return [], []
    return (
        [one for one in state.approvals.values() if one.state.needs_person],
        [one for one in state.questions.values() if one.state is QuestionState.OPEN],
    )


def _asks(state: RunState, attempt: Attempt, asked: _Asked) -> AttentionKind | None:
    """What of an attempt waits for the operator, if anything does; what is most urgent of it."""
    if state.run.state.terminal:
        return None
    approvals, questions = asked
    found = [
        AttentionKind.UNCERTAIN
        if approval.state is ApprovalState.UNCERTAIN
        else AttentionKind.APPROVAL
        for approval in approvals
        if (approval.session_id, approval.attempt) == (attempt.session_id, attempt.attempt)
    ]
    if any((one.step, one.attempt) == (attempt.step, attempt.attempt) for one in questions):
        found.append(AttentionKind.QUESTION)
    session = state.sessions.get(attempt.session_id) if attempt.session_id else None
    if session is not None and session.stuck is not None and attempt.state.live:
        found.append(AttentionKind.STUCK)
    return min(found, key=list(AttentionKind).index, default=None)


def _review(state: RunState, review: Review, now: datetime) -> Pick:
    waits = waits_for_operator(state, review.review_id)
    took = seconds((review.closed_at or now) - review.opened_at)
    about = f"{review.of}{f'/{review.of_branch}' if review.of_branch else ''} {review.of_attempt}"
    what = f"{review.step}, gate {review.gate}" if review.gate else f"{review.step} {review.round}"
    text = f"{what} · of {about}"
    text += " · escalated" if review.escalated else ""
    if len(review.by) > 1 and not waits:
        text += f" · {len(review.verdicts)} of {len(review.by)} verdicts"
    mark = NEEDS[AttentionKind.REVIEW] if waits else REVIEWS[review.state]
    if mark.tone == "live" and is_paused(state):
        mark = PAUSED
    return Pick(review.review_id, mark, one_line(text, 200), took)


def seconds(span: timedelta) -> str:
    """At most four or five characters, to the second while that matters: `48s`, `12m`, `3h05`."""
    whole = max(0, int(span.total_seconds()))
    return f"{whole}s" if whole < 100 else duration(span)


def current(state: RunState) -> str:
    """The row to begin with: what stands still, else what happens or happened last."""
    held = [a.key for a in state.attempts.values() if a.blocked is not None]
    if held and not state.run.state.terminal:
        return held[0]
    step = state.run.current_step
    progress = state.steps.get(step)
    if progress is not None and progress.branches:
        return step_id(step)
    rows = _newest_last(state, step) if step else []
    if rows:
        newest = rows[-1]
        return newest.key if isinstance(newest, Attempt) else newest.review_id
    return WHOLE


def telling(state: RunState, item_id: str) -> str:
    """The part that tells most about a row: what failed, what is said now, or what came out."""
    attempt = state.attempts.get(item_id)
    if attempt is None:
        return "output"
    if any(not gate.passed for gate in attempt.gates):
        return "gates"
    return "log" if attempt.state.live and attempt.session_id and not attempt.gates else "output"


def attempt_of(state: RunState, item_id: str) -> Attempt | None:
    """The attempt that a row is about; for a review, the attempt that it judges."""
    if item_id in state.attempts:
        return state.attempts[item_id]
    review = review_of(state, item_id)
    if review is None:
        return None
    judged = (review.of, review.of_branch, review.of_iteration, review.of_attempt)
    for attempt in state.attempts.values():
        if (*attempt.unit, attempt.attempt) == judged:
            return attempt
    return None


def review_of(state: RunState, item_id: str) -> Review | None:
    """The review that a row is about; None for every other row."""
    return state.reviews.get(ReviewId(item_id))


def step_of(state: RunState, item_id: str) -> str:
    """The step that a row belongs to; "" for the whole run."""
    attempt, review = state.attempts.get(item_id), review_of(state, item_id)
    if attempt is not None:
        return owner(attempt.step)
    if review is not None:
        return review.step
    kind, _, name = item_id.partition(":")
    return name.partition("/")[0] if kind in ("step", "more", "branch") else ""
