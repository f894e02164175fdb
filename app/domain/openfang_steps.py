"""OpenFang's steps made Longwatch's, one after the other, with what flows between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from app.domain import openfang_flow as flow
from app.domain import openfang_modes as modes
from app.domain.openfang_fields import Findings
from app.domain.openfang_names import Names, agent_of
from app.domain.openfang_read import FangStep, FangWorkflow
from app.domain.step import AgentStep, AnyStep, CollectStep, Loop, ReviewStep
from app.domain.toml_lines import KeyPath
from app.domain.toml_messages import not_among

_NEVER = "false"
_REASONS = 'reasons | join("\n\n")'


@dataclass(slots=True)
class Conversion:
    """The walk through the steps. `made` has ours, `places` where each comes from."""

    agents: Sequence[str] | None
    found: Findings
    made: list[AnyStep] = field(default_factory=list)
    places: list[KeyPath] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)  # ours -> the name in the file
    _names: Names = field(default_factory=Names)
    _flow: flow.Flow = field(default_factory=flow.Flow)
    _frontier: tuple[str, ...] = ()  # what the next step needs
    _group: tuple[str, ...] = ()  # the fan-out that a collect now would join
    _beside: dict[str, tuple[str, ...]] = field(default_factory=dict)  # each branch's fan-out
    _all: tuple[flow.Output, ...] = ()  # what it would join without one
    _unsure: set[str] = field(default_factory=set)  # steps that may be skipped
    _variables: dict[str, str] = field(default_factory=dict)
    _targets: dict[str, str] = field(default_factory=dict)  # first steps of a name -> ours
    _feedback: tuple[str, ...] = ()  # the variables that reviews set

    def walk(self, steps: Sequence[FangStep]) -> None:
        """Convert all of them, in their order."""
        self._feedback = tuple(s.output_var for s in steps if s.mode == "review" and s.output_var)
        for is_group, some in groupby(steps, key=lambda step: step.mode == "fan_out"):
            if is_group:
                self._fan_out(list(some))
            else:
                for step in some:
                    self._one(step)
        if self.made and not (self._flow.native and len(self._frontier) == 1):
            at = self.places[-1]
            self._settled("result", at)
            self.found.note(at, f"step {self.made[-1].name} is added: the run's result")

    def _one(self, step: FangStep) -> None:
        if step.mode == "collect":
            return self._collect(step)
        self._group = ()
        if step.mode == "review":
            return self._review(step)
        name = self._name(step)
        self._add(step.at, self._agent(step, name))
        self._flows_from(step, name, native=True)
        self._frontier = (name,)
        return None

    def _fan_out(self, steps: list[FangStep]) -> None:
        names = [self._name(step) for step in steps]
        for step, name in zip(steps, names, strict=True):
            self._add(step.at, self._agent(step, name))
        alone = len(steps) == 1
        for step, name in zip(steps, names, strict=True):
            self._flows_from(step, name, native=alone)
        self._frontier = self._group = tuple(names)
        self._beside |= dict.fromkeys(names, self._group)

    def _collect(self, step: FangStep) -> None:
        self.found.note(step.at, "the agent and the prompt of a collect step are not used")
        joined = flow.Joined(self._all, self._group, frozenset(self._unsure))
        if not joined.of:
            self.found.note(step.at, "there is nothing to collect yet: left out")
            self._all = (flow.Output("", self._flow.value),)
            return self._holds(step, self._flow.value)
        name, unsure = self._name(step), set(joined.of) <= self._unsure
        made = CollectStep(
            name=name,
            kind="collect",
            of=joined.of,
            needs=None if joined.of == self._frontier else self._frontier,
            template=joined.template,
            on_error="skip" if unsure else modes.on_error(step),
        )
        self._add(step.at, made)
        self._flow = self._flow.after(name, skippable=unsure, native=True)
        self._frontier, self._group = (name,), ()
        if unsure:
            self.found.note(step.at, "is passed over when all that it would join was skipped")
            self._unsure.add(name)
        self._all = (flow.Output(name, self._flow.value if unsure else ""),)
        return self._holds(step, self._flow.value)

    def _flows_from(self, step: FangStep, name: str, *, native: bool) -> None:
        """What a step in which an agent works leaves to those after it."""
        if modes.may_be_skipped(step):
            self._unsure.add(name)
        self._flow = self._flow.after(name, skippable=name in self._unsure, native=native)
        self._all = (*self._all, flow.Output(name))
        self._set(step, name)

    def _review(self, step: FangStep) -> None:
        target = self._target(step)
        if target is None:
            return
        name, of = self._name(step), self._flow.steps[0] if self._flow.steps else ""
        sibling = target != of and target in self._beside.get(of, ())
        when = ""
        if sibling or not self._flow.fixed:
            certain = self._flow.certain
            of = self._settled(f"{name}-of", step.at)
            when = "" if certain else flow.output(of)
            self.found.note(step.at, f"step {of} is added: what is reviewed")
        if sibling:
            self.found.note(
                (*step.at, "return_to_step"),
                f"only branch {target} is made again, the others of its fan-out stand",
            )
        review = ReviewStep(
            name=name,
            needs=self._needs(),
            when=when,
            kind="review",
            of=of,
            by=(agent_of(step, self.agents, self.found),),
            prompt=self._prompt(step, "artefact"),
            reject_if_contains=step.reject_if_contains,
            return_to=target,
            max_rejects=step.max_rejects,
            timeout_seconds=step.timeout_secs,
            retry=modes.retry(step),
        )
        self._add(step.at, review)
        self._frontier = (name,)
        modes.tell_of_review(step, self.found)
        self._holds(step, _REASONS)

    def _target(self, step: FangStep) -> str | None:
        at, wanted = (*step.at, "return_to_step"), step.return_to
        found = self._targets.get(wanted.lower())
        kinds = {made.name: made.kind for made in self.made}
        if found is not None and kinds[found] == "agent":
            return found
        allowed = [self.renamed.get(n, n) for n, kind in kinds.items() if kind == "agent"]
        what = f'"{wanted}" is not a step before this one that an agent can make again'
        self.found.wrong(at, not_among(what, wanted, allowed))
        return None

    def _settled(self, name: str, at: KeyPath) -> str:
        """Add a step whose output is the current input, whoever it came from; its name."""
        sources = {*(each.step for each in self._all), *self._flow.steps}
        made = CollectStep(
            name=self._names.new(name, "step"),
            kind="collect",
            of=tuple(step.name for step in self.made if step.name in sources),
            needs=self._frontier,
            template="{{ " + self._flow.value + " }}",
            on_error="block" if self._flow.certain else "skip",
        )
        self._add(at, made)
        self._flow = self._flow.after(
            made.name, skippable=not self._flow.certain, native=self._flow.certain
        )
        self._frontier = (made.name,)
        return made.name

    def _agent(self, step: FangStep, name: str) -> AgentStep:
        when, loop, value = "", None, self._flow.here
        if step.mode == "conditional" and step.condition:
            when = flow.contains(step.condition, value)
        if step.mode == "loop" and step.max_iterations == 0:
            when = _NEVER
        elif step.mode == "loop":
            until = flow.contains(step.until, "output")
            loop = Loop(until=until, max_iterations=step.max_iterations)
            value = value if value == "input" else f"input if iteration > 1 else {value}"
        modes.tell_of_step(step, self.found)
        return AgentStep(
            name=name,
            needs=self._needs(),
            when=when,
            agent=agent_of(step, self.agents, self.found),
            prompt=self._prompt(step, value),
            timeout_seconds=step.timeout_secs,
            retry=modes.retry(step),
            on_error=modes.on_error(step),
            loop=loop,
        )

    def _prompt(self, step: FangStep, value: str) -> str:
        feedback = {name: _REASONS for name in self._feedback if name not in self._variables}
        values = {**feedback, **self._variables, "input": value}
        for text in flow.left_over(step.prompt, values):
            what = f"nothing before this step sets {text}: it stays as it is written"
            self.found.note((*step.at, "prompt"), what)
        return flow.template(step.prompt, values)

    def _set(self, step: FangStep, name: str) -> None:
        """Remember what an agent's step leaves in its variable: if skipped, what was there."""
        variable, value = step.output_var, flow.output(name)
        if name in self._unsure:
            before = self._variables.get(variable, flow.literal(flow.placeholder(variable)))
            value = flow.one_of([value, before])
        self._holds(step, value)

    def _holds(self, step: FangStep, value: str) -> None:
        """Remember what a step's variable holds from now on."""
        if step.output_var:
            self._variables[step.output_var] = value

    def _name(self, step: FangStep) -> str:
        name = self._names.new(step.name, "step")
        if name != step.name:
            self.renamed[name] = step.name
        self._targets.setdefault(step.name.lower(), name)
        return name

    def _needs(self) -> tuple[str, ...] | None:
        """What the next step waits for; None where that is the step before it anyway."""
        last = tuple(made.name for made in self.made[-1:])
        return None if last == self._frontier else self._frontier

    def _add(self, at: KeyPath, step: AnyStep) -> None:
        self.made.append(step)
        self.places.append(at)


def convert(fang: FangWorkflow, agents: Sequence[str] | None, found: Findings) -> Conversion:
    """All steps of a workflow, converted."""
    done = Conversion(agents, found)
    done.walk(fang.steps)
    return done


def names_kept(done: Conversion) -> Iterator[str]:
    """The names that had to change, a line each."""
    for name, original in done.renamed.items():
        yield f"step {name}: {original}"
