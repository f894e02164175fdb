"""What each event does to a rollout's state. Replaying the journal gives it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from app.domain import rollout_events as ev
from app.domain.base import RolloutId, trusted
from app.domain.errors import Refused
from app.domain.events import Event, RunCreated, RunStateChanged
from app.domain.path_name import PathName
from app.domain.rollout import (
    MOST_HOURS,
    MOST_ROLLBACKS,
    RECENT,
    Answered,
    Evidence,
    HourCount,
    Rollback,
    Rollout,
    Shadowed,
    Tick,
)
from app.domain.run import Run, RunState
from app.domain.task_state import TaskState

# A run that stands still for one of these has not failed: a person made it wait.
_WAITS = ("paused", "frozen", "input", "budget", "day_budget")


def rollout_after(
    rollouts: Mapping[RolloutId, Rollout],
    event: Event,
    before: RunState | None,
    after: RunState | None,
) -> Rollout | None:
    """The rollout that an event has changed, None when it has changed none. `before` and `after`
    are the states of the run that it is about.

    Raises Refused for what the rollout's version does not allow, KeyError for a broken journal.
    """
    payload = event.payload
    if after is None:
        if not isinstance(payload, ev.OF_THE_STORE):
            return None
        if isinstance(payload, ev.RolloutOpened):
            return payload.rollout
        known = rollouts.get(payload.rollout_id)
        found = reduce_rollout(known, payload, event.at)
        return None if found is known else found
    if not after.run.rollout or not isinstance(payload, RunCreated | RunStateChanged):
        return None
    of_run = rollouts[after.run.rollout]
    if isinstance(payload, RunCreated):
        found = admitted(of_run, after.run)
    else:
        found = answered(of_run, before, after)
    return None if found is of_run else found


def reduce_rollout(rollout: Rollout | None, payload: object, at: datetime) -> Rollout | None:
    """The rollout after an event about it. Raises Refused for a version that is not the next."""
    if isinstance(payload, ev.RolloutOpened):
        return payload.rollout
    change = _APPLY.get(type(payload))
    if change is None:
        return rollout
    if rollout is None:
        raise KeyError(f"{type(payload).__name__} is about a rollout that was never opened")
    version = getattr(payload, "version", None)
    if version is not None:
        if version != rollout.version + 1:
            raise Refused(
                f"rollout {rollout.name} is at version {rollout.version}, not {version - 1}: it "
                "was changed meanwhile; look again"
            )
        rollout = rollout.model_copy(update={"version": version})
    changed: Rollout = change(rollout, payload, at)
    return changed.model_copy(update={"updated_at": at})


def admitted(rollout: Rollout, run: Run) -> Rollout:
    """The rollout after a run was created under it. Raises Refused for one that the current
    version does not let in: whatever code asks, this is where it is decided."""
    if run.rollout_version != rollout.version:
        raise Refused(
            f"run {run.run_id} was admitted under version {run.rollout_version} of rollout "
            f"{rollout.name}, which is at {rollout.version}"
        )
    if run.path is PathName.CANDIDATE and rollout.closed and not _finishes(run):
        raise Refused(f"the candidate of rollout {rollout.name} is closed since its rollback")
    if run.parent is not None:
        return rollout
    path = rollout.path(run.path)
    if path is None or path.recipe != run.recipe:
        raise Refused(f"run {run.run_id} is not what rollout {rollout.name} has as {run.path}")
    if run.path is PathName.CANDIDATE and not run.shadow and not rollout.share:
        raise Refused(f"the candidate of rollout {rollout.name} answers no requests yet")
    if not run.shadow:
        return rollout.model_copy(update={"requests": rollout.requests + 1})
    waiting = (*rollout.shadows, Shadowed(run_id=run.run_id, of=run.shadow_of))
    return rollout.model_copy(update={"shadows": waiting})


def _may_answer(rollout: Rollout, run: Run) -> bool:
    """Whether somebody may still be given the answer of a run, or nobody is."""
    if run.shadow or run.parent is not None or run.path is PathName.STABLE:
        return True
    if run.recipe == rollout.stable.recipe:
        return True  # it has been adopted meanwhile
    candidate = rollout.candidate
    same = candidate is not None and candidate.recipe == run.recipe
    return same and rollout.has_open_candidate and rollout.share > 0


def _finishes(run: Run) -> bool:
    """Whether it belongs to a frozen run that was let go on in shadow."""
    return run.shadow and run.parent is not None


def answered(rollout: Rollout, before: RunState | None, after: RunState) -> Rollout:
    """The rollout after one of its runs has moved: how it ended is evidence. A run that was
    taken up again after a failure counts as it ends at last. Raises Refused for one that would go
    on although its path is closed."""
    run = after.run
    if run.state is TaskState.IN_PROGRESS and not _may_answer(rollout, run):
        raise Refused(
            f"run {run.run_id} is of a candidate of rollout {rollout.name} that answers no "
            "requests any more: cancel it, or let it finish in shadow"
        )
    if after.frozen:
        return rollout  # it has neither answered nor failed
    if run.parent is not None or (before is not None and before.run.state is run.state):
        return rollout
    recipe = rollout.path(run.path)
    if recipe is None or recipe.recipe != run.recipe:
        return rollout  # of a path that has been replaced meanwhile
    others = tuple(a for a in rollout.evidence.answers if a.run_id != run.run_id)
    ended = _ended(after)
    if ended is None and len(others) == len(rollout.evidence.answers):
        return rollout
    answers = others if ended is None else _newest((*others, ended), ended.path)
    return _with_evidence(rollout, answers=answers)


def _ended(state: RunState) -> Answered | None:
    run = state.run
    failed = run.state is TaskState.FAILED or (
        run.state is TaskState.BLOCKED
        and run.blocked is not None
        and run.blocked.kind not in _WAITS
    )
    if run.state is not TaskState.DONE and not failed:
        return None
    at = run.ended_at or run.updated_at
    worked = sum(attempt.worked_seconds for attempt in state.attempts.values())
    return Answered(
        run_id=run.run_id,
        path=run.path,
        shadow=run.shadow,
        at=at,
        ok=not failed,
        # Waiting for a person is nobody's slowness.
        seconds=worked or (at - run.created_at).total_seconds(),
        rejects=sum(state.rejects.values()),
    )


def _newest(answers: tuple[Answered, ...], path: PathName) -> tuple[Answered, ...]:
    of_path = [a for a in answers if a.path is path]
    if len(of_path) <= RECENT:
        return answers
    oldest = min(of_path, key=lambda a: a.at)
    return tuple(a for a in answers if a is not oldest)


def _with_evidence(rollout: Rollout, **changes: Any) -> Rollout:
    evidence = rollout.evidence.model_copy(update=changes)
    return rollout.model_copy(update={"evidence": evidence})


def _configured(r: Rollout, p: ev.RolloutConfigured, at: datetime) -> Rollout:
    same = p.stable == r.stable and p.candidate == r.candidate
    changes: dict[str, Any] = {
        "stable": p.stable,
        "candidate": p.candidate,
        "policies": p.policies,
        "compare": p.compare,
        "judge": p.judge,
    }
    if not same:
        changes |= {
            **_FROM_NOTHING,
            "since": at,
            "author": p.by,
            "closed": r.closed and p.candidate == r.candidate,
        }
    return r.model_copy(update=changes)


_FROM_NOTHING: dict[str, Any] = {
    "share": 0,
    "shadow": 0,
    "step": -1,
    "step_since": None,
    "held": "",
    "override": "",
    "ticks": (),
    "evidence": trusted(Evidence),
    "shadows": (),
}


def _moved(r: Rollout, p: ev.RolloutMoved, at: datetime) -> Rollout:
    if p.share and not r.has_open_candidate:
        raise Refused(f"rollout {r.name} has no open candidate")
    return r.model_copy(
        update={
            "share": p.share,
            "shadow": p.shadow,
            "step": p.step,
            "step_since": at if p.step != r.step else r.step_since,
            "held": "" if p.step != r.step else r.held,
            "override": p.override or (r.override if p.share else ""),
        }
    )


def _held(r: Rollout, p: ev.RolloutHeld, at: datetime) -> Rollout:
    return r.model_copy(update={"held": p.why})


def _ticked(r: Rollout, p: ev.ChecklistTicked, at: datetime) -> Rollout:
    if p.checklist == "promotion":
        return r.model_copy(update={"ticks": _with_tick(r.ticks, p)})
    newest = r.rollbacks[-1]
    ticked = newest.model_copy(update={"ticks": _with_tick(newest.ticks, p)})
    return r.model_copy(update={"rollbacks": (*r.rollbacks[:-1], ticked)})


def _with_tick(ticks: tuple[Tick, ...], p: ev.ChecklistTicked) -> tuple[Tick, ...]:
    others = tuple(tick for tick in ticks if tick.item != p.tick.item)
    return (*others, p.tick) if p.done else others


def _rolled_back(r: Rollout, p: ev.RolledBack, at: datetime) -> Rollout:
    rollback = p.rollback.model_copy(update={"at": at})
    if not rollback.frozen:
        rollback = rollback.model_copy(update={"stopped_at": at})
    return r.model_copy(
        update={
            "share": 0,
            "shadow": 0,
            "step": -1,
            "step_since": None,
            "held": "",
            "override": "",
            "shadows": (),
            "closed": r.candidate is not None,
            "rollbacks": (*r.rollbacks, rollback)[-MOST_ROLLBACKS:],
        }
    )


def _stopped(r: Rollout, p: ev.CandidateStopped, at: datetime) -> Rollout:
    def stop(rollback: Rollback) -> Rollback:
        if rollback.number != p.number or rollback.stopped_at is not None:
            return rollback
        return rollback.model_copy(update={"stopped_at": at})

    return r.model_copy(update={"rollbacks": tuple(map(stop, r.rollbacks))})


def _reopened(r: Rollout, p: ev.CandidateReopened, at: datetime) -> Rollout:
    return r.model_copy(update={**_FROM_NOTHING, "since": at, "closed": False, "author": p.by})


def _adopted(r: Rollout, p: ev.CandidateAdopted, at: datetime) -> Rollout:
    if r.candidate is None or r.closed:
        raise Refused(f"rollout {r.name} has no open candidate")
    changes = {
        **_FROM_NOTHING,
        "since": at,
        "stable": r.candidate,
        "candidate": None,
        "author": p.by,
    }
    return r.model_copy(update=changes)


def _judge_asked(r: Rollout, p: ev.JudgeAsked, at: datetime) -> Rollout:
    shadows = tuple(
        s.model_copy(update={"judge": p.judge}) if s.run_id == p.shadow else s for s in r.shadows
    )
    return r.model_copy(update={"shadows": shadows})


def _compared(r: Rollout, p: ev.ComparisonRecorded, at: datetime) -> Rollout:
    left = tuple(s for s in r.shadows if s.run_id != p.result.shadow)
    if len(left) == len(r.shadows):
        return r  # of a candidate that has been replaced meanwhile
    hour = p.result.at.replace(minute=0, second=0, microsecond=0)
    agrees = p.result.comparison.agrees
    field = {True: "agreed", False: "disagreed", None: "unknown"}[agrees]
    known = {count.hour: count for count in r.evidence.hours}
    count = known.get(hour, HourCount(hour=hour))
    known[hour] = count.model_copy(update={field: getattr(count, field) + 1})
    hours = tuple(sorted(known.values(), key=lambda c: c.hour))[-MOST_HOURS:]
    changed = _with_evidence(r, hours=hours, last_at=p.result.at)
    return changed.model_copy(update={"shadows": left})


_APPLY: dict[type, Callable[[Rollout, Any, datetime], Rollout]] = {
    ev.RolloutConfigured: _configured,
    ev.RolloutMoved: _moved,
    ev.RolloutHeld: _held,
    ev.ChecklistTicked: _ticked,
    ev.RolledBack: _rolled_back,
    ev.CandidateStopped: _stopped,
    ev.CandidateReopened: _reopened,
    ev.CandidateAdopted: _adopted,
    ev.JudgeAsked: _judge_asked,
    ev.ComparisonRecorded: _compared,
}


def counts(rollout: Rollout, now: datetime) -> tuple[int, int, int]:
    """Comparisons that are not too old: agreed, disagreed, unknown."""
    oldest = now - timedelta(hours=rollout.policies.promotion.max_evidence_hours)
    fresh = [c for c in rollout.evidence.hours if c.hour + timedelta(hours=1) > oldest]
    return (
        sum(c.agreed for c in fresh),
        sum(c.disagreed for c in fresh),
        sum(c.unknown for c in fresh),
    )
