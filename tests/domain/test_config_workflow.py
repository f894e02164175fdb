"""Workflow files: what cannot work is refused when the file is loaded."""

from __future__ import annotations

import pytest

from app.domain.errors import ConfigError
from app.domain.workflow_check import parse_workflow, sub_workflow_problems

HEAD = 'name = "w"\n'  # line 1
PLAN = '[[step]]\nname = "plan"\nagent = "coder"\nprompt = "{{ request.text }}"\n'  # 2 to 5
CODE = '[[step]]\nname = "code"\nagent = "coder"\nprompt = "{{ outputs.plan }}"\n'
REVIEW = (
    '[[step]]\nkind = "review"\nname = "r"\nof = "plan"\nby = ["operator"]\nreturn_to = "plan"\n'
)
GATE = '[[step.gate]]\nname = "g"\n'
AGENTS = ("coder", "critic")

FAN_OUT = '[[step]]\nname = "all"\nkind = "fan_out"\n'
COLLECT = '[[step]]\nname = "sum"\nkind = "collect"\nof = ["plan"]\n'

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
        '"a line for /bin/sh"; or else json_schema, pattern, forbid, max_diff_lines, allow_paths, '
        "judge or person",
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
        'f.toml:9: step[1].of: "plna" is not a step before this one that has an output; '
        'did you mean "plan"? Allowed: plan',
    ),
    (
        REVIEW + PLAN,
        'f.toml:5: step[0].of: "plan" is not a step before this one that has an output. '
        "Allowed: none "
        "(and 1 more problem in this file)",
    ),
    (
        PLAN + CODE + REVIEW.replace('return_to = "plan"', 'return_to = "code"'),
        'f.toml:15: step[2].return_to: "plan" does not come after "code" and would not be made '
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
    (
        PLAN + CODE + 'needs = ["plna"]\n',
        'f.toml:10: step[1].needs[0]: "plna" is not a step before this one; did you mean "plan"? '
        "Allowed: plan",
    ),
    (
        CODE.replace("{{ outputs.plan }}", "x") + 'needs = ["code"]\n',
        'f.toml:6: step[0].needs[0]: "code" is not a step before this one. Allowed: none',
    ),
    (
        PLAN.replace("[[step]]", "[[step]]\nneeds = []") + CODE + "needs = []\n",
        'f.toml:10: step[1].prompt: template line 1: outputs has no "plan". Allowed: none',
    ),
    (
        PLAN + 'when = "inptu"\n',
        'f.toml:6: step[0].when: template line 1: unknown variable "inptu"; did you mean "input"? '
        "Allowed: request, input, outputs, reasons, attempt",
    ),
    (
        PLAN + '[step.loop]\nuntil = "output =="\n',
        "f.toml:7: step[0].loop.until: `output ==` is no expression: unexpected 'end of template'",
    ),
    (
        FAN_OUT,
        'f.toml:2: step[0]: give either branches ([[step.branch]]) or for_each = "the step with '
        'the list"',
    ),
    (
        FAN_OUT + '[[step.branch]]\nname = "a"\nagent = "critic"\n',
        "f.toml:5: step[0].branch[0]: neither the branch nor its step has `prompt`",
    ),
    (
        PLAN + COLLECT.replace('["plan"]', '["plna"]'),
        'f.toml:9: step[1].of[0]: "plna" is not a step before this one that has an output; did you '
        'mean "plan"? Allowed: plan',
    ),
    (
        PLAN + COLLECT + 'take = "quorum"\nquorum = 2\n',
        "f.toml:11: step[1].quorum: there are only 1 results to come",
    ),
    (
        PLAN + COLLECT + 'take = "best"\nbest_by = "tests"\n',
        'f.toml:11: step[1].best_by: step plan has no gate "tests". Allowed: none',
    ),
    (
        PLAN + '[[step]]\nname = "check"\nkind = "gate"\n',
        "f.toml:6: step[1]: a gate step needs at least one [[step.gate]]",
    ),
    (
        PLAN + GATE + 'pattern = "("\n',
        "f.toml:8: step[0].gate[0].pattern: missing ) at position 1",
    ),
    (
        PLAN + GATE + 'judge = "critic"\n',
        "f.toml:6: step[0].gate[0]: a judge needs criteria to judge by, or a prompt of its own",
    ),
    (
        PLAN + GATE + 'allow_paths = ["docs/**", "../**"]\n',
        'f.toml:8: step[0].gate[0].allow_paths[1]: "../**" matches nothing: paths are those of the '
        "repository, from its root; none leads out of it",
    ),
    (
        PLAN + GATE + 'pattern = "x"\nperson = true\n',
        "f.toml:6: step[0].gate[0]: pattern and person are checks of different kinds: make a gate "
        "of each",
    ),
]


def test_enforced_gates_are_asked_of_every_producing_step() -> None:
    guarded = PLAN + GATE + 'pattern = "x"\n'
    assert parse_workflow(HEAD + "enforce = true\n" + guarded, "f.toml", AGENTS).enforce
    with pytest.raises(ConfigError) as caught:
        parse_workflow(HEAD + "enforce = true\n" + guarded + CODE, "f.toml", AGENTS)
    assert "add [[step.gate]] to code" in str(caught.value)
    call = '[[step]]\nkind = "call"\nname = "ask"\n[step.call]\ncommand = ["cat"]\n'
    with pytest.raises(ConfigError, match=r"add \[\[step\.gate\]\] to ask"):
        parse_workflow(HEAD + "enforce = true\n" + guarded + call, "f.toml", AGENTS)


def test_enforced_gates_are_asked_of_what_is_started_too() -> None:
    starting = PLAN + GATE + 'pattern = "x"\n' + '[[step]]\nkind = "workflow"\nname = "sub"\n'
    outer = parse_workflow(
        HEAD + "enforce = true\n" + starting + 'workflow = "inner"\n', "f.toml", AGENTS
    )
    inner = parse_workflow(HEAD.replace('"w"', '"inner"') + PLAN, "g.toml", AGENTS)
    ((at, what),) = sub_workflow_problems(outer, {outer.name: outer, "inner": inner})
    assert at == ("step", 1, "workflow")
    assert what.endswith('set it in the file of workflow "inner" too')
    strict = inner.model_copy(update={"enforce": True})
    assert not list(sub_workflow_problems(outer, {outer.name: outer, "inner": strict}))


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
