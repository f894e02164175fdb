"""A workflow as a person reads it: its graph of steps, and what leads to it."""

from collections.abc import Iterator

from app.domain.base import Model
from app.domain.config import Config
from app.domain.recipes import workers
from app.domain.routing import RouteRule
from app.domain.step import (
    AgentStep,
    AnyStep,
    CallStep,
    CollectStep,
    FanOutStep,
    ReviewStep,
    WorkflowStep,
)
from app.domain.workflow import Workflow


class StepShown(Model):
    """One step: what it waits for, who works in it, and how it can end other than well."""

    name: str
    kind: str
    needs: tuple[str, ...]
    agents: tuple[str, ...]
    when: str
    gates: tuple[str, ...]
    details: tuple[str, ...]


class WorkflowShown(Model):
    """A workflow of a project. `routes` are those that lead to it, in the order of the file."""

    name: str
    file: str
    enabled: bool
    description: str
    routes: tuple[str, ...]
    steps: tuple[StepShown, ...]
    notes: tuple[str, ...]


def show_workflow(
    workflow: Workflow, config: Config | None, file: str, notes: tuple[str, ...] = ()
) -> WorkflowShown:
    """What `longwatch workflow show` tells. `notes` are those of an import; without a `config`
    nothing is known of routes."""
    needs = workflow.needs()
    return WorkflowShown(
        name=workflow.name,
        file=file,
        enabled=workflow.enabled,
        description=workflow.description,
        routes=routes_to(workflow.name, config) if config is not None else (),
        steps=tuple(_step(step, needs[step.name]) for step in workflow.steps),
        notes=notes,
    )


def routes_to(workflow: str, config: Config) -> tuple[str, ...]:
    """Why a request would get this workflow, a line for each way."""
    found = [
        f"route {number}: {_conditions(route)}"
        for number, route in enumerate(config.route, 1)
        if route.workflow == workflow
    ]
    default = ["the default, when no route matches"] if config.default_workflow == workflow else []
    paths = list(_paths_of(workflow, config))
    return (*found, *default, *paths)


def _paths_of(workflow: str, config: Config) -> Iterator[str]:
    for entry in config.rollout:
        if entry.stable_path.workflow == workflow:
            yield f"rollout {entry.name}: its stable path"
        if entry.candidate_workflow == workflow:
            yield f"rollout {entry.name}: its candidate"


def _conditions(route: RouteRule) -> str:
    data = route.model_dump(mode="json", exclude_defaults=True, exclude={"workflow"})
    told = [f"{key} {', '.join(v) if isinstance(v, list) else v}" for key, v in data.items()]
    return ", ".join(told) or "every request"


def _step(step: AnyStep, needs: tuple[str, ...]) -> StepShown:
    gates = getattr(step, "gates", ())
    return StepShown(
        name=step.name,
        kind=step.kind,
        needs=needs,
        agents=step.by if isinstance(step, ReviewStep) else tuple(dict.fromkeys(workers(step))),
        when=step.when,
        gates=tuple(f"{gate.name} ({gate.kind})" for gate in gates),
        details=tuple(_details(step)),
    )


def _details(step: AnyStep) -> list[str]:
    match step:
        case AgentStep(loop=loop) if loop is not None:
            return [f"repeated until {loop.until}, {loop.max_iterations} times at most"]
        case FanOutStep(for_each=each) if each:
            return [f"a branch for each item of {each}"]
        case FanOutStep():
            return ["branches: " + ", ".join(branch.name for branch in step.branches)]
        case CollectStep():
            return [f"joins {', '.join(step.of)}" + (f", take {step.take}" * (step.take != "all"))]
        case ReviewStep():
            times = f"{step.max_rejects} times at most"
            return [f"judges {step.of}, sends back to {step.return_to}, {times}"]
        case CallStep():
            return [f"asks {step.call.title}"]
        case WorkflowStep():
            return [f"runs workflow {step.workflow}"]
    back = getattr(step, "return_to", "")
    return [f"sends back to {back}"] if back else []
