"""Attention: everything that waits for a person, derived from the runs' states."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum

from app.domain.approval import ApprovalState
from app.domain.base import Model, ReviewId, RunId
from app.domain.request import Risk
from app.domain.rollout import Rollout
from app.domain.run import QuestionState, ReviewState, Run, RunState
from app.domain.step import OPERATOR
from app.domain.task_state import TaskState


class AttentionKind(StrEnum):
    """What a person is wanted for. Their order is that of urgency (see `urgency`)."""

    UNCERTAIN = "uncertain"
    APPROVAL = "approval"
    QUESTION = "question"
    REVIEW = "review"
    STUCK = "stuck"
    BLOCKED = "blocked"
    ROLLOUT = "rollout"


class AttentionItem(Model):
    """One thing that waits for a person. `item_id` names the approval, review, session, run, or
    the rollout, which belongs to no run."""

    kind: AttentionKind
    run_id: RunId = RunId("")
    item_id: str
    revision: int = 0  # of an approval, review or question; it moves when what is asked changes
    title: str
    risk: Risk | None = None
    since: datetime
    snoozed: bool = False
    group: str = ""  # items of several runs with the same one are one thing for a person


def waits_for_operator(state: RunState, review_id: str) -> bool:
    """Whether a review is now the operator's to answer: escalated, or agents before are done."""
    review = state.reviews[ReviewId(review_id)]
    if review.state is not ReviewState.OPEN or state.run.state.terminal:
        return False
    if review.escalated:
        return True
    settling = "approve" if review.require == "any" else "reject"
    if any(verdict.decision in (settling, "unparsable") for verdict in review.verdicts):
        return False  # it is about to be closed or escalated
    given = len(review.verdicts)
    return given < len(review.by) and review.by[given] == OPERATOR


def waits_for_a_person(state: RunState) -> str:
    """What a run stands still for until a person has answered; "" when it goes on by itself."""
    for approval in state.approvals.values():
        if approval.state.needs_person:
            return approval.call.title
    for review in state.reviews.values():
        if waits_for_operator(state, review.review_id):
            return f"a review of {review.of}"
    for question in state.questions.values():
        if question.state is QuestionState.OPEN:
            return question.text
    return ""


def attention(state: RunState, now: datetime) -> list[AttentionItem]:
    """What of this run waits for a person, most urgent first; snoozed items last."""
    run = state.run
    if run.state.terminal or run.shadow:
        return []  # nobody waits for a shadow's answer: it is given up instead
    if state.frozen:
        return [_blocked(run, run.reason)]
    reviews = list(_reviews(state, now))
    found = [
        *_approvals(state, now),
        *reviews,
        *_questions(state, now),
        *_stuck(state),
        *_standing_still(state, reviewed=bool(reviews)),
    ]
    return sorted(found, key=urgency)


def _approvals(state: RunState, now: datetime) -> Iterator[AttentionItem]:
    for approval in state.approvals.values():
        if approval.state.needs_person:
            uncertain = approval.state is ApprovalState.UNCERTAIN
            yield AttentionItem(
                kind=AttentionKind.UNCERTAIN if uncertain else AttentionKind.APPROVAL,
                run_id=state.run.run_id,
                item_id=approval.approval_id,
                revision=approval.revision,
                title=approval.call.title,
                risk=approval.risk,
                since=approval.requested_at,
                snoozed=_later(approval.snoozed_until, now),
            )


def _reviews(state: RunState, now: datetime) -> Iterator[AttentionItem]:
    for review in state.reviews.values():
        if waits_for_operator(state, review.review_id):
            why = f": {review.escalated}" if review.escalated else ""
            yield AttentionItem(
                kind=AttentionKind.REVIEW,
                run_id=state.run.run_id,
                item_id=review.review_id,
                revision=review.revision,
                title=f"{review.of}, version {review.of_attempt}{why}",
                since=review.opened_at,
                snoozed=_later(review.snoozed_until, now),
            )


def _questions(state: RunState, now: datetime) -> Iterator[AttentionItem]:
    for question in state.questions.values():
        if question.state is QuestionState.OPEN:
            yield AttentionItem(
                kind=AttentionKind.QUESTION,
                run_id=state.run.run_id,
                item_id=question.question_id,
                revision=question.revision,
                title=question.text,
                since=question.asked_at,
                snoozed=_later(question.snoozed_until, now),
            )


def _stuck(state: RunState) -> Iterator[AttentionItem]:
    for session in state.sessions.values():
        if session.stuck is not None:
            yield AttentionItem(
                kind=AttentionKind.STUCK,
                run_id=state.run.run_id,
                item_id=session.session_id,
                title=f"{session.agent} on {session.step}: {session.stuck.why}",
                since=session.stuck.since,
            )


def _standing_still(state: RunState, *, reviewed: bool) -> Iterator[AttentionItem]:
    """The run, or a part of it, that goes on when somebody says how; a run that stands still for a
    review is that review's."""
    run = state.run
    held = [a.blocked for a in state.attempts.values() if a.blocked is not None]
    if held and run.state is TaskState.IN_PROGRESS:
        more = f" (and {len(held) - 1} more)" if held[1:] else ""
        yield _blocked(run, held[0].message + more)
    paused = run.blocked is not None and run.blocked.kind == "paused"
    if run.state in (TaskState.BLOCKED, TaskState.FAILED) and not (paused or reviewed):
        yield _blocked(run, run.blocked.message if run.blocked else run.reason)


def _later(snoozed_until: datetime | None, now: datetime) -> bool:
    return snoozed_until is not None and snoozed_until > now


def _blocked(run: Run, title: str) -> AttentionItem:
    return AttentionItem(
        kind=AttentionKind.BLOCKED,
        run_id=run.run_id,
        item_id=run.run_id,
        title=title,
        since=run.updated_at,
        group=run.blocked.budget if run.blocked else "",
    )


def one_of_each_group(items: Sequence[AttentionItem]) -> list[AttentionItem]:
    """Of items with one cause, such as a budget of the day, the first, which says how many."""
    counts = Counter(item.group for item in items if item.group)
    found, seen = list[AttentionItem](), set[str]()
    for item in items:
        if item.group and item.group in seen:
            continue
        seen.add(item.group)
        others = counts[item.group] - 1
        if item.group and others:
            more = f"{others + 1} runs stand still: {item.title}"
            item = item.model_copy(update={"title": more})
        found.append(item)
    return found


def rollout_attention(rollout: Rollout) -> list[AttentionItem]:
    """What of a rollout waits for a person."""
    found = list[AttentionItem]()
    rollback = rollout.rollback
    if rollback is not None:
        left = len(rollback.to_tick)
        found.append(
            AttentionItem(
                kind=AttentionKind.ROLLOUT,
                item_id=rollout.rollout_id,
                title=f"{rollout.title} is rolled back: {left} lines of its checklist to tick",
                since=rollback.at,
            )
        )
    if rollout.held:
        found.append(
            AttentionItem(
                kind=AttentionKind.ROLLOUT,
                item_id=rollout.rollout_id,
                title=f"{rollout.title}: {rollout.held}",
                since=rollout.updated_at,
            )
        )
    return found


def urgency(item: AttentionItem) -> tuple[bool, int, int, datetime]:
    """Sorts what waits: most urgent first, what was put off last."""
    kinds = list(AttentionKind)
    return (item.snoozed, kinds.index(item.kind), -(item.risk.rank if item.risk else 0), item.since)
