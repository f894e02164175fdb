"""What a run's recipe says of the turns of one step, or of a gate's judge: read once a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from app.domain.flow import owner
from app.domain.run import RunState, Unit
from app.domain.step import AgentStep, FanOutStep, OnError, Retry, ReviewStep
from app.domain.verdict import VERDICT_SCHEMA
from app.domain.workflow import AgentConfig, Recipe

_PROMPTED = (AgentStep, FanOutStep, ReviewStep)


class Assignment(Struct, frozen=True):
    """An agent's work for a step; the same for all its units, attempts and turns."""

    agent: AgentConfig
    judges: str  # the step that a gate's judge looks at; "" for a step's own agents
    limits: Mapping[str, int]  # how many may be at work, by what limits them; 0: no limit
    timeout_seconds: float  # of an attempt
    step_timeout_seconds: float | None  # of a unit's attempts together
    timeout_of_run: float | None
    run_limit: str  # the key that says so
    retry: Retry
    on_error: OnError
    output_schema: Mapping[str, Any] | None  # of the answer, where that is a structured verdict
    produces: bool  # its result is the step's own work, and no verdict
    gated: bool  # and gates look at it

    def allowance(self, state: RunState, unit: Unit) -> tuple[float, str]:
        """How long a turn may take, in seconds, and the key that says so."""
        seconds, key = self.timeout_seconds, "timeout_seconds"
        if self.step_timeout_seconds is not None:
            spent = sum(a.worked_seconds for a in state.attempts.of(unit))
            left = max(0.0, self.step_timeout_seconds - spent)
            if left < seconds:
                seconds, key = left, "step_timeout_seconds"
        if self.timeout_of_run is not None:
            left = max(0.0, self.timeout_of_run - state.worked_seconds)
            if left < seconds:
                seconds, key = left, self.run_limit
        return seconds, key


def assignment(recipe: Recipe, step_name: str, agent_name: str, project: str) -> Assignment:
    """Raises KeyError for a step or an agent that the recipe does not have."""
    workflow, agent = recipe.workflow, recipe.agent(agent_name)
    step, judges = workflow.step(owner(step_name)), owner(step_name) != step_name
    if judges:
        gates = {gate.name: gate for gate in getattr(step, "gates", ())}
        seconds, step_seconds = gates[step_name.partition(".")[2]].timeout_seconds, None
    elif isinstance(step, _PROMPTED):
        seconds, step_seconds = step.timeout_seconds, step.step_timeout_seconds
    else:
        raise AssertionError(f"step {step.name} has no agent")
    own = step if not judges and isinstance(step, AgentStep | FanOutStep) else None
    verdict = judges or (isinstance(step, ReviewStep) and not step.reject_if_contains)
    return Assignment(
        agent=agent,
        judges=owner(step_name) if judges else "",
        limits={
            f"workflow {workflow.name}": workflow.max_parallel,
            f"agent {agent.name} of {project}": agent.max_parallel,
        },
        timeout_seconds=seconds,
        step_timeout_seconds=step_seconds,
        timeout_of_run=workflow.timeout_seconds,
        run_limit=f"timeout_seconds of {workflow.name}",
        retry=step.retry if isinstance(step, _PROMPTED) else Retry(),
        on_error=own.on_error if own else "block",
        output_schema=VERDICT_SCHEMA if verdict else None,
        produces=own is not None,
        gated=own is not None and bool(own.gates),
    )
