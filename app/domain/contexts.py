"""What a step's prompt and conditions are made of, read from the run's state."""

from __future__ import annotations

import difflib
import json
from typing import Any

from app.domain import flow
from app.domain.gate import Gate
from app.domain.gate_check import score
from app.domain.prompts import FailedGate, PromptContext
from app.domain.run import Attempt, AttemptState, Cause, Review, RunState, Unit
from app.domain.step import AgentStep, CollectStep, FanOutStep, ReviewStep, WorkingStep


def step_context(state: RunState, step: str) -> PromptContext:
    """What every step knows: the request, what flows in, and the outputs before it."""
    return PromptContext(
        request=state.run.request,
        input=flow.input_of(state, step),
        outputs=flow.outputs(state, flow.upstream(state.run, step)),
        reasons=latest_reasons(state),
    )


def attempt_context(step: WorkingStep, state: RunState, unit: Unit) -> PromptContext:
    """For the newest attempt of an agent's unit."""
    current = state.newest(unit)
    number = current.attempt if current else 1
    previous = _before(state, unit, number)
    cause = current.cause if current else Cause.FIRST
    shared = step_context(state, step.name)
    return PromptContext(
        request=shared.request,
        input=_loop_input(state, unit) or shared.input,
        # A workflow without `needs` may also look at what a later step said the round before.
        outputs=shared.outputs,
        previous=previous.output if previous else None,
        reasons=_reasons(state, previous) if cause in (Cause.REJECTED, Cause.RETRY) else (),
        gate=_failed_gate(step, previous) if cause is Cause.GATE else None,
        attempt=number,
        iteration=unit.iteration,
        branch=unit.branch,
        item=_item(step, state, unit),
    )


def review_context(step: ReviewStep, state: RunState) -> PromptContext:
    """For the agents of a review step."""
    rounds = [r for r in state.reviews.values() if r.step == step.name]
    artefact = flow.output_of(state, step.of) or ""
    newest = state.latest(step.of)
    before = _before(state, newest.unit, newest.attempt) if newest else None
    fan_out = flow.brief(state.run, step.of).kind == "fan_out"
    shared = step_context(state, step.name)
    return PromptContext(
        request=shared.request,
        input=shared.input,
        outputs=shared.outputs,
        reasons=shared.reasons,
        artefact=artefact,
        diff="" if fan_out else difference(before, newest),
        attempt=len(rounds) or 1,
    )


def judge_context(gate: Gate, review: Review, state: RunState, diff: str) -> PromptContext:
    """For the agent that judges an attempt; `diff` is what the attempt changed."""
    judged = state.newest(Unit(review.of, review.of_branch, review.of_iteration))
    shared = step_context(state, review.step)
    return PromptContext(
        request=shared.request,
        input=shared.input,
        outputs=shared.outputs,
        artefact=judged.output or "" if judged else "",
        diff=diff,
        criteria=gate.criteria,
        attempt=review.round,
    )


def until_context(state: RunState, attempt: Attempt) -> PromptContext:
    """For a loop's condition, after one of its turns."""
    shared = step_context(state, attempt.step)
    return PromptContext(
        request=shared.request,
        input=shared.input,
        outputs=shared.outputs,
        output=attempt.output or "",
        iteration=attempt.iteration,
    )


def collect_context(step: CollectStep, state: RunState, taken: list[flow.Result]) -> PromptContext:
    """For a collect's template."""
    shared = step_context(state, step.name)
    return PromptContext(
        request=shared.request,
        input=shared.input,
        outputs=shared.outputs,
        results=tuple(_seen(result, step.best_by) for result in taken),
    )


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


def _reasons(state: RunState, previous: Attempt | None) -> tuple[str, ...]:
    return (previous.reasons if previous else ()) or latest_reasons(state)


def _before(state: RunState, unit: Unit, attempt: int) -> Attempt | None:
    """The newest earlier attempt of a unit that produced something."""
    if attempt <= 1:
        return None
    earlier = (a for a in reversed(state.attempts.values()) if a.unit == unit)
    return next((a for a in earlier if a.attempt < attempt and a.output is not None), None)


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
    old, new = (before.output or "").splitlines(), (after.output or "").splitlines()
    names = (f"attempt {before.attempt}", f"attempt {after.attempt}")
    return "\n".join(difflib.unified_diff(old, new, *names, lineterm=""))
