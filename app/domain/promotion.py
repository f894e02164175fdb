"""Whether a candidate may be promoted, and what the watch over a rollout does next.

Pure functions of the committed state. What cannot be told is *inconclusive*: it pauses for a
person, and no path leads from it to a promotion but an override, which is loud.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from app.domain.base import Model
from app.domain.path_name import PathName
from app.domain.reduce_rollout import counts
from app.domain.rollout import Answered, Phase, Rollout
from app.domain.rollout_policy import frozen_until

_Z = 1.959963984540054  # of the normal distribution, for 95 %


class Verdict(StrEnum):
    """Of one requirement, or of all together."""

    MET = "met"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


class Requirement(Model):
    """One line of what a promotion needs; `text` says how it stands, with the figures."""

    name: str
    verdict: Verdict
    text: str


class Judgement(Model):
    """All requirements."""

    requirements: tuple[Requirement, ...]

    @property
    def verdict(self) -> Verdict:
        found = {requirement.verdict for requirement in self.requirements}
        for verdict in (Verdict.FAILED, Verdict.INCONCLUSIVE):
            if verdict in found:
                return verdict
        return Verdict.MET

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(r.text for r in self.requirements if r.verdict is not Verdict.MET)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927); (0, 1) when nothing was tried."""
    if trials <= 0:
        return 0.0, 1.0
    share, square = successes / trials, _Z * _Z
    middle = share + square / (2 * trials)
    spread = _Z * math.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    whole = 1 + square / trials
    # Rounding must not move an end past what was seen: 10 of 10 has 1 as its upper end.
    low = min(share, max(0.0, (middle - spread) / whole))
    return low, max(share, min(1.0, (middle + spread) / whole))


class Agreement(Model):
    """How often both paths agreed, as far as it is fresh and could be told, with its interval."""

    agreed: int
    trials: int
    unknown: int
    low: float
    high: float


def agreement(rollout: Rollout, now: datetime) -> Agreement:
    """Of the comparisons that count at this moment."""
    agreed, disagreed, unknown = counts(rollout, now)
    low, high = wilson(agreed, agreed + disagreed)
    return Agreement(agreed=agreed, trials=agreed + disagreed, unknown=unknown, low=low, high=high)


def judge(rollout: Rollout, now: datetime) -> Judgement:
    """How a rollout's candidate stands to its promotion policy."""
    return Judgement(requirements=tuple(_requirements(rollout, now)))


def _requirements(rollout: Rollout, now: datetime) -> Iterator[Requirement]:
    if rollout.candidate is None:
        yield _failed("candidate", "there is no candidate: nothing to promote")
        return
    if rollout.closed:
        yield _failed("candidate", "the candidate is closed since its rollback: reopen it first")
    yield from _agreement(rollout, now)
    yield from _failures(rollout)
    yield _latency(rollout)
    for item in rollout.to_tick:
        yield _unknown("checklist", f"to be ticked: {item}")
    until = frozen_until(rollout.policies.promotion, now)
    if until is not None:
        yield _failed("frozen", f"nothing is promoted before {until:%a %d %b %H:%M %Z}")


def _agreement(rollout: Rollout, now: datetime) -> Iterator[Requirement]:
    policy = rollout.policies.promotion
    found = agreement(rollout, now)
    trials, low, high = found.trials, found.low, found.high
    hours = f"in the last {policy.max_evidence_hours:g} hours"
    if trials < policy.min_comparisons:
        text = f"{trials} comparisons {hours}, {policy.min_comparisons} are wanted"
        yield _unknown("comparisons", text)
    else:
        yield _met("comparisons", f"{trials} comparisons {hours}")
    besides = f" ({found.unknown} more could not be told)" if found.unknown else ""
    text = (
        f"{found.agreed} of {trials} agree{besides}: {low:.1%} to {high:.1%} with 95 % certainty, "
        f"at least {policy.min_agreement:.1%} is wanted"
    )
    if low >= policy.min_agreement:
        yield _met("agreement", text)
    elif high < policy.min_agreement:
        yield _failed("agreement", text)
    else:
        yield _unknown("agreement", text)


def _failures(rollout: Rollout) -> Iterator[Requirement]:
    policy = rollout.policies.promotion
    ours = rollout.evidence.of(PathName.CANDIDATE)
    theirs = rollout.evidence.of(PathName.STABLE)
    if not ours or not theirs:
        which = "the candidate" if not ours else "the stable path"
        yield _unknown("failures", f"failures: nothing is known of {which} yet")
        return
    rate, stable = _failing(ours), _failing(theirs)
    allowed = max(stable * policy.max_failure_ratio, policy.allowed_failure_percent / 100)
    text = (
        f"failures: {rate:.1%} of {len(ours)}, stable {stable:.1%} of {len(theirs)}; at most "
        f"{allowed:.1%} is allowed"
    )
    yield _met("failures", text) if rate <= allowed else _failed("failures", text)


