"""What flows through an OpenFang workflow, told in Longwatch's variables.

OpenFang has one "current input" that every step replaces, and named variables that steps set.
Here both are expressions over `input`, `outputs` and `request`, found by walking the steps in
their order; a prompt's placeholders become these expressions in one pass.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_UNWRITABLE = re.compile(r'[\x00-\x1f\x7f"\\\x85\u2028\u2029]')
_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}")
REQUEST = "request.text"
SEPARATOR = "\n\n---\n\n"  # between the outputs that a collect joins


@dataclass(frozen=True, slots=True)
class Flow:
    """Where OpenFang's current input comes from at one place in the program.

    `steps` may have produced it, the likeliest first; each but the last may have been skipped,
    and the last too unless `certain`: then it is the request. `native` where a step that needs
    what came last gets exactly this as its own `input`.
    """

    steps: tuple[str, ...] = ()
    certain: bool = False
    native: bool = True

    def after(self, step: str, *, skippable: bool, native: bool) -> Flow:
        """What flows on from a step into which this flowed."""
        if not skippable:
            return Flow((step,), certain=True, native=native)
        return Flow((step, *self.steps), self.certain, native and self.native)

    @property
    def fixed(self) -> bool:
        """Whether it is always the output of one and the same step."""
        return self.certain and len(self.steps) == 1

    @property
    def value(self) -> str:
        """An expression for it that holds anywhere later in the program."""
        parts = [output(step) for step in self.steps]
        return one_of([*parts, *([] if self.certain else [REQUEST])])

    @property
    def here(self) -> str:
        """The expression for the step that comes next."""
        return "input" if self.native else self.value


@dataclass(frozen=True, slots=True)
class Output:
    """One of the outputs that a collect may join: a step's, or an expression's `value` where the
    step may have been skipped, or there is none."""

    step: str
    value: str = ""

    @property
    def expression(self) -> str:
        return self.value or output(self.step)


@dataclass(frozen=True, slots=True)
class Joined:
    """What a collect joins: the fan-out `group` before it or, where that is empty or came to
    nothing, `outputs`, which has all since the last collect."""

    outputs: tuple[Output, ...]
    group: tuple[str, ...]
    unsure: frozenset[str]  # the steps that may be skipped

    @property
    def _other(self) -> bool:
        """Whether more than the group may count: it may come to nothing."""
        return set(self.group) <= self.unsure and len(self.outputs) > len(self.group)

    @property
    def of(self) -> tuple[str, ...]:
        every = tuple(each.step for each in self.outputs if each.step)
        return every if self._other or not self.group else self.group

    @property
    def template(self) -> str:
        """Empty where joining the steps' own outputs is all."""
        if not self.group and not any(each.value for each in self.outputs):
            return ""
        if self.group and not self._other:
            return ""
        own = _joined([output(step) for step in self.group])
        every = _joined([each.expression for each in self.outputs])
        return "{{ " + (f"({own}) or ({every})" if self.group else every) + " }}"


def _joined(values: list[str]) -> str:
    return f"[{', '.join(values)}] | select | join({literal(SEPARATOR)})"


def output(step: str) -> str:
    """The expression for what a step has made."""
    return f"outputs[{literal(step)}]"


def one_of(values: list[str]) -> str:
    """The first of these expressions that is not empty."""
    return values[0] if len(values) == 1 else f"({' or '.join(values)})"


def literal(text: str) -> str:
    """A text as a string in a template's expression."""
    return '"' + _UNWRITABLE.sub(_escaped, text) + '"'


def _escaped(match: re.Match[str]) -> str:
    found = match.group()
    return {"\n": "\\n", "\t": "\\t"}.get(found) or (
        f"\\{found}" if found in '"\\' else f"\\u{ord(found):04x}"
    )


def contains(word: str, value: str) -> str:
    """The condition that a value contains a word, case not counted."""
    return f"{literal(word.lower())} in {value} | lower"


def placeholder(name: str) -> str:
    """A variable as OpenFang's prompts write it."""
    return "{{" + name + "}}"


def template(prompt: str, values: Mapping[str, str]) -> str:
    """A prompt of OpenFang's as a template: `{{name}}` of each of `values` becomes its
    expression, everything else stays literally what it is, braces included."""
    names = sorted(values, key=len, reverse=True)
    known = re.compile("|".join(re.escape(placeholder(name)) for name in names) or r"(?!)")
    parts, at = list[str](), 0
    for match in known.finditer(prompt):
        parts += [_plain(prompt[at : match.start()]), f"{{{{ {values[match.group()[2:-2]]} }}}}"]
        at = match.end()
    return "".join([*parts, _plain(prompt[at:])])


def _plain(text: str) -> str:
    return text.replace("{", '{{ "{" }}')


def left_over(prompt: str, values: Mapping[str, str]) -> list[str]:
    """What looks like a placeholder in a prompt and stays as it is written."""
    found = {m.group(): None for m in _PLACEHOLDER.finditer(prompt)}
    return [text for text in found if text[2:-2] not in values]
