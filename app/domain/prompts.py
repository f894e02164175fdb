"""What an agent is told: step prompts, review prompts, and the prompt after a crash.

The request, earlier outputs, the step's own previous attempt, review reasons and gate output are
separate variables, and none is ever lost: what a template leaves out is added at its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from msgspec.structs import replace

from app.domain import templates
from app.domain.errors import ConfigError
from app.domain.gate import Gate
from app.domain.prompt_context import Context, FailedGate, PromptContext
from app.domain.request import Request
from app.domain.step import ReviewStep, WorkingStep
from app.domain.text import writable

Use = Literal[
    "agent",
    "fan_out",
    "review",
    "judge",
    "collect",
    "question",
    "workflow",
    "call",
    "when",
    "until",
]
_SHARED = ("request", "input", "outputs", "reasons", "attempt")
_ATTEMPT = (*_SHARED, "previous", "gate", "iteration")
# What a template or an expression may use, by what it is for.
VARIABLES: dict[Use, tuple[str, ...]] = {
    "agent": _ATTEMPT,
    "fan_out": (*_ATTEMPT, "branch", "item"),
    "review": (*_SHARED, "artefact", "diff"),
    "judge": (*_SHARED, "artefact", "diff", "criteria"),
    "collect": (*_SHARED, "results"),
    "question": _SHARED,
    "workflow": _SHARED,
    "call": _SHARED,
    "when": _SHARED,
    "until": (*_SHARED, "output", "iteration"),
}
_CALLED = {"collect": "template", "question": "question", "workflow": "request", "call": "input"}
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

DEFAULT_JUDGE = """\
Judge whether the text below meets this criterion:

{{ criteria }}

It was written for this request:

{{ request.text }}

# The text to judge

{{ artefact }}
{% if diff %}

# What it changed

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


def check_template(template: str, use: Use, earlier: Sequence[str]) -> list[str]:
    """What is wrong with a template, a sentence each. `earlier` names the producing steps whose
    outputs it may use."""
    trials = [_values(context, use, VARIABLES[use]) for context in _trials(earlier)]
    return templates.check(template, _known(use, earlier), trials)


def check_expression(expression: str, use: Use, earlier: Sequence[str]) -> list[str]:
    """What is wrong with a condition (`when`, `until`), a sentence each."""
    problem = templates.expression_problem(expression)
    if problem:
        return [problem]
    wrapped = "{% if (" + expression + "\n) %}{% endif %}"
    return check_template(wrapped, use, earlier)


def holds(expression: str, use: Use, context: Context, step: str) -> bool:
    """Whether a condition holds. Raises ConfigError if it cannot be evaluated."""
    try:
        condition = templates.condition(expression)
        if condition.constant is not None:
            return condition.constant
        return condition.holds(_values(context, use, condition.variables))
    # Loading has tried it out; data that nobody foresaw can still break an expression.
    except Exception as error:
        raise ConfigError(
            f"the condition `{expression}` cannot be evaluated: {error}", key=f"step {step}"
        ) from error


def render(template: str, use: Use, context: Context, step: str) -> str:
    """Any template but a prompt. Raises ConfigError if it fails."""
    return _render(step, template, use, context)


def render_agent_prompt(
    step: WorkingStep, context: Context, *, prompt: str = "", literal: bool = False
) -> str:
    """The prompt of an attempt. `prompt` stands for the step's own (a branch's, or, `literal`,
    what an operator wrote). Raises ConfigError if the template fails."""
    template = prompt or step.prompt
    if literal:
        return "\n\n".join([template.strip(), *_feedback(context, frozenset())]) + "\n"
    use: Use = "agent" if step.kind == "agent" else "fan_out"
    text = _render(step.name, template, use, context)
    mentioned = templates.variables(template)
    return "\n\n".join([text, *_feedback(context, mentioned)]) + "\n"


def render_review_prompt(step: ReviewStep, context: Context) -> str:
    """The prompt of a reviewing agent. Raises ConfigError if the template fails."""
    template = step.prompt or DEFAULT_REVIEW
    parts = [_render(step.name, template, "review", context)]
    if "artefact" not in templates.variables(template):
        parts.append(f"# The text to judge\n\n{context.artefact.strip()}")
    if step.reject_if_contains:
        # Judged by a word, whose meaning the step's own prompt has told.
        return "\n\n".join(parts) + "\n"
    return "\n\n".join([*parts, VERDICT])


def render_judge_prompt(gate: Gate, context: Context, step: str) -> str:
    """The prompt of the agent that judges for a gate. Raises ConfigError if it fails."""
    template = gate.prompt or DEFAULT_JUDGE
    parts = [_render(step, template, "judge", context)]
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


def _render(step: str, template: str, use: Use, context: Context) -> str:
    try:
        values = _values(context, use, templates.variables(template))
        return writable(templates.render(template, values).strip())
    # Loading has tried it out; data that nobody foresaw can still break an expression.
    except Exception as error:
        what = f"the {_CALLED.get(use, 'prompt')} does not render: {error}"
        raise ConfigError(what, key=f"step {step}") from error


def _values(context: Context, use: Use, mentioned: Iterable[str]) -> dict[str, Any]:
    """What a text may use of what it mentions."""
    known = VARIABLES[use]
    return {name: _value(context, name) for name in mentioned if name in known}


def _value(context: Context, name: str) -> Any:
    return templates.Outputs(context.outputs) if name == "outputs" else getattr(context, name)


def _feedback(context: Context, mentioned: frozenset[str]) -> list[str]:
    """What sent the work back, as far as the template does not tell it."""
    parts = list[str]()
    if "reasons" not in mentioned and (reasons := context.reasons):
        lines = "\n".join(f"- {reason}" for reason in reasons)
        parts.append(f"# Your last attempt was sent back, for these reasons\n\n{lines}")
    if "gate" not in mentioned and (gate := context.gate) is not None:
        parts.append(_gate_section(gate))
    if parts and "previous" not in mentioned and (previous := context.previous):
        parts.append(f"# Your last attempt\n\n{previous.strip()}")
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


def _known(use: Use, earlier: Sequence[str]) -> Mapping[str, Sequence[str]]:
    return {name: _MEMBERS.get(name, ()) for name in VARIABLES[use]} | {"outputs": tuple(earlier)}


def _trials(earlier: Sequence[str]) -> list[PromptContext]:
    """The situations in which a prompt is rendered: first, after a reject, after a gate."""
    first = PromptContext(
        request=Request(text="text", user="user"),
        input="input",
        outputs=dict.fromkeys(earlier, "output"),
        artefact="artefact",
        criteria="criteria",
        branch="branch",
        item=templates.AnyItem(),
        output="output",
        results=({"name": "a", "step": "a", "output": "output", "ok": True, "score": 1.0},),
    )
    again = replace(first, attempt=2, previous="previous", diff="diff")
    killed = FailedGate("gate", "criteria", None, "log")
    return [
        first,
        replace(again, reasons=("reason",)),
        replace(again, gate=killed),
        replace(again, gate=replace(killed, exit_code=1)),
    ]
