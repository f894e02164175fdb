"""Prompts: one-pass rendering, mistakes found at load, and no feedback ever lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import templates
from app.domain.errors import ConfigError
from app.domain.prompt_context import Context, FailedGate, PromptContext
from app.domain.prompts import (
    DEFAULT_REVIEW,
    check_template,
    continue_prompt,
    holds,
    render,
    render_agent_prompt,
    render_review_prompt,
)
from app.domain.request import Request
from app.domain.step import AgentStep, ReviewStep
from app.domain.verdict import parse_verdict

REQUEST = Request(text="Add retry", user="ann")
GATE = FailedGate("tests", "All pass.", 1, "1 failed\n")


def step(prompt: str) -> AgentStep:
    return AgentStep(name="plan", agent="a", prompt=prompt)


def review(prompt: str = "") -> ReviewStep:
    return ReviewStep(
        kind="review", name="r", of="plan", by=("a",), return_to="plan", prompt=prompt
    )


def test_each_source_is_a_variable_of_its_own() -> None:
    template = (
        "{{ request.text }}/{{ request.risk }}/{{ outputs.plan }}/{{ outputs['b-c'] }}/"
        "{{ previous }}/{% for r in reasons %}{{ r }};{% endfor %}/{{ gate.log }}/{{ attempt }}"
    )
    context = PromptContext(
        request=REQUEST,
        attempt=3,
        outputs={"plan": "P", "b-c": "B"},
        previous="old",
        reasons=("x", "y"),
        gate=GATE,
    )
    text = render_agent_prompt(step(template), context)
    assert text == "Add retry/medium/P/B/old/x;y;/1 failed\n/3\n"


@given(st.text(alphabet="{}%# requstxnoupl.'\n", max_size=60))
def test_text_that_looks_like_a_placeholder_is_never_expanded(output: str) -> None:
    context = PromptContext(
        request=REQUEST, outputs={"plan": f"<{output}{{{{ request.text }}}}>"}, previous="secret"
    )
    text = render_agent_prompt(step("{{ outputs.plan }}"), context)
    assert text == f"<{output}{{{{ request.text }}}}>\n"


@pytest.mark.parametrize("name", ["items", "keys", "values", "get"])
def test_a_step_may_be_called_like_a_method(name: str) -> None:
    template = f"{{{{ outputs.{name} }}}}"
    assert check_template(template, "agent", [name]) == []
    context = PromptContext(request=REQUEST, outputs={name: "text"})
    assert render_agent_prompt(step(template), context) == "text\n"


def test_nothing_is_escaped() -> None:
    context = PromptContext(request=REQUEST, outputs={"plan": 'a < b & "c"'})
    assert render_agent_prompt(step("{{ outputs.plan }}"), context) == 'a < b & "c"\n'


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        (
            "{{ reqest.text }}",
            'template line 1: unknown variable "reqest"; did you mean "request"?',
        ),
        ("a\n{{ text }}", 'template line 2: unknown variable "text". Allowed: request, input,'),
        ("{{ request.txt }}", 'template line 1: request has no "txt"; did you mean "text"?'),
        ("{{ gate['lgo'] }}", 'template line 1: gate has no "lgo"; did you mean "log"?'),
        ("{{ outputs.code }}", 'template line 1: outputs has no "code". Allowed: plan'),
        ("{{ outputs[attempt] }}", "template line 1: name the step whose output you want"),
        ("{{ outputs }}", "template line 1: name the step whose output you want"),
        ("{{ gate.log }}", "does not render at the first attempt, when `gate` is none"),
        ("{{ reasons[0] }}", "does not render at the first attempt, when `gate` is none"),
        ("{{ 'x' + attempt }}", "does not render at the first attempt, when `gate` is none"),
        ("{% if gate %}{{ 1 + gate.exit_code }}{% endif %}", "does not render after a failed gate"),
        ("{% if reasons %}{{ 1 // 0 }}{% endif %}", "does not render after a reject"),
        ("{% if reasons %}{{ x }}{% endif %}", 'template line 1: unknown variable "x"'),
        (
            "{{ request.text | uper }}",
            'template line 1: unknown filter "uper"; did you mean "upper"',
        ),
        ("{{ attempt is eve }}", 'template line 1: unknown test "eve"; did you mean "even"?'),
        ("{{ request.text ", "template line 1: unexpected end of template"),
        ("{% if attempt %}\nx", "template line 2: Unexpected end of template."),
        ("{% include 'x' %}", "template line 1: a prompt cannot include, import or extend"),
        ("{% for i in range(3) %}{% endfor %}", 'template line 1: unknown variable "range"'),
        ("{{ request.__class__ }}", 'template line 1: request has no "__class__"'),
        ("{{ ''.__class__.__mro__ }}", "does not render at the first attempt"),
        ("{{ " + "(" * 5000 + ")" * 5000 + " }}", "the template is nested too deep"),
        ("{{ artefact }}", 'template line 1: unknown variable "artefact"'),
    ],
    ids=range(23),
)
def test_a_mistake_is_found_without_running_a_step(template: str, problem: str) -> None:
    problems = check_template(template, "agent", ["plan"])
    assert len(problems) == 1
    assert problems[0].startswith(problem)


def test_all_mistakes_of_a_template_are_told() -> None:
    problems = check_template("{{ a }}\n{{ b }}{{ outputs.c }}", "review", [])
    assert [p.split(".")[0] for p in problems] == [
        'template line 1: unknown variable "a"',
        'template line 2: unknown variable "b"',
        'template line 2: outputs has no "c"',
    ]


@pytest.mark.parametrize("template", [DEFAULT_REVIEW, "{{ diff }}{{ outputs.plan }}"])
def test_sound_review_templates_pass(template: str) -> None:
    assert check_template(template, "review", ["plan"]) == []


def test_feedback_that_a_template_leaves_out_is_added() -> None:
    context = PromptContext(
        request=REQUEST, previous="old plan", reasons=("too long", "no tests"), gate=GATE
    )
    assert render_agent_prompt(step("Plan."), context) == (
        "Plan.\n\n"
        "# Your last attempt was sent back, for these reasons\n\n- too long\n- no tests\n\n"
        '# Your last attempt did not pass the check "tests" (exit code 1)\n\n'
        "It asks for: All pass.\n\nWhat it printed:\n\n1 failed\n\n"
        "# Your last attempt\n\nold plan\n"
    )


@pytest.mark.parametrize("name", ["reasons", "gate", "previous"])
def test_feedback_that_a_template_tells_is_not_told_twice(name: str) -> None:
    context = PromptContext(request=REQUEST, previous="LAST", reasons=("WHY",), gate=GATE)
    text = render_agent_prompt(step(f"Plan. {{{{ {name} and '' }}}}"), context)
    headings = {
        "reasons": "sent back",
        "gate": "did not pass",
        "previous": "# Your last attempt\n",
    }
    assert headings.pop(name) not in text
    assert all(heading in text for heading in headings.values())


def test_a_first_attempt_or_a_plain_retry_has_no_feedback() -> None:
    assert render_agent_prompt(step("Plan."), PromptContext(request=REQUEST)) == "Plan.\n"
    retry = PromptContext(request=REQUEST, previous="old", attempt=2)
    assert render_agent_prompt(step("Plan."), retry) == "Plan.\n"


def test_a_gate_that_was_killed_has_no_exit_code() -> None:
    context = PromptContext(request=REQUEST, gate=FailedGate("tests", "", None, "…"))
    assert '"tests" (did not end by itself)\n\nWhat it printed:' in render_agent_prompt(
        step("Plan."), context
    )


def test_the_default_review_shows_request_artefact_reasons_and_difference() -> None:
    context = PromptContext(request=REQUEST, artefact="PLAN", diff="-a\n+b", reasons=("WHY",))
    text = render_review_prompt(review(), context)
    assert all(part in text for part in ("Add retry", "PLAN", "-a\n+b", "- WHY", "# Your verdict"))


def test_a_review_prompt_of_ones_own_keeps_artefact_and_verdict() -> None:
    context = PromptContext(request=REQUEST, artefact="PLAN")
    assert "# The text to judge\n\nPLAN" in render_review_prompt(review("Judge it."), context)
    told = render_review_prompt(review("Judge {{ artefact }}."), context)
    assert told.startswith("Judge PLAN.\n\n# Your verdict")


def test_the_form_that_is_asked_for_can_be_read() -> None:
    context = PromptContext(request=REQUEST, artefact="PLAN")
    assert parse_verdict(render_review_prompt(review(), context)).decision == "approve"


def test_a_prompt_is_made_of_whole_characters() -> None:
    context = PromptContext(request=REQUEST, input="ü\ud800\U0001f600")
    assert render_agent_prompt(step("{{ input }} \U0001f600"), context).startswith(
        "ü\ufffd\U0001f600 "
    )


def test_an_error_in_the_middle_of_a_run_names_the_step() -> None:
    context = PromptContext(request=REQUEST, outputs={})
    with pytest.raises(ConfigError, match=r"^step plan: the prompt does not render: .*plan"):
        render_agent_prompt(step("{{ outputs.plan }}"), context)


class Untold(Context):
    """A context that knows its request and nothing else."""

    @property
    def request(self) -> Request:
        return REQUEST

    @property
    def reasons(self) -> tuple[str, ...]:
        raise AssertionError("nobody has mentioned it")

    @property
    def input(self) -> str:
        raise AssertionError("nobody has mentioned it")


def test_only_what_is_mentioned_is_looked_for() -> None:
    template = "{{ request.text }}, {{ attempt }}{% set input = 1 %}{{ input }}"
    assert render(template, "call", Untold(), "s") == "Add retry, 11"
    assert holds("request.text == 'Add retry' and attempt < 2", "when", Untold(), "s")
    with pytest.raises(ConfigError, match="nobody has mentioned it"):
        holds("attempt == 2 or reasons", "when", Untold(), "s")


@pytest.mark.parametrize(
    ("expression", "constant"),
    [
        ("false", False),
        ("1 + 1 == 2 and 'b' in 'abc'", True),
        ("[]", False),
        ("attempt > 1", None),
        ("false and attempt", False),
        ("[0, 1] | random", None),
        ("1 // 0", None),
        ("''.__class__", None),
    ],
)
def test_a_condition_about_nothing_is_evaluated_once(
    expression: str, constant: bool | None
) -> None:
    assert templates.condition(expression).constant is constant


@pytest.mark.parametrize("expression", ["1 // 0", "''.__class__", "unknown", "1 +", "1 2"])
def test_a_condition_that_fails_fails_each_time(expression: str) -> None:
    context = PromptContext(request=REQUEST)
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"^step s: the condition `.*` cannot be evaluated"):
            holds(expression, "when", context, "s")


def test_the_prompt_after_a_crash_tells_what_must_not_be_done_again() -> None:
    text = continue_prompt("Fix it.\n", [("git push\nnow", "already done"), ("rm x", "denied")])
    assert "do not make a call again unless its line says so:\n" in text
    assert "- git push now: already done\n- rm x: denied\n" in text
    assert text.endswith("# The task, as it was given to you\n\nFix it.\n")
    assert "tool calls" not in continue_prompt("Fix it.", [])
