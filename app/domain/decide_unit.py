"""What a step's units do next: attempts, turns of its agent, gates, loops, branches."""

from __future__ import annotations

from typing import Literal

from app.domain import directives as do
from app.domain.contexts import UntilContext
from app.domain.decide_review import judged_gate
from app.domain.decide_turn import next_attempt, turn
from app.domain.errors import ConfigError
from app.domain.flow import commits, iteration_of
from app.domain.gate import Gate
from app.domain.prompts import holds
from app.domain.run import (
    Attempt,
    AttemptState,
    Blocked,
    BranchPlan,
    Cause,
    FailureKind,
    QuestionState,
    RunState,
    StepState,
    Unit,
)
from app.domain.step import (
    AgentStep,
    CallStep,
    CollectStep,
    FanOutStep,
    GateStep,
    QuestionStep,
    WorkflowStep,
)

_Gated = AgentStep | FanOutStep | CollectStep | GateStep | CallStep
_Left = Literal[StepState.SKIPPED, StepState.CANCELED]
_LEFT: dict[AttemptState, _Left] = {
    AttemptState.SKIPPED: StepState.SKIPPED,
    AttemptState.CANCELED: StepState.CANCELED,
}


def agent_step(step: AgentStep, state: RunState) -> list[do.Directive]:
    """For a step of one agent; the turns of its loop come one after another."""
    if step.loop is not None:
        return _loop(step, state)
    unit = Unit(step.name)
    attempt = state.newest(unit)
    if attempt is not None and attempt.state.over:
        return [finish(unit, attempt)]
    return [_working(step, unit, step.agent, state) or _passed(unit, attempt)]


def _passed(unit: Unit, attempt: Attempt | None) -> do.FinishStep:
    assert attempt is not None
    found = (attempt.commit,) if attempt.commit else ()
    return do.FinishStep(unit, attempt.attempt, commits=found)


def is_unable(attempt: Attempt) -> bool:
    """Whether it stands for a condition that could not be evaluated."""
    failure = attempt.failure
    return failure is not None and failure.kind is FailureKind.CONDITION


def finish(unit: Unit, attempt: Attempt) -> do.FinishStep:
    """For a unit that is over: a value that was given instead counts as a result."""
    left = _LEFT.get(attempt.state)
    if left is None or (left is StepState.SKIPPED and attempt.given):
        return do.FinishStep(unit, commits=(attempt.commit,) if attempt.commit else ())
    reason = attempt.failure.message if attempt.failure else ""
    return do.FinishStep(unit, state=left, reason=reason)


def _loop(step: AgentStep, state: RunState) -> list[do.Directive]:
    assert step.loop is not None
    unit = Unit(step.name, "", iteration_of(state, step.name))
    attempt = state.newest(unit)
    if attempt is None or not attempt.state.over:
        return [_working(step, unit, step.agent, state) or do.PassAttempt(unit, _number(attempt))]
    if attempt.state is not AttemptState.PASSED:
        return [finish(Unit(step.name), attempt)]
    found = (attempt.commit,) if attempt.commit else ()
    try:
        ended = holds(step.loop.until, "until", UntilContext(state, attempt), step.name)
    except ConfigError as error:
        return [do.Unable(unit, str(error))]
    if ended:
        return [do.FinishStep(Unit(step.name), reason="until_met", commits=found)]
    if unit.iteration >= step.loop.max_iterations:
        return [do.FinishStep(Unit(step.name), reason="max_iterations_reached", commits=found)]
    following = unit._replace(iteration=unit.iteration + 1)
    stale = state.newest(following)
    if stale is not None:
        return [do.StartAttempt(following, stale.attempt + 1, Cause.FIRST)]
    return [turn(following, 1, step.agent, state)]


def _number(attempt: Attempt | None) -> int:
    return attempt.attempt if attempt else 0


def fan_out_step(step: FanOutStep, state: RunState) -> list[do.Directive]:
    """Its branches are planned once, work side by side (at most `max_parallel` of them), and are
    brought together when all are over."""
    progress = state.steps.get(step.name)
    if progress is None:
        return [_plan(step, state)]
    open_branches = [p for p in progress.branches if p.name not in progress.canceled]
    found: list[do.Directive] = []
    for plan in open_branches:
        unit = Unit(step.name, plan.name)
        attempt = state.newest(unit)
        if attempt is None or not attempt.state.over:
            passed = do.PassAttempt(unit, _number(attempt))
            found.append(_working(step, unit, plan.agent, state) or passed)
    if not found:
        return [_fan_in(step, state, open_branches)]
    return _at_most(step.max_parallel, found, state)


