"""`longwatch.toml`: what it means, and the sentence for each mistake in it."""

from __future__ import annotations

import pytest

from app.domain.approval import Action, RuleMatch
from app.domain.config import check_routes, parse_config
from app.domain.errors import ConfigError
from app.domain.request import Risk

AGENT = '[[agent]]\nname = "coder"\ndriver = "codex"\n'

SERVER = '[[mcp]]\nname = "docs"\ncommand = ["docs-server"]\n'

BROKEN = [
    (AGENT + "[notify]\n", "c.toml:4: notify.command: this key is missing"),
    (AGENT + "[notify]\ncommand = []\n", "c.toml:5: notify.command: needs at least one entry"),
    (
        AGENT + '[notify]\ncommand = ["x"]\nafter_seconds = 0\n',
        "c.toml:6: notify.after_seconds: must be greater than 0, not 0",
    ),
    (
        AGENT + '[notify]\ncommand = ["x"]\nenv = ["A-B"]\n',
        'c.toml:6: notify.env[0]: "A-B" is not the name of an environment variable',
    ),
    (
        AGENT.replace("codex", "model") + '[[mcp]]\nname = "docs"\n',
        'c.toml:4: mcp[0]: needs either `command`, such as ["npx", "some-server"], or `url`',
    ),
    (
        AGENT + SERVER + 'url = "http://x"\n',
        'c.toml:4: mcp[0]: needs either `command`, such as ["npx", "some-server"], or `url`',
    ),
    (
        AGENT + SERVER + 'header_env = { X = "KEY" }\n',
        "c.toml:7: mcp[0].header_env: only with `url`; for a command, `env` names variables",
    ),
    (AGENT + SERVER + SERVER, 'c.toml:8: mcp[1].name: there is an MCP server "docs" already'),
    (
        AGENT + 'mcp = ["docs"]\n' + SERVER,
        'c.toml:4: agent[0].mcp: only for driver "acp" and "model"',
    ),
    (
        AGENT.replace("codex", "model") + 'mcp = ["dosc"]\n' + SERVER,
        'c.toml:4: agent[0].mcp[0]: no MCP server "dosc"; did you mean "docs"? Allowed: docs',
    ),
    (
        AGENT.replace("codex", "model") + 'mcp = ["docs"]\ntools = ["read"]\n' + SERVER,
        'c.toml:4: agent[0].mcp[0]: `tools` has neither "mcp:docs" nor one of its tools',
    ),
    (
        AGENT.replace("codex", "model") + 'tools = ["mcp:docs/find"]\n' + SERVER,
        'c.toml:4: agent[0].tools[0]: agent "coder" has no MCP server "docs". Allowed: none',
    ),
    ("", "c.toml: agent: this key is missing"),
    (
        AGENT.replace("codex", "codx"),
        'c.toml:3: agent[0].driver: "codx" is not allowed; did you mean "codex"? '
        "Allowed: acp, codex, model, scripted",
    ),
    (AGENT + AGENT, 'c.toml:5: agent[1].name: there is an agent "coder" already'),
    (
        AGENT.replace("coder", "operator"),
        'c.toml:2: agent[0].name: "operator" means the person; give the agent another name',
    ),
    (
        '[[agent]]\nname = "s"\ndriver = "scripted"\n',
        'c.toml:1: agent[0]: driver "scripted" needs `script`, the path of its script file',
    ),
    (AGENT + 'script = "x"\n', 'c.toml:4: agent[0].script: only for driver "scripted"'),
    (
        AGENT + 'env = ["KEY=value"]\n',
        'c.toml:4: agent[0].env[0]: "KEY=value" is not the name of an environment variable',
    ),
    (
        AGENT + '[[route]]\nworkflow = "w"\nmax_risk = "hgih"\n',
        'c.toml:6: route[0].max_risk: "hgih" is not allowed; did you mean "high"? '
        "Allowed: low, medium, high, critical",
    ),
    (
        AGENT + '[[route]]\nworkflow = "w"\nmax_risk = "low"\nallow_risks = ["low"]\n',
        "c.toml:7: route[0].allow_risks: give either max_risk or allow_risks",
    ),
    (
        AGENT + '[[route]]\nworkflow = "w"\nallow_risks = []\n',
        "c.toml:6: route[0].allow_risks: an empty list lets no request through; leave the key out",
    ),
    (
        AGENT + '[[route]]\nworkflow = "w"\npriority = 2147483648\n',
        "c.toml:6: route[0].priority: must be at most 2147483647, not 2147483648",
    ),
    (
        AGENT + '[[route]]\nworkflow = "w"\nuser = ""\n',
        "c.toml:6: route[0].user: must not be empty",
    ),
    (
        AGENT + '[[approval.rule]]\nname = "r"\naction = "alow"\n',
        'c.toml:6: approval.rule[0].action: "alow" is not allowed; did you mean "allow"? '
        "Allowed: allow, deny, ask",
    ),
    (
        AGENT + '[[approval.rule]]\nname = "r"\naction = "allow"\n',
        "c.toml:4: approval.rule[0]: this would allow everything; "
        'give a condition such as max_risk = "low"',
    ),
    (
        AGENT + '[[approval.rule]]\nname = "r"\naction = "ask"\nallow_critical = true\n',
        'c.toml:7: approval.rule[0].allow_critical: has a meaning only with action = "allow"',
    ),
    (
        AGENT + '[[approval.rule]]\nname = "r"\naction = "ask"\nagent = "codre"\n',
        'c.toml:7: approval.rule[0].agent: no agent "codre"; did you mean "coder"? Allowed: coder',
    ),
    (
        AGENT + '[[approval.rule]]\nname = "r"\naction = "ask"\nmin_risk = "high"\n'
        'max_risk = "low"\n',
        "c.toml:7: approval.rule[0].min_risk: min_risk is above max_risk: the rule can never match",
    ),
    (
        AGENT + '[[approval.rule]]\nname = "r"\naction = "ask"\n' * 2,
        'c.toml:8: approval.rule[1].name: there is a rule "r" already',
    ),
    (
        AGENT + '[[approval.rule]]\nname = "r"\naction = "ask"\ncomand = "ls"\n',
        'c.toml:7: approval.rule[0].comand: unknown key; did you mean "command"? Allowed: action,'
        " agent, allow_critical, command, command_exact, max_risk, min_risk, name, path, reason,"
        " tool",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), BROKEN, ids=[s[:60] for _, s in BROKEN])
