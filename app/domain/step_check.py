"""What is wrong with a step, told when its workflow is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.domain.call import call_problems
from app.domain.config import Found, repeated
from app.domain.gate_rules import gates_problems
from app.domain.prompts import Use, check_expression, check_template
from app.domain.step import (
    OPERATOR,
    AgentStep,
    AnyStep,
    CallStep,
    CollectStep,
    FanOutStep,
    GateStep,
    QuestionStep,
    ReviewStep,
    WorkflowStep,
)
from app.domain.toml_lines import KeyPath
from app.domain.toml_messages import not_among
from app.domain.workflow import Workflow

PRODUCING = ("agent", "fan_out", "collect", "question", "workflow", "call")
_REPEATABLE = ("agent", "fan_out", "workflow", "call")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a step can refer to. `agents` None: agents are not checked."""

    workflow: Workflow
    agents: Sequence[str] | None

    def upstream(self, step: str) -> list[str]:
        """The steps that are finished when it begins, in the order of the file."""
        needs, found = self.workflow.needs(), set[str]()
        todo = list(needs.get(step, ()))
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += needs.get(name, ())
        return [s.name for s in self.workflow.steps if s.name in found]

    def before(self, step: str) -> list[str]:
        """The producing steps that stand before it in the file: what a collect may name without
        naming its needs."""
        names = [s.name for s in self.workflow.steps]
        return self.of_kind(names[: names.index(step)], PRODUCING)

    def of_kind(self, names: Sequence[str], kinds: Sequence[str]) -> list[str]:
        known = {s.name: s.kind for s in self.workflow.steps}
        return [name for name in names if known.get(name) in kinds]


def step_problems(at: KeyPath, step: AnyStep, around: Surroundings) -> Found:
    """All that can be told of one step."""
    before = around.upstream(step.name)
    earlier = around.of_kind(before, PRODUCING)
    if step.when:
        yield from _expression((*at, "when"), step.when, "when", earlier)
    match step:
        case AgentStep():
            yield from _agent_step(at, step, around, earlier)
        case FanOutStep():
            yield from _fan_out(at, step, around, earlier)
        case CollectStep():
            yield from _collect(at, step, around, earlier)
        case ReviewStep():
            yield from _review(at, step, around, before)
        case GateStep():
            yield from _gate_step(at, step, around, before)
        case QuestionStep():
            yield from _template((*at, "question"), step.question, "question", earlier)
        case WorkflowStep():
            yield from _template((*at, "request"), step.request, "workflow", earlier)
        case CallStep():
            yield from call_problems((*at, "call"), step.call)
            yield from _template((*at, "input"), step.input, "call", earlier)
    gates = getattr(step, "gates", ())
    yield from gates_problems(at, gates, around.agents, earlier)


def _template(at: KeyPath, template: str, use: Use, earlier: Sequence[str]) -> Found:
    for problem in check_template(template, use, earlier):
        yield at, problem


def _expression(at: KeyPath, expression: str, use: Use, earlier: Sequence[str]) -> Found:
    for problem in check_expression(expression, use, earlier):
        yield at, problem


def _agent_step(at: KeyPath, step: AgentStep, around: Surroundings, earlier: list[str]) -> Found:
    yield from _agent((*at, "agent"), step.agent, around)
    yield from _template((*at, "prompt"), step.prompt, "agent", earlier)
    if step.loop is not None:
        yield from _expression((*at, "loop", "until"), step.loop.until, "until", earlier)


def _agent(at: KeyPath, agent: str, around: Surroundings) -> Found:
    if agent == OPERATOR:
        yield at, 'a person cannot be a step\'s agent; see kind = "review"'
    else:
        yield from _known(at, agent, around.agents)


def _known(
    at: KeyPath, agent: str, agents: Sequence[str] | None, *more: str
) -> Iterator[tuple[KeyPath, str]]:
    if agents is not None and agent not in agents:
        yield at, not_among(f'no agent "{agent}" in longwatch.toml', agent, [*agents, *more])


def _fan_out(at: KeyPath, step: FanOutStep, around: Surroundings, earlier: list[str]) -> Found:
    if bool(step.branches) is bool(step.for_each):
        yield at, 'give either branches ([[step.branch]]) or for_each = "the step with the list"'
    if step.for_each and step.for_each not in earlier:
        what = f'"{step.for_each}" is not a step before this one that has an output'
        yield (*at, "for_each"), not_among(what, step.for_each, earlier)
    for i, name in repeated([branch.name for branch in step.branches]):
        yield (*at, "branch", i, "name"), f'this step has a branch "{name}" already'
    for i, branch in enumerate(step.branches):
        place = (*at, "branch", i)
        if branch.agent:
            yield from _agent((*place, "agent"), branch.agent, around)
        if branch.prompt:
            yield from _template((*place, "prompt"), branch.prompt, "fan_out", earlier)
        for key in ("agent", "prompt"):
            if not getattr(branch, key) and not getattr(step, key):
                yield place, f"neither the branch nor its step has `{key}`"
    yield from _shared(at, step, around, earlier)


