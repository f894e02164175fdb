"""What an agent is told: step prompts, review prompts, and the prompt after a crash.

The request, earlier outputs, the step's own previous attempt, review reasons and gate output are
separate variables, and none is ever lost: what a template leaves out is added at its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.domain import templates
from app.domain.errors import ConfigError
from app.domain.request import Request
from app.domain.step import AgentStep, ReviewStep

_SHARED = ("request", "outputs", "reasons", "attempt")
_AGENT = (*_SHARED, "previous", "gate")
_REVIEW = (*_SHARED, "artefact", "diff")
_MEMBERS = {
    "request": (*Request.model_fields, "title"),
    "gate": ("name", "criteria", "exit_code", "log"),
}

DEFAULT_REVIEW = """\
Review the text below, which was written for this request:

{{ request.text }}

Reject it if it would not do what was asked, would do harm, or leaves open what has to be decided.
Name each reason so that its author can act on it; do not reject for taste.
{% if reasons %}

It was rejected before, for these reasons; check whether they are met:
{% for reason in reasons %}
- {{ reason }}
{% endfor %}
{% endif %}

# The text to judge

{{ artefact }}
{% if diff %}

# What changed since the version before

{{ diff }}
{% endif %}
"""

VERDICT = """\
# Your verdict

End your answer with your verdict, as one JSON block and in no other form. To accept:

```json
{"verdict": "approve", "reasons": []}
```

To send it back, write "reject" in place of "approve" and list each reason as a string.
"""


@dataclass(frozen=True, slots=True)
class FailedGate:
    """The gate that sent the work back. `exit_code` is None when it was killed or timed out."""

    name: str
    criteria: str
    exit_code: int | None
    log: str


@dataclass(frozen=True, slots=True)
class PromptContext:
    """All that a prompt may be made of."""

    request: Request
    attempt: int = 1
    outputs: Mapping[str, str] = field(
        default_factory=dict
    )  # latest accepted output of each earlier step
    previous: str | None = None  # the step's own previous attempt
    reasons: tuple[str, ...] = ()  # of the latest reject
    gate: FailedGate | None = None
    artefact: str = ""  # for reviews: the text judged
    diff: str = ""  # for reviews: against the version before; may be empty


def check_template(template: str, *, review: bool, earlier: Sequence[str]) -> list[str]:
    """What is wrong with a prompt, a sentence each. `earlier` names the agent steps before it."""
    names = _REVIEW if review else _AGENT
    known = {name: _MEMBERS.get(name, ()) for name in names} | {"outputs": tuple(earlier)}
    trials = [_values(context, names) for context in _trials(earlier)]
    return templates.check(template, known, trials)


def render_agent_prompt(step: AgentStep, context: PromptContext) -> str:
    """The prompt of an agent step's attempt. Raises ConfigError if the template fails."""
    text = _render(step.name, step.prompt, _values(context, _AGENT))
    mentioned = templates.variables(step.prompt)
    return "\n\n".join([text, *_feedback(context, mentioned)]) + "\n"


def render_review_prompt(step: ReviewStep, context: PromptContext) -> str:
    """The prompt of a reviewing agent. Raises ConfigError if the template fails."""
    template = step.prompt or DEFAULT_REVIEW
    parts = [_render(step.name, template, _values(context, _REVIEW))]
    if "artefact" not in templates.variables(template):
        parts.append(f"# The text to judge\n\n{context.artefact.strip()}")
    return "\n\n".join([*parts, VERDICT])


def continue_prompt(original: str, settled: Sequence[tuple[str, str]]) -> str:
    """The prompt of a turn that a crash cut off.

    `settled` has what each tool call of the turn would have done, and what became of it.
    """
    parts = [
        "You were interrupted while you worked on the task below, and your work so far is still"
        " in the workspace. Look at what is there, then go on to the end. Do not start over."
    ]
    if settled:
        lines = "\n".join(f"- {_one_line(what)}: {_one_line(fate)}" for what, fate in settled)
        parts.append(
            "What became of your tool calls before the interruption; do not make a call again"
            f" unless its line says so:\n{lines}"
        )
    return "\n\n".join([*parts, "# The task, as it was given to you", original.strip()]) + "\n"


def _render(step: str, template: str, values: Mapping[str, Any]) -> str:
    try:
        return templates.render(template, values).strip()
    # Loading has tried it out; data that nobody foresaw can still break an expression.
    except Exception as error:
        raise ConfigError(f"the prompt does not render: {error}", key=f"step {step}") from error


def _values(context: PromptContext, known: Sequence[str]) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(context, name) for name in known}
    return values | {"outputs": templates.Outputs(context.outputs)}


def _feedback(context: PromptContext, mentioned: frozenset[str]) -> list[str]:
    """What sent the work back, as far as the template does not tell it."""
    parts = list[str]()
    if context.reasons and "reasons" not in mentioned:
        lines = "\n".join(f"- {reason}" for reason in context.reasons)
        parts.append(f"# Your last attempt was sent back, for these reasons\n\n{lines}")
    if context.gate is not None and "gate" not in mentioned:
        parts.append(_gate_section(context.gate))
    if parts and context.previous and "previous" not in mentioned:
        parts.append(f"# Your last attempt\n\n{context.previous.strip()}")
    return parts


def _gate_section(gate: FailedGate) -> str:
    ended = "did not end by itself" if gate.exit_code is None else f"exit code {gate.exit_code}"
    criteria = f"It asks for: {gate.criteria.strip()}\n\n" if gate.criteria.strip() else ""
    return (
        f'# Your last attempt did not pass the check "{gate.name}" ({ended})\n\n'
        f"{criteria}What it printed:\n\n{gate.log.strip()}"
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _trials(earlier: Sequence[str]) -> list[PromptContext]:
    """The situations in which a prompt is rendered: first, after a reject, after a gate."""
    first = PromptContext(
        request=Request(text="text", user="user"),
        outputs=dict.fromkeys(earlier, "output"),
        artefact="artefact",
    )
    again = replace(first, attempt=2, previous="previous", diff="diff")
    killed = FailedGate("gate", "criteria", None, "log")
    return [
        first,
        replace(again, reasons=("reason",)),
        replace(again, gate=killed),
        replace(again, gate=replace(killed, exit_code=1)),
    ]