def _latency(rollout: Rollout) -> Requirement:
    limit = rollout.policies.promotion.max_latency_ratio
    ratio = latency_ratio(
        rollout.evidence.of(PathName.CANDIDATE), rollout.evidence.of(PathName.STABLE)
    )
    if ratio is None:
        return _unknown("latency", "latency: too little is known of both paths yet")
    text = f"latency: {ratio:.2f} times the stable path's, at most {limit:g} is allowed"
    return _met("latency", text) if ratio <= limit else _failed("latency", text)


def latency_ratio(ours: Sequence[Answered], theirs: Sequence[Answered]) -> float | None:
    """Of the medians of what was answered; None when a path has answered nothing."""
    mine = [a.seconds for a in ours if a.ok]
    stable = [a.seconds for a in theirs if a.ok]
    if not mine or not stable:
        return None
    from statistics import median  # costs more than all of this module, at every start

    base = median(stable)
    if base <= 0:
        return 1.0 if median(mine) <= 0 else math.inf
    return median(mine) / base


def _failing(answers: Sequence[Answered]) -> float:
    return sum(not a.ok for a in answers) / len(answers)


def _met(name: str, text: str) -> Requirement:
    return Requirement(name=name, verdict=Verdict.MET, text=text)


def _failed(name: str, text: str) -> Requirement:
    return Requirement(name=name, verdict=Verdict.FAILED, text=text)


def _unknown(name: str, text: str) -> Requirement:
    return Requirement(name=name, verdict=Verdict.INCONCLUSIVE, text=text)


class GoBack(Struct, frozen=True):
    """The candidate has left its bounds."""

    why: str


class Hold(Struct, frozen=True):
    """A person has to say how it goes on."""

    why: str


class Advance(Struct, frozen=True):
    """The next step is taken: all is met."""

    why: str


Move = GoBack | Hold | Advance


def next_share(rollout: Rollout) -> int | None:
    """The share of the next promotion step; None when there is none left."""
    steps = rollout.policies.promotion.steps
    following = rollout.step + 1
    return steps[following] if following < len(steps) else None


def step_ends(rollout: Rollout) -> datetime | None:
    """When the bake time of the step that is under way is over."""
    if rollout.phase is not Phase.STEPPING or rollout.step_since is None:
        return None
    return rollout.step_since + timedelta(minutes=rollout.policies.promotion.bake_minutes)


def next_move(rollout: Rollout, now: datetime) -> Move | None:
    """What the watch does by itself at this moment; None: nothing."""
    if not rollout.share or not rollout.has_open_candidate:
        return None
    if rollout.policies.watch.auto_rollback and (why := out_of_bounds(rollout)):
        return GoBack(why)
    ends = step_ends(rollout)
    if rollout.held or ends is None or now < ends:
        return None
    return _after_baking(rollout, now)


def _after_baking(rollout: Rollout, now: datetime) -> Move:
    policy = rollout.policies.promotion
    share, following = rollout.share, next_share(rollout)
    answers = rollout.evidence.of(PathName.CANDIDATE, rollout.step_since)
    if len(answers) < policy.min_requests:
        return Hold(
            f"inconclusive at {share} %: it has answered {len(answers)} requests, "
            f"{policy.min_requests} are wanted before the next step"
        )
    found = judge(rollout, now)
    if found.verdict is not Verdict.MET:
        return Hold(f"{found.verdict} at {share} %: {found.missing[0]}")
    if not policy.auto_advance:
        return Hold(f"all is met at {share} %: promote it to {following} % or roll it back")
    return Advance(f"all is met at {share} %")


def out_of_bounds(rollout: Rollout) -> str:
    """Why the candidate should answer no more, in one sentence; "" when it keeps its bounds."""
    policy = rollout.policies.watch
    ours = rollout.evidence.of(PathName.CANDIDATE, rollout.step_since)[-policy.window :]
    if len(ours) < policy.min_requests:
        return ""
    failing = 100 * _failing(ours)
    if failing > policy.max_failure_percent:
        return (
            f"{failing:.0f} % of the candidate's last {len(ours)} answers failed, "
            f"{policy.max_failure_percent:g} % is allowed"
        )
    rejected = 100 * sum(a.rejects > 0 for a in ours) / len(ours)
    if rejected > policy.max_reject_percent:
        return (
            f"{rejected:.0f} % of the candidate's last {len(ours)} answers were sent back, "
            f"{policy.max_reject_percent:g} % is allowed"
        )
    ratio = latency_ratio(ours, rollout.evidence.of(PathName.STABLE)[-policy.window :])
    if ratio is not None and ratio > policy.max_latency_ratio:
        return (
            f"the candidate takes {ratio:.1f} times as long as the stable path, "
            f"{policy.max_latency_ratio:g} times is allowed"
        )
    return ""


def sparkline(values: Sequence[float]) -> str:
    """Values as bars of eight heights, the highest full; a blank for nothing."""
    bars = "▁▂▃▄▅▆▇█"
    top = max(values, default=0.0)
    if top <= 0:
        return bars[0] * len(values)
    return "".join(bars[min(7, int(8 * max(0.0, value) / top))] for value in values)
