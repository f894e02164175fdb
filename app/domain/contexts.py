"""What a step's prompt and conditions are made of, read from the run's state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.domain import flow
from app.domain.gate import Gate
from app.domain.gate_check import score
from app.domain.prompt_context import Context, FailedGate
from app.domain.request import Request
from app.domain.run import Attempt, AttemptState, Cause, Review, RunState, Unit, attempt_key
from app.domain.step import AgentStep, CollectStep, FanOutStep, ReviewStep, WorkingStep


class FlowContext(Context):
    """What every step knows: the request, what flows in, and the outputs before it."""

    def __init__(self, state: RunState, step: str) -> None:
        self._state = state
        self._step = step

    @property
    def request(self) -> Request:
        return self._state.run.request

    @property
    def input(self) -> str:
        return flow.input_of(self._state, self._step)

    @property
    def outputs(self) -> Mapping[str, str]:
        return flow.Outputs(self._state, self._step)


class StepContext(FlowContext):
    """For what a step asks or is asked, and whether it is done at all."""

    @property
    def reasons(self) -> tuple[str, ...]:
        return latest_reasons(self._state)


class AttemptContext(FlowContext):
    """For the newest attempt of an agent's unit."""

    def __init__(self, step: WorkingStep, state: RunState, unit: Unit) -> None:
        super().__init__(state, step.name)
        self._working = step
        self._unit = unit
        self._attempt = state.newest(unit)

    @property
    def attempt(self) -> int:
        return self._attempt.attempt if self._attempt else 1

    @property
    def input(self) -> str:
        return _loop_input(self._state, self._unit) or super().input

    @property
    def _previous(self) -> Attempt | None:
        return _before(self._state, self._unit, self.attempt)

    @property
    def previous(self) -> str | None:
        previous = self._previous
        return previous.output if previous else None

    @property
    def reasons(self) -> tuple[str, ...]:
        if self._attempt is None or self._attempt.cause not in (Cause.REJECTED, Cause.RETRY):
            return ()
        previous = self._previous
        return (previous.reasons if previous else ()) or latest_reasons(self._state)

    @property
    def gate(self) -> FailedGate | None:
        if self._attempt is None or self._attempt.cause is not Cause.GATE:
            return None
        return _failed_gate(self._working, self._previous)

    @property
    def iteration(self) -> int:
        return self._unit.iteration

    @property
    def branch(self) -> str:
        return self._unit.branch

    @property
    def item(self) -> Any:
        return _item(self._working, self._state, self._unit)


class ReviewContext(StepContext):
    """For the agents of a review step."""

    def __init__(self, step: ReviewStep, state: RunState) -> None:
        super().__init__(state, step.name)
        self._of = step.of

    @property
    def attempt(self) -> int:
        return sum(r.step == self._step for r in self._state.reviews.values()) or 1

    @property
    def artefact(self) -> str:
        return flow.output_of(self._state, self._of) or ""

    @property
    def diff(self) -> str:
        newest = self._state.latest(self._of)
        if newest is None or flow.brief(self._state.run, self._of).kind == "fan_out":
            return ""
        return difference(_before(self._state, newest.unit, newest.attempt), newest)


class JudgeContext(FlowContext):
    """For the agent that judges an attempt; `diff` is what the attempt changed."""

    def __init__(self, gate: Gate, review: Review, state: RunState, diff: str) -> None:
        super().__init__(state, review.step)
        self._gate = gate
        self._review = review
        self._diff = diff

    @property
    def artefact(self) -> str:
        review = self._review
        judged = self._state.newest(Unit(review.of, review.of_branch, review.of_iteration))
        return judged.output or "" if judged else ""

    @property
    def diff(self) -> str:
        return self._diff

    @property
    def criteria(self) -> str:
        return self._gate.criteria

    @property
    def attempt(self) -> int:
        return self._review.round


class UntilContext(FlowContext):
    """For a loop's condition, after one of its turns."""

    def __init__(self, state: RunState, attempt: Attempt) -> None:
        super().__init__(state, attempt.step)
        self._ended = attempt

    @property
    def output(self) -> str:
        return self._ended.output or ""

    @property
    def iteration(self) -> int:
        return self._ended.iteration


class CollectContext(FlowContext):
    """For a collect's template."""

    def __init__(self, step: CollectStep, state: RunState, taken: list[flow.Result]) -> None:
        super().__init__(state, step.name)
        self._best_by = step.best_by
        self._taken = taken

    @property
    def results(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(_seen(result, self._best_by) for result in self._taken)


def _seen(result: flow.Result, best_by: str) -> dict[str, Any]:
    return {
        "name": result.name,
        "step": result.step,
        "output": result.output,
        "ok": result.ok,
        "score": score_of(result, best_by) if best_by else None,
    }


def score_of(result: flow.Result, gate: str) -> float | None:
    """The number at the end of a gate's log; None if the gate was not evaluated or has none."""
    gates = result.attempt.gates if result.attempt else ()
    found = [g for g in gates if g.gate == gate]
    return score(found[-1].log) if found else None


def latest_reasons(state: RunState) -> tuple[str, ...]:
    """Why the newest review rejected; reviews that approved have nothing to say."""
    for review in reversed(state.reviews.values()):
        if review.gate:
            continue
        for verdict in reversed(review.verdicts):
            if verdict.decision == "reject":
                return verdict.reasons
    return ()


def _before(state: RunState, unit: Unit, attempt: int) -> Attempt | None:
    """The newest earlier attempt of a unit that produced something."""
    for number in range(attempt - 1, 0, -1):
        key = attempt_key(unit.step, number, unit.branch, unit.iteration)
        earlier = state.attempts.get(key)
        if earlier is not None and earlier.output is not None:
            return earlier
    return None


def _loop_input(state: RunState, unit: Unit) -> str | None:
    if unit.iteration < 2:
        return None
    before = state.newest(unit._replace(iteration=unit.iteration - 1))
    return before.output if before else None


def _failed_gate(step: WorkingStep, previous: Attempt | None) -> FailedGate | None:
    """The gate that sent the previous attempt back: its own, or one of a later gate step."""
    if previous is None:
        return None
    failed = [result for result in previous.gates if not result.passed]
    if not failed:
        log = "\n\n".join(previous.reasons)
        return FailedGate(name="of a later step", criteria="", exit_code=None, log=log)
    spec = {gate.name: gate for gate in step.gates}
    last = failed[-1]
    criteria = spec[last.gate].criteria if last.gate in spec else ""
    return FailedGate(last.gate, criteria, last.exit_code, last.log)


def _item(step: WorkingStep, state: RunState, unit: Unit) -> Any:
    progress = state.steps.get(step.name)
    if isinstance(step, AgentStep) or progress is None:
        return None
    plan = next((plan for plan in progress.branches if plan.name == unit.branch), None)
    return json.loads(plan.item) if plan is not None and plan.item else None


def branch_prompt(step: FanOutStep, unit: Unit) -> str:
    """The template of one branch."""
    declared = {branch.name: branch for branch in step.branches}
    own = declared[unit.branch].prompt if unit.branch in declared else ""
    return own or step.prompt


def difference(before: Attempt | None, after: Attempt | None) -> str:
    """Unified diff of two attempts' outputs."""
    if before is None or after is None or after.state is AttemptState.FAILED:
        return ""
    from difflib import unified_diff  # with the first that has something to compare

    old, new = (before.output or "").splitlines(), (after.output or "").splitlines()
    names = (f"attempt {before.attempt}", f"attempt {after.attempt}")
    return "\n".join(unified_diff(old, new, *names, lineterm=""))
