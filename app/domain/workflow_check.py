"""Reading a workflow file and refusing, at once, what could only fail in the middle of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.domain.config import Found, repeated
from app.domain.gate import Gate
from app.domain.prompts import check_template
from app.domain.step import OPERATOR, AgentStep, ReviewStep
from app.domain.toml_lines import KeyPath
from app.domain.toml_messages import not_among
from app.domain.toml_source import load_toml, refuse
from app.domain.workflow import Workflow


def parse_workflow(text: str, source: str, agents: Sequence[str] | None = None) -> Workflow:
    """Read and check a workflow; `source` names the file in errors, `agents` the agents there are
    (None: agents are not checked). Raises ConfigError."""
    workflow = load_toml(text, source, Workflow)
    refuse(text, source, _problems(workflow, agents))
    return workflow


def _problems(workflow: Workflow, agents: Sequence[str] | None) -> Found:
    for i, name in repeated([step.name for step in workflow.steps]):
        yield ("step", i, "name"), f'there is a step "{name}" already'
    for i, step in enumerate(workflow.steps):
        earlier = [s.name for s in workflow.steps[:i] if isinstance(s, AgentStep)]
        if isinstance(step, AgentStep):
            yield from _agent_step(("step", i), step, earlier, agents)
        elif isinstance(step, ReviewStep):
            yield from _review_step(("step", i), step, earlier, agents)


def _agent_step(
    at: KeyPath, step: AgentStep, earlier: list[str], agents: Sequence[str] | None
) -> Found:
    if step.agent == OPERATOR:
        yield (*at, "agent"), 'a person cannot be a step\'s agent; see kind = "review"'
    else:
        yield from _known((*at, "agent"), step.agent, agents)
    for problem in check_template(step.prompt, "agent", earlier):
        yield (*at, "prompt"), problem
    for i, name in repeated([gate.name for gate in step.gates]):
        yield (*at, "gate", i, "name"), f'this step has a gate "{name}" already'
    for i, gate in enumerate(step.gates):
        yield from _gate((*at, "gate", i), gate)


def _gate(at: KeyPath, gate: Gate) -> Found:
    if gate.command and gate.shell.strip():
        yield (*at, "shell"), "give either command (a list of words) or shell (a line), not both"
    elif not gate.kinds or (not gate.command and gate.shell and not gate.shell.strip()):
        yield at, 'give either command = ["word", …] or shell = "a line for /bin/sh"'


def _review_step(
    at: KeyPath, step: ReviewStep, earlier: list[str], agents: Sequence[str] | None
) -> Found:
    for key, name in (("of", step.of), ("return_to", step.return_to)):
        if name not in earlier:
            what = f'"{name}" is not an agent step before this one'
            yield (*at, key), not_among(what, name, earlier)
    if {step.of, step.return_to} <= set(earlier) and _after(step.return_to, step.of, earlier):
        allowed = earlier[: earlier.index(step.of) + 1]
        what = f'"{step.return_to}" comes after "{step.of}", which would then not be made again'
        yield (*at, "return_to"), not_among(what, step.return_to, allowed)
    for i, name in repeated(step.by):
        yield (*at, "by", i), f'"{name}" is named twice'
    for i, name in enumerate(step.by):
        if name != OPERATOR:
            yield from _known((*at, "by", i), name, agents, OPERATOR)
    if step.prompt:
        for problem in check_template(step.prompt, "review", earlier):
            yield (*at, "prompt"), problem


def _after(name: str, other: str, names: list[str]) -> bool:
    return names.index(name) > names.index(other)


def _known(
    at: KeyPath, agent: str, agents: Sequence[str] | None, *more: str
) -> Iterator[tuple[KeyPath, str]]:
    if agents is not None and agent not in agents:
        yield at, not_among(f'no agent "{agent}" in longwatch.toml', agent, [*agents, *more])
