"""When a collect has enough results, and which of them it takes."""

from __future__ import annotations

from datetime import UTC, datetime

from app.domain import directives as do
from app.domain.contexts import score_of
from app.domain.decide_unit import gates
from app.domain.flow import Result, brief, results
from app.domain.run import AttemptState, Cause, RunState, StepState, Unit
from app.domain.step import CollectStep

_NEVER = datetime.max.replace(tzinfo=UTC)


def wanted(step: CollectStep) -> int | None:
    """How many results are enough; None: all there will be."""
    if step.take == "first":
        return 1
    return step.quorum if step.take == "quorum" else None


def sources(step: CollectStep, state: RunState) -> list[Result]:
    """Every result that there is or will be, in declared order."""
    return [result for name in step.of for result in results(state, name)]


def enough(step: CollectStep, state: RunState) -> bool:
    """Whether it need not wait any longer."""
    if all(state.finished(name) for name in step.of):
        return True
    count = wanted(step)
    return count is not None and sum(r.ok for r in sources(step, state)) >= count


def taken(step: CollectStep, state: RunState) -> list[Result]:
    """The results that it makes its own of, in declared order; fewer than needed if there are
    not more."""
    found = [result for result in sources(step, state) if result.ok]
    if step.take == "best":
        return _best(found, step.best_by)
    count = wanted(step)
    if count is None:
        return found
    earliest = sorted(found, key=_ended)[:count]
    return [result for result in found if result in earliest]


def _ended(result: Result) -> datetime:
    ended = result.attempt.ended_at if result.attempt else None
    return ended or _NEVER


def _best(found: list[Result], gate: str) -> list[Result]:
    scored = [(score_of(result, gate), result) for result in found]
    rated = [(number, result) for number, result in scored if number is not None]
    if not rated:
        return found[:1]
    highest = max(number for number, _ in rated)
    return [result for number, result in rated if number == highest][:1]


def missing(step: CollectStep, state: RunState, found: list[Result]) -> str:
    """Why what it takes is not enough; "" when it is. All of an empty list is nothing, and that
    is enough."""
    if step.take == "all" and not sources(step, state):
        return ""
    count = wanted(step) or 1
    if len(found) >= count:
        return ""
    return f"step {step.name}: {len(found)} of the {count} results that it needs"


def late(step: CollectStep, state: RunState) -> tuple[Unit, ...]:
    """The units that nobody waits for any more once it is done."""
    if wanted(step) is None or step.late == "ignore":
        return ()
    found = list[Unit]()
    for name in step.of:
        if state.finished(name):
            continue
        if brief(state.run, name).kind != "fan_out":
            found.append(Unit(name))
            continue
        open_branches = [r for r in results(state, name) if not _over(r)]
        found += [Unit(name, result.name) for result in open_branches]
    return tuple(found)


def _over(result: Result) -> bool:
    return result.attempt is not None and result.attempt.state.over


def collect_step(step: CollectStep, state: RunState) -> list[do.Directive]:
    """For a collect that need not wait any longer (`enough`): it joins what there is, its gates
    check that, and units that come too late are retired with its end."""
    unit = Unit(step.name)
    attempt = state.newest(unit)
    number = attempt.attempt if attempt else 0
    if attempt is None or attempt.state in (AttemptState.STALE, AttemptState.REJECTED):
        return [do.StartAttempt(unit, number + 1, Cause.FIRST)]
    if attempt.blocked is not None:
        return [do.Held(unit, attempt.blocked)]
    if attempt.state is AttemptState.FAILED:
        return [do.StartAttempt(unit, number + 1, Cause.RETRY)]
    if attempt.state is AttemptState.OPEN:
        return [do.Collect(unit, number)]
    retired = late(step, state)
    if attempt.state is AttemptState.PRODUCED:
        following = gates(step, unit, attempt, state)
        return [
            following
            or do.FinishStep(unit, number, commits=_commits(attempt.commit), retired=retired)
        ]
    if attempt.state is not AttemptState.PASSED and not attempt.given:
        return [do.FinishStep(unit, state=StepState.SKIPPED, retired=retired)]
    return [do.FinishStep(unit, commits=_commits(attempt.commit), retired=retired)]


def _commits(commit: str | None) -> tuple[str, ...]:
    return (commit,) if commit else ()
