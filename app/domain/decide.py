"""What a run does next: a pure function of its recipe and its committed state.

The engine asks, carries the directives out (those of different units side by side), commits what
came of each, and asks again. A crash in between changes nothing: the same state gives the same
directives.
"""

from __future__ import annotations

from app.domain import directives as do
from app.domain.contexts import StepContext
from app.domain.decide_collect import collect_step, enough
from app.domain.decide_review import review_step
from app.domain.decide_unit import (
    agent_step,
    call_step,
    child_step,
    fan_out_step,
    finish,
    gate_step,
    is_unable,
    question_step,
)
from app.domain.errors import ConfigError
from app.domain.prompts import holds
from app.domain.run import AttemptState, Blocked, ReviewState, RunState, StepState, Unit
from app.domain.step import (
    AgentStep,
    AnyStep,
    CallStep,
    CollectStep,
    FanOutStep,
    GateStep,
    QuestionStep,
    ReviewStep,
)
from app.domain.task_state import TaskState
from app.domain.usage import count, money
from app.domain.workflow import Recipe, Workflow

_WHOLE = Unit("")


def decide(recipe: Recipe, state: RunState) -> tuple[do.Directive, ...]:
    """The next things to do for a run. Only `Wait` and `Held` among them: nothing to do."""
    run = state.run
    if run.state is TaskState.PENDING:
        return (do.Begin(),)
    if run.state is not TaskState.IN_PROGRESS:
        return (do.Wait(_WHOLE, f"the run is {run.state}"),)
    if run.base_commit is None:
        return (do.PinBase(),)
    workflow = recipe.workflow
    return _stop(workflow, state) or _budgeted(workflow, state, _steps(workflow, state))


def _stop(workflow: Workflow, state: RunState) -> tuple[do.Directive, ...]:
    if state.attempts.fatal:
        for attempt in state.attempts.values():
            if attempt.fatal and attempt.blocked is not None:
                return (do.Stop(TaskState.FAILED, attempt.blocked),)
    limit = workflow.timeout_seconds
    if limit is not None and state.worked_seconds >= limit and _unfinished(workflow, state):
        message = f"its agents have worked {limit:g} s (timeout_seconds of {workflow.name})"
        blocked = Blocked(kind="timeout", message=message, step=state.run.current_step)
        return (do.Stop(TaskState.BLOCKED, blocked),)
    return ()


def _budgeted(
    workflow: Workflow, state: RunState, found: tuple[do.Directive, ...]
) -> tuple[do.Directive, ...]:
    """`found`, unless an agent would be paid beyond the run's budget. What costs nothing more (a
    gate, a finished step, an answer) goes on."""
    if workflow.max_tokens is None and workflow.max_cost_usd is None:
        return found
    paid = any(isinstance(directive, do.RunTurn) for directive in found)
    if not paid or not (message := _overspent(workflow, state)):
        return found
    message += "; who retries it grants as much again"
    blocked = Blocked(kind="budget", message=message, step=state.run.current_step)
    return (do.Stop(TaskState.BLOCKED, blocked),)


def _overspent(workflow: Workflow, state: RunState) -> str:
    """Which budget is used up, in words; "" when none is."""
    tokens, dollars = workflow.max_tokens, workflow.max_cost_usd
    if tokens is not None and state.spent_tokens >= tokens:
        spent = count(state.spent_tokens)
        return f"its agents have used {spent} tokens (max_tokens of {workflow.name}: {tokens:,})"
    if dollars is not None and state.spent_usd >= dollars:
        return (
            f"its agents have cost {money(state.spent_usd)} (max_cost_usd of {workflow.name}: "
            f"{dollars:g})"
        )
    return ""


def _unfinished(workflow: Workflow, state: RunState) -> bool:
    return not all(state.finished(step.name) for step in workflow.steps)


def _steps(workflow: Workflow, state: RunState) -> tuple[do.Directive, ...]:
    needs, finished = workflow.needs(), state.steps.finished
    found: list[do.Directive] = []
    for step in workflow.steps:
        if step.name not in finished and _ready(step, needs[step.name], state):
            found += _step(step, state)
    if not found and not _unfinished(workflow, state):
        return (do.Complete(),)
    held = [d for d in found if isinstance(d, do.Held)]
    if held and len(held) == len(found):
        return (do.Stop(TaskState.BLOCKED, held[0].blocked),)
    return tuple(found)


def _ready(step: AnyStep, needs: tuple[str, ...], state: RunState) -> bool:
    if isinstance(step, CollectStep):
        others = [name for name in needs if name not in step.of]
        return state.steps.finished.issuperset(others) and enough(step, state)
    return state.steps.finished.issuperset(needs)


def _step(step: AnyStep, state: RunState) -> list[do.Directive]:
    if step.when and (unmet := _unmet(step, state)) is not None:
        return [unmet]
    match step:
        case AgentStep():
            return agent_step(step, state)
        case FanOutStep():
            return fan_out_step(step, state)
        case CollectStep():
            return collect_step(step, state)
        case ReviewStep():
            return review_step(step, state)
        case GateStep():
            return gate_step(step, state)
        case QuestionStep():
            return question_step(step, state)
        case CallStep():
            return call_step(step, state)
        case _:
            return child_step(step, state)


def _unmet(step: AnyStep, state: RunState) -> do.Directive | None:
    """What becomes of a step whose condition does not hold, or cannot be evaluated; None when it
    is to be done."""
    unit = Unit(step.name)
    attempt = state.newest(unit)
    unable = attempt is not None and is_unable(attempt)
    if attempt is not None and unable and attempt.blocked is not None:
        return do.Held(unit, attempt.blocked)
    if attempt is not None and unable and attempt.state.over:
        return finish(unit, attempt)  # a person has skipped it
    if not unable and _begun(step, state):
        return None
    try:
        if holds(step.when, "when", StepContext(state, step.name), step.name):
            return None
    except ConfigError as error:
        return do.Unable(unit, str(error))
    reason = f"its condition does not hold: {step.when}"
    return do.FinishStep(unit, state=StepState.SKIPPED, reason=reason)


def _begun(step: AnyStep, state: RunState) -> bool:
    """Whether its condition has been found to hold: it is asked once each time."""
    if isinstance(step, ReviewStep):
        open_reviews = [r for r in state.reviews.values() if r.state is ReviewState.OPEN]
        return any(review.step == step.name and not review.gate for review in open_reviews)
    attempt = state.latest(step.name)
    begun = attempt is not None and attempt.state is not AttemptState.STALE
    return begun or step.name in state.steps