def test_a_broken_configuration_has_one_exact_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "c.toml")
    assert str(caught.value) == sentence


def test_flat_rules_become_rules_of_the_policy() -> None:
    config = parse_config(
        AGENT
        + '[[approval.rule]]\nname = "tests"\ntool = "shell"\ncommand = "pytest*"\n'
        + 'agent = "coder"\nmax_risk = "medium"\naction = "allow"\n'
        + '[[approval.rule]]\nname = "push"\ncommand = "git push*"\naction = "deny"\n'
        + 'reason = "no"\n',
        "c.toml",
    )
    tests, push = config.rules
    assert tests.match == RuleMatch(
        tool="shell", command="pytest*", agent="coder", max_risk=Risk.MEDIUM
    )
    assert (tests.name, tests.action, tests.allow_critical) == ("tests", Action.ALLOW, False)
    assert (push.action, push.reason, push.match.session) == (Action.DENY, "no", None)


def test_routes_to_workflows_that_do_not_exist_are_found() -> None:
    config = parse_config(
        'default_workflow = "chnge"\n' + AGENT + '[[route]]\nworkflow = "x"\n', ""
    )
    assert list(check_routes(config, ["change"])) == [
        (
            ("default_workflow",),
            'no workflow "chnge"; did you mean "change"? Allowed: change',
        ),
        (("route", 0, "workflow"), 'no workflow "x". Allowed: change'),
    ]