def _plan(step: FanOutStep, state: RunState) -> do.Directive:
    """An attempt without a branch is there only when the list could not be read."""
    unit = Unit(step.name)
    attempt = state.newest(unit)
    if attempt is not None and attempt.blocked is not None:
        return do.Held(unit, attempt.blocked)
    if attempt is not None and attempt.state is AttemptState.SKIPPED:
        return finish(unit, attempt)
    return do.PlanBranches(unit)


def _fan_in(step: FanOutStep, state: RunState, plans: list[BranchPlan]) -> do.Directive:
    """An attempt without a branch is there only when the branches' work could not be merged;
    skipped, it stays on their own branches."""
    unit = Unit(step.name)
    merging = state.newest(unit)
    if merging is not None and merging.blocked is not None:
        return do.Held(unit, merging.blocked)
    apart = merging is not None and merging.state is AttemptState.SKIPPED
    attempts = [state.newest(Unit(step.name, plan.name)) for plan in plans]
    found = [a.commit for a in attempts if a and a.commit and a.state is AttemptState.PASSED]
    merged = step.merge and not apart
    return do.FinishStep(unit, commits=tuple(dict.fromkeys(found)) if merged else ())


def _at_most(limit: int, found: list[do.Directive], state: RunState) -> list[do.Directive]:
    """Those branches first that have begun; what is held does not count."""
    if not limit:
        return found
    held = [d for d in found if isinstance(d, do.Held)]
    open_units = [d for d in found if not isinstance(d, do.Held)]
    open_units.sort(key=lambda d: _fresh(d, state))
    return [*held, *open_units[:limit]]


def _fresh(directive: do.Directive, state: RunState) -> bool:
    return isinstance(directive, do.RunTurn) and state.newest(directive.unit) is None


def gate_step(step: GateStep, state: RunState) -> list[do.Directive]:
    """A step without an agent: what flows into it is its output, which its gates check."""
    unit = Unit(step.name)
    attempt = state.newest(unit)
    if attempt is not None and attempt.state.over:
        return [finish(unit, attempt)]
    if attempt is None or attempt.state in (AttemptState.STALE, AttemptState.REJECTED):
        return [do.StartAttempt(unit, _number(attempt) + 1, Cause.FIRST)]
    if attempt.blocked is not None:
        return [do.Held(unit, attempt.blocked)]
    if attempt.state is AttemptState.OPEN:
        return [do.TakeInput(unit, attempt.attempt)]
    if attempt.state is AttemptState.FAILED:
        return [do.StartAttempt(unit, attempt.attempt + 1, Cause.RETRY)]
    return [gates(step, unit, attempt, state) or _passed(unit, attempt)]


def question_step(step: QuestionStep, state: RunState) -> list[do.Directive]:
    """Each attempt asks its question once, and waits; the operator's answer is its output."""
    unit = Unit(step.name)
    attempt = state.newest(unit)
    if attempt is not None and attempt.state.over:
        return [finish(unit, attempt)]
    if attempt is not None and attempt.blocked is not None:
        return [do.Held(unit, attempt.blocked)]
    if attempt is None or not attempt.state.live:
        return [do.StartAttempt(unit, _number(attempt) + 1, Cause.FIRST)]
    if attempt.state is AttemptState.PRODUCED:
        return [do.FinishStep(unit, attempt.attempt, commits=_inherited(step.name, state))]
    asked = any(
        question.step == step.name
        and question.attempt == attempt.attempt
        and question.state is QuestionState.OPEN
        for question in state.questions.values()
    )
    if asked:
        return [do.Wait(unit, "the question waits for the operator")]
    return [do.Ask(unit, attempt.attempt)]


def child_step(step: WorkflowStep, state: RunState) -> list[do.Directive]:
    """Each attempt starts one run of the sub-workflow, and waits for what becomes of it."""
    unit = Unit(step.name)
    attempt = state.newest(unit)
    if attempt is not None and attempt.state.over:
        return [finish(unit, attempt)]
    if attempt is None or attempt.state in (AttemptState.STALE, AttemptState.REJECTED):
        return [do.StartAttempt(unit, _number(attempt) + 1, Cause.FIRST)]
    if attempt.blocked is not None:
        return [do.Held(unit, attempt.blocked)]
    if attempt.state is AttemptState.FAILED:
        return [do.StartAttempt(unit, attempt.attempt + 1, Cause.RETRY)]
    if attempt.state is AttemptState.PRODUCED:
        return [_passed(unit, attempt)]
    if attempt.child is None:
        return [do.StartChild(unit, attempt.attempt)]
    return [do.Wait(unit, f"run {attempt.child} is at work for it")]