def _shared(at: KeyPath, step: FanOutStep, around: Surroundings, earlier: list[str]) -> Found:
    if step.agent:
        yield from _agent((*at, "agent"), step.agent, around)
    if step.prompt:
        yield from _template((*at, "prompt"), step.prompt, "fan_out", earlier)
    for key in ("agent", "prompt"):
        if step.for_each and not getattr(step, key):
            yield at, f"for_each needs `{key}`, the same for all branches"


def _collect(at: KeyPath, step: CollectStep, around: Surroundings, earlier: list[str]) -> Found:
    for i, name in repeated(step.of):
        yield (*at, "of", i), f'"{name}" is named twice'
    allowed = earlier if step.needs is not None else around.before(step.name)
    for i, name in enumerate(step.of):
        if name not in allowed:
            what = f'"{name}" is not a step before this one that has an output'
            yield (*at, "of", i), not_among(what, name, allowed)
    if "quorum" in step.model_fields_set and step.take != "quorum":
        yield (*at, "quorum"), 'has a meaning only with take = "quorum"'
    if "late" in step.model_fields_set and step.take not in ("quorum", "first"):
        yield (*at, "late"), 'has a meaning only with take = "quorum" or "first"'
    if bool(step.best_by) is not (step.take == "best"):
        yield at, 'take = "best" and best_by = "the gate whose number counts" go together'
    most = _sources(step, around)
    if step.take == "quorum" and most is not None and step.quorum > most:
        yield (*at, "quorum"), f"there are only {most} results to come"
    if step.best_by:
        yield from _best_by(at, step, around)
    if step.template:
        yield from _template((*at, "template"), step.template, "collect", earlier)


def _sources(step: CollectStep, around: Surroundings) -> int | None:
    """How many results there will be; None where that is not known before it runs."""
    count = 0
    for source in around.workflow.steps:
        if source.name in step.of and isinstance(source, FanOutStep):
            if source.for_each:
                return None
            count += len(source.branches)
        elif source.name in step.of:
            count += 1
    return count


def _best_by(at: KeyPath, step: CollectStep, around: Surroundings) -> Found:
    for source in around.workflow.steps:
        gates = [gate.name for gate in getattr(source, "gates", ())]
        if source.name in step.of and step.best_by not in gates:
            what = f'step {source.name} has no gate "{step.best_by}"'
            yield (*at, "best_by"), not_among(what, step.best_by, gates)


def _review(at: KeyPath, step: ReviewStep, around: Surroundings, before: list[str]) -> Found:
    earlier = around.of_kind(before, PRODUCING)
    again = around.of_kind(before, _REPEATABLE)
    if step.of not in earlier:
        what = f'"{step.of}" is not a step before this one that has an output'
        yield (*at, "of"), not_among(what, step.of, earlier)
    if step.return_to not in again:
        what = f'"{step.return_to}" is not a step before this one that can be made again'
        yield (*at, "return_to"), not_among(what, step.return_to, again)
    elif step.of in earlier and step.return_to not in (step.of, *around.upstream(step.of)):
        allowed = [name for name in again if name in (step.of, *around.upstream(step.of))]
        what = f'"{step.of}" does not come after "{step.return_to}" and would not be made again'
        yield (*at, "return_to"), not_among(what, step.return_to, allowed)
    for i, name in repeated(step.by):
        yield (*at, "by", i), f'"{name}" is named twice'
    for i, name in enumerate(step.by):
        if name != OPERATOR:
            yield from _known((*at, "by", i), name, around.agents, OPERATOR)
    if step.prompt:
        yield from _template((*at, "prompt"), step.prompt, "review", earlier)


def _gate_step(at: KeyPath, step: GateStep, around: Surroundings, before: list[str]) -> Found:
    if not step.gates:
        yield at, "a gate step needs at least one [[step.gate]]"
    again = around.of_kind(before, _REPEATABLE)
    if step.return_to and step.return_to not in again:
        what = f'"{step.return_to}" is not a step before this one that can be made again'
        yield (*at, "return_to"), not_among(what, step.return_to, again)
    for i, gate in enumerate(step.gates):
        told = gate.on_failure == "return" and "on_failure" in gate.model_fields_set
        if told and not step.return_to:
            yield (*at, "gate", i, "on_failure"), "name the step to go back to: return_to"
