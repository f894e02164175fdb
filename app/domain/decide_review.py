"""What a review does next, whether a step of its own or a gate that somebody judges."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from app.domain import directives as do
from app.domain.approval import ActorKind
from app.domain.decide_turn import next_attempt, turn
from app.domain.flow import brief
from app.domain.gate import Gate, GateKind
from app.domain.run import (
    Attempt,
    AttemptState,
    Blocked,
    Cause,
    Review,
    ReviewState,
    RunState,
    Unit,
    Verdict,
)
from app.domain.step import OPERATOR, ReviewStep


class _Rules(Struct, frozen=True):
    """How a review goes. `max_rejects` None: a reject is its result, not a return."""

    unit: Unit
    by: tuple[str, ...]
    require: Literal["all", "any"]
    max_rejects: int | None
    return_to: str = ""


def review_step(step: ReviewStep, state: RunState) -> list[do.Directive]:
    """Its open round goes on; without one, another is opened on the newest attempt of `of`."""
    rules = _Rules(Unit(step.name), step.by, step.require, step.max_rejects, step.return_to)
    rounds = [r for r in state.reviews.values() if r.step == step.name and not r.gate]
    review = rounds[-1] if rounds else None
    if review is not None and review.state is ReviewState.OPEN:
        return [_open_review(rules, review, state)]
    artefact = state.latest(step.of)
    judged = artefact.unit if artefact else Unit(step.of)
    if brief(state.run, step.of).kind == "fan_out":
        judged = Unit(step.of)
    return [
        do.OpenReview(
            unit=rules.unit,
            of=step.of,
            of_attempt=artefact.attempt if artefact else 0,
            by=step.by,
            require=step.require,
            round=len(rounds) + 1,
            of_unit=judged,
        )
    ]


def judged_gate(gate: Gate, unit: Unit, attempt: Attempt, state: RunState) -> do.Directive:
    """A gate whose check is somebody's verdict on the attempt."""
    by = (OPERATOR,) if gate.kind is GateKind.PERSON else (gate.judge,)
    rules = _Rules(unit, by, "all", None)
    of_unit = [
        r
        for r in state.reviews.values()
        if r.gate == gate.name and (r.of, r.of_branch, r.of_iteration) == tuple(unit)
    ]
    review = of_unit[-1] if of_unit else None
    under_way = review is not None and review.state is ReviewState.OPEN
    if review is not None and under_way and review.of_attempt == attempt.attempt:
        return _open_review(rules, review, state)
    return do.OpenReview(
        unit=unit,
        of=unit.step,
        of_attempt=attempt.attempt,
        by=by,
        round=len(of_unit) + 1,
        gate=gate.name,
        of_unit=unit,
    )


def _open_review(rules: _Rules, review: Review, state: RunState) -> do.Directive:
    if not review.verdicts:
        return _next_reviewer(rules, review, state)
    last = review.verdicts[-1]
    if review.escalated:
        return _escalated(rules, review, last)
    if last.decision == "unparsable":
        why = f"{last.by.name} gave no verdict that can be read"
        return do.Escalate(rules.unit, review, why, at_limit=False)
    if last.decision == "approve":
        if rules.require == "any":
            return do.CloseReview(rules.unit, review, True, (), rules.return_to)
        return _next_reviewer(rules, review, state)
    if rules.require == "any" and len(review.verdicts) < len(rules.by):
        return _next_reviewer(rules, review, state)
    return _rejected(rules, review, state)


def _escalated(rules: _Rules, review: Review, last: Verdict) -> do.Directive:
    """The operator's word is the last one."""
    if last.by.kind is not ActorKind.PERSON:
        return _until_answered(rules, review)
    approved = last.decision == "approve"
    return do.CloseReview(rules.unit, review, approved, last.reasons, rules.return_to)


def _until_answered(rules: _Rules, review: Review) -> do.Directive:
    if not review.at_limit:
        return do.Wait(rules.unit, "the review waits for the operator")
    message = f"step {review.step}: {review.escalated}"
    return do.Held(rules.unit, Blocked(kind="review_limit", message=message, step=review.step))


def _rejected(rules: _Rules, review: Review, state: RunState) -> do.Directive:
    reasons = tuple(
        reason
        for verdict in review.verdicts
        if verdict.decision == "reject"
        for reason in verdict.reasons
    )
    by_person = review.verdicts[-1].by.kind is ActorKind.PERSON
    limit = rules.max_rejects
    if limit is None or by_person or state.rejects.get(review.step, 0) < limit:
        return do.CloseReview(rules.unit, review, False, reasons, rules.return_to)
    why = f"rejected again after {limit} {'return' if limit == 1 else 'returns'} (max_rejects)"
    return do.Escalate(rules.unit, review, why, at_limit=True)


def _next_reviewer(rules: _Rules, review: Review, state: RunState) -> do.Directive:
    if len(review.verdicts) >= len(rules.by):
        return do.CloseReview(rules.unit, review, True, (), rules.return_to)
    reviewer = rules.by[len(review.verdicts)]
    if reviewer == OPERATOR:
        return do.Wait(rules.unit, "the review waits for the operator")
    unit = review.unit
    attempt = state.newest(unit)
    if attempt is None:
        return turn(unit, 1, reviewer, state)
    if attempt.blocked is not None:
        return do.Held(unit, attempt.blocked)
    if attempt.state is AttemptState.OPEN:
        return turn(unit, attempt.attempt, reviewer, state)
    if attempt.state is AttemptState.PRODUCED:
        return do.Judge(unit, review, attempt, reviewer)
    return next_attempt(attempt, otherwise=Cause.FIRST)
