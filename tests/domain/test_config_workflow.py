"""Workflow files: what cannot work is refused when the file is loaded."""

from __future__ import annotations

import pytest

from app.domain.errors import ConfigError
from app.domain.workflow_check import parse_workflow

HEAD = 'name = "w"\n'  # line 1
PLAN = '[[step]]\nname = "plan"\nagent = "coder"\nprompt = "{{ request.text }}"\n'  # 2 to 5
CODE = '[[step]]\nname = "code"\nagent = "coder"\nprompt = "{{ outputs.plan }}"\n'
REVIEW = (
    '[[step]]\nkind = "review"\nname = "r"\nof = "plan"\nby = ["operator"]\nreturn_to = "plan"\n'
)
GATE = '[[step.gate]]\nname = "g"\n'
AGENTS = ("coder", "critic")

BROKEN = [
    (PLAN + PLAN, 'f.toml:7: step[1].name: there is a step "plan" already'),
    (
        PLAN.replace("coder", "codr"),
        'f.toml:4: step[0].agent: no agent "codr" in longwatch.toml; did you mean "coder"? '
        "Allowed: coder, critic",
    ),
    (
        PLAN.replace("coder", "operator"),
        'f.toml:4: step[0].agent: a person cannot be a step\'s agent; see kind = "review"',
    ),
    (
        PLAN + GATE,
        'f.toml:6: step[0].gate[0]: give either command = ["word", …] or shell = '
        '"a line for /bin/sh"',
    ),
    (
        PLAN + GATE + 'command = ["true"]\nshell = "true"\n',
        "f.toml:9: step[0].gate[0].shell: give either command (a list of words) or shell "
        "(a line), not both",
    ),
    (PLAN + GATE + 'command = [""]\n', "f.toml:8: step[0].gate[0].command[0]: must not be empty"),
    (
        PLAN + (GATE + 'shell = "true"\n') * 2,
        'f.toml:10: step[0].gate[1].name: this step has a gate "g" already',
    ),
    (
        CODE + PLAN,
        'f.toml:5: step[0].prompt: template line 1: outputs has no "plan". Allowed: none',
    ),
    (
        PLAN + CODE.replace("outputs.plan", "outputs['pln']"),
        'f.toml:9: step[1].prompt: template line 1: outputs has no "pln"; did you mean "plan"? '
        "Allowed: plan",
    ),
    (
        PLAN + REVIEW.replace('of = "plan"', 'of = "plna"'),
        'f.toml:9: step[1].of: "plna" is not an agent step before this one; '
        'did you mean "plan"? Allowed: plan',
    ),
    (
        REVIEW + PLAN,
        'f.toml:5: step[0].of: "plan" is not an agent step before this one. Allowed: none '
        "(and 1 more problem in this file)",
    ),
    (
        PLAN + CODE + REVIEW.replace('return_to = "plan"', 'return_to = "code"'),
        'f.toml:15: step[2].return_to: "code" comes after "plan", which would then not be made '
        "again. Allowed: plan",
    ),
    (
        PLAN + REVIEW.replace('["operator"]', '["critc", "operator"]'),
        'f.toml:10: step[1].by[0]: no agent "critc" in longwatch.toml; did you mean "critic"? '
        "Allowed: coder, critic, operator",
    ),
    (
        PLAN + REVIEW.replace('["operator"]', '["critic", "critic"]'),
        'f.toml:10: step[1].by[1]: "critic" is named twice',
    ),
    (
        PLAN + REVIEW.replace('["operator"]', "[]"),
        "f.toml:10: step[1].by: needs at least one entry",
    ),
    (
        PLAN + REVIEW + 'prompt = "{{ previous }}"\n',
        'f.toml:12: step[1].prompt: template line 1: unknown variable "previous". '
        "Allowed: request, input, outputs, reasons, attempt, artefact, diff",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), BROKEN, ids=[s[:60] for _, s in BROKEN])
def test_a_workflow_that_cannot_work_has_one_exact_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_workflow(HEAD + text, "f.toml", AGENTS)
    assert str(caught.value) == sentence


def test_a_sound_workflow_loads() -> None:
    review = REVIEW.replace('["operator"]', '["critic", "operator"]')
    gate = GATE + 'command = ["pytest", "-q"]\n'
    workflow = parse_workflow(HEAD + PLAN + review + CODE + gate, "f.toml", AGENTS)
    assert [step.name for step in workflow.steps] == ["plan", "r", "code"]


def test_without_a_list_of_agents_any_agent_is_taken() -> None:
    assert parse_workflow(HEAD + PLAN.replace("coder", "x"), "f.toml").steps[0].name == "plan"
