"""What a workflow takes along: the agents that it names, and the workflows that it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from app.domain.step import (
    OPERATOR,
    AgentStep,
    AnyStep,
    FanOutStep,
    ReviewStep,
    WorkflowStep,
    WorkingStep,
)
from app.domain.workflow import Workflow


def agents_of(workflow: Workflow) -> Iterator[str]:
    """The agents that its own steps name: those that work, review and judge."""
    for step in workflow.steps:
        yield from workers(step)
        for gate in getattr(step, "gates", ()):
            if gate.judge:
                yield gate.judge


def workers(step: AnyStep) -> Iterator[str]:
    """The agents that work in a step, once for each branch."""
    match step:
        case AgentStep():
            yield step.agent
        case FanOutStep():
            yield from (branch.agent or step.agent for branch in step.branches)
            if step.for_each:
                yield step.agent
        case ReviewStep():
            yield from (name for name in step.by if name != OPERATOR)
        case _:
            return


def first_work(workflow: Workflow) -> WorkingStep | None:
    """The first step in which an agent works: the one that takes a past session up."""
    return next((step for step in workflow.steps if isinstance(step, WorkingStep)), None)


def parts_of(workflow: Workflow, known: Mapping[str, Workflow]) -> tuple[Workflow, ...]:
    """The workflows that its steps start, and theirs, each once; unknown ones are left out."""
    found: dict[str, Workflow] = {}
    todo = [workflow]
    while todo:
        for step in todo.pop().steps:
            if isinstance(step, WorkflowStep) and step.workflow in known:
                part = known[step.workflow]
                if part.name not in found:
                    found[part.name] = part
                    todo.append(part)
    return tuple(found.values())
