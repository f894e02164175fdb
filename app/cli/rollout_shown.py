"""A rollout as text."""

from __future__ import annotations

from datetime import datetime

from app.cli.output import ago, say
from app.domain.path_name import PathName
from app.domain.promotion import Verdict, agreement, judge, next_share, sparkline
from app.domain.rollout import Rollout

_MARKS = {Verdict.MET: "✓", Verdict.FAILED: "✗", Verdict.INCONCLUSIVE: "?"}


class Shown:
    """The figures of one line."""

    def __init__(self, rollout: Rollout, now: datetime) -> None:
        found = agreement(rollout, now)
        interval = f"{found.low:.0%} to {found.high:.0%}"
        self.phase = f"{rollout.phase}{', held' if rollout.held else ''}"
        self.agreement = f"{found.agreed}/{found.trials} ({interval})" if found.trials else "-"
        self.verdict = str(judge(rollout, now).verdict) if rollout.candidate else "-"


def print_rollout(rollout: Rollout, now: datetime) -> None:
    """All of it, for a person."""
    say(f"{rollout.name} in {rollout.project}: {rollout.phase}, version {rollout.version}")
    if rollout.rollback is not None:
        say(f"ROLLBACK OPEN: {len(rollout.rollback.to_tick)} lines to tick (below)")
    say(f"stable     {rollout.stable.kind}  {rollout.stable}")
    if rollout.candidate is not None:
        put = f"put in place by {rollout.author} {ago(rollout.since, now)}"
        say(f"candidate  {rollout.candidate.kind}  {rollout.candidate}  ({put})")
        say(f"answers    {rollout.share} % of the requests, shadows {rollout.shadow} % of the rest")
    if rollout.override:
        say(f"PROMOTED AGAINST ITS POLICY: {rollout.override}")
    if rollout.held:
        say(f"held       {rollout.held}")
    for name in PathName:
        answers = rollout.evidence.of(name)
        if answers:
            failed = sum(not a.ok for a in answers)
            slow = sparkline([a.seconds for a in answers][-40:])
            said = f"{failed} of {len(answers)} failed, "
            say(f"{name:<10} {said}slowest {max(a.seconds for a in answers):.1f} s  {slow}")
    if rollout.shadows:
        say(f"{len(rollout.shadows)} shadow runs are not compared yet")
    if rollout.has_open_candidate:
        share = next_share(rollout)
        say()
        say(f"for {share} %:" if share else "evidence:")
        for requirement in judge(rollout, now).requirements:
            say(f"  {_MARKS[requirement.verdict]} {requirement.text}")
    for tick in rollout.ticks:
        say(f"  ✓ {tick.item} ({tick.by}, {ago(tick.at, now)}{f': {tick.note}' * bool(tick.note)})")
    if rollout.rollbacks:
        _print_rollback(rollout, now)


def _print_rollback(rollout: Rollout, now: datetime) -> None:
    newest = rollout.rollbacks[-1]
    say()
    took = "is still stopping runs" if newest.seconds is None else f"took {newest.seconds:.2f} s"
    window = {True: "in time", False: "NOT in time", None: "…"}[newest.within_window]
    say(f"rollback {newest.number}, {ago(newest.at, now)}, by {newest.by}: {newest.why}")
    say(f"  from {newest.from_path} to {newest.to_path}; {took} ({window})")
    if newest.frozen:
        say(f"  frozen: {', '.join(newest.frozen)}")
    done = {tick.item: tick for tick in newest.ticks}
    for item in newest.checklist:
        tick = done.get(item)
        if tick is None:
            say(f"  · {item}")
        else:
            said = f": {tick.note}" if tick.note else ""
            say(f"  ✓ {item} ({tick.by}, {ago(tick.at, now)}{said})")
