"""Reading a workflow file and refusing, at once, what could only fail in the middle of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.domain.config import Found, repeated
from app.domain.step import AgentStep, CallStep, CollectStep, FanOutStep, WorkflowStep
from app.domain.step_check import Surroundings, step_problems
from app.domain.toml_messages import not_among
from app.domain.toml_source import load_toml, refuse
from app.domain.workflow import Workflow


def parse_workflow(text: str, source: str, agents: Sequence[str] | None = None) -> Workflow:
    """Read and check a workflow; `source` names the file in errors, `agents` the agents there are
    (None: agents are not checked). Raises ConfigError."""
    workflow = load_toml(text, source, Workflow)
    refuse(text, source, workflow_problems(workflow, agents))
    return workflow


def workflow_problems(workflow: Workflow, agents: Sequence[str] | None) -> Found:
    """All that is wrong with a workflow by itself, each with its place in the file."""
    for i, name in repeated([step.name for step in workflow.steps]):
        yield ("step", i, "name"), f'there is a step "{name}" already'
    found = list(_needs(workflow))
    yield from found
    if found:
        return  # what comes before what is not known
    around = Surroundings(workflow, agents)
    for i, step in enumerate(workflow.steps):
        yield from step_problems(("step", i), step, around)
    if workflow.enforce:
        yield from _unguarded(workflow)


def _needs(workflow: Workflow) -> Found:
    """Only steps earlier in the file may be needed, so that there is no circle."""
    for i, step in enumerate(workflow.steps):
        earlier = [s.name for s in workflow.steps[:i]]
        for k, name in enumerate(step.needs or ()):
            if name not in earlier:
                what = f'"{name}" is not a step before this one'
                yield ("step", i, "needs", k), not_among(what, name, earlier)
        for k, name in repeated(step.needs or ()):
            yield ("step", i, "needs", k), f'"{name}" is named twice'


def _unguarded(workflow: Workflow) -> Found:
    for i, step in enumerate(workflow.steps):
        if isinstance(step, AgentStep | FanOutStep | CollectStep | CallStep) and not step.gates:
            what = "enforce = true wants a gate on every step that produces something; "
            yield ("step", i), f"{what}add [[step.gate]] to {step.name}"


def sub_workflow_problems(workflow: Workflow, known: Mapping[str, Workflow]) -> Found:
    """Sub-workflows that do not exist, are switched off, or would start themselves."""
    for i, step in enumerate(workflow.steps):
        if not isinstance(step, WorkflowStep):
            continue
        at = ("step", i, "workflow")
        if step.workflow not in known:
            yield at, not_among(f'no workflow "{step.workflow}"', step.workflow, known)
        elif not known[step.workflow].enabled:
            yield at, f'workflow "{step.workflow}" is switched off (enabled = false in its file)'
        elif workflow.enforce and not known[step.workflow].enforce:
            what = "enforce = true wants a gate on every step that produces something; "
            yield at, f'{what}set it in the file of workflow "{step.workflow}" too'
        elif workflow.name in _started(step.workflow, known):
            yield at, f'workflow "{step.workflow}" starts "{workflow.name}" again, without end'


def _started(name: str, known: Mapping[str, Workflow]) -> set[str]:
    """The workflows that one starts, itself included, and those that these start."""
    found, todo = set[str](), [name]
    while todo:
        current = todo.pop()
        if current in found or current not in known:
            continue
        found.add(current)
        steps = known[current].steps
        todo += [step.workflow for step in steps if isinstance(step, WorkflowStep)]
    return found