def call_step(step: CallStep, state: RunState) -> list[do.Directive]:
    """Each attempt makes its call, whose answer is its output; its gates check that."""
    unit = Unit(step.name)
    attempt = state.newest(unit)
    if attempt is None:
        return [do.StartAttempt(unit, 1, Cause.FIRST)]
    if attempt.state.over:
        return [finish(unit, attempt)]
    if attempt.blocked is not None:
        return [do.Held(unit, attempt.blocked)]
    if attempt.state is AttemptState.OPEN:
        return [do.MakeCall(unit, attempt.attempt)]
    if attempt.state is AttemptState.PRODUCED:
        passed = do.FinishStep(unit, attempt.attempt, commits=_inherited(step.name, state))
        return [gates(step, unit, attempt, state) or passed]
    return [next_attempt(attempt, otherwise=_cause(attempt))]


def _inherited(step: str, state: RunState) -> tuple[str, ...]:
    """The work that a step passes on which does none itself."""
    return tuple(commits(state, state.run.needs().get(step, ())))


def _working(
    step: AgentStep | FanOutStep, unit: Unit, agent: str, state: RunState
) -> do.Directive | None:
    """For a unit that an agent works on; None when all that is left is to pass."""
    attempt = state.newest(unit)
    if attempt is None:
        return turn(unit, 1, agent, state)
    if attempt.blocked is not None:
        return do.Held(unit, attempt.blocked)
    if attempt.state is AttemptState.OPEN:
        return turn(unit, attempt.attempt, agent, state)
    if attempt.state is AttemptState.PRODUCED:
        return gates(step, unit, attempt, state)
    return next_attempt(attempt, otherwise=_cause(attempt))


def _cause(previous: Attempt) -> Cause:
    if previous.gates and not previous.gates[-1].passed:
        return Cause.GATE
    return Cause.GATE if previous.by_gate else Cause.REJECTED


def gates(step: _Gated, unit: Unit, attempt: Attempt, state: RunState) -> do.Directive | None:
    """The next gate of an attempt that has an output; None when all have passed."""
    if attempt.blocked is not None:
        return do.Held(unit, attempt.blocked)
    for gate in step.gates:
        results = [r for r in attempt.gates if r.gate == gate.name]
        if not results:
            if gate.judged:
                return judged_gate(gate, unit, attempt, state)
            return do.RunGate(unit, attempt.attempt, gate)
        if not results[-1].passed:
            return _gate_failed(step, unit, attempt, gate, state)
    return None


def _gate_failed(
    step: _Gated, unit: Unit, attempt: Attempt, gate: Gate, state: RunState
) -> do.Directive:
    result = attempt.gates[-1]
    if not result.could_start:
        blocked = Blocked(kind="gate_start", message=result.log, step=step.name, branch=unit.branch)
        return do.Block(unit, attempt.attempt, blocked)
    counter = f"{step.name}/{gate.name}" if step.kind == "gate" else f"{unit}/{gate.name}"
    returned = state.returns.get(counter, 0)
    target = _return_target(step)
    if gate.on_failure == "return" and target and returned < gate.max_returns:
        reasons = () if target == step.name else (f"gate {gate.name} of {step.name}: {result.log}",)
        return do.SendBack(unit, target, gate.name, reasons)
    times = "1 return" if returned == 1 else f"{returned} returns"
    tries = f" after {times}" if gate.on_failure == "return" and target else ""
    message = f"step {unit}: gate {gate.name} failed in attempt {attempt.attempt}{tries}"
    if step.on_error == "skip":
        return do.GiveUp(unit, attempt.attempt, message)
    blocked = Blocked(kind="gate", message=message, step=step.name, branch=unit.branch)
    fatal = gate.on_failure == "fail" or step.on_error == "fail"
    return do.Block(unit, attempt.attempt, blocked, fatal)


def _return_target(step: _Gated) -> str:
    if isinstance(step, GateStep):
        return step.return_to
    return "" if isinstance(step, CollectStep) else step.name
