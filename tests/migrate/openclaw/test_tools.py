"""Tools: names, groups, profiles and layers. Nobody may do more here than there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.approval import Action
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.nodes import tree
from app.migrate.openclaw.tool_names import GROUPS, PROFILES
from app.migrate.openclaw.tools import Policies, decide
from app.migrate.openclaw.vault import Vault
from tests.migrate.openclaw.homes import agents_of, config_of, plan_of, tools_of, warned
from tests.migrate.openclaw.oracle import allowed

_ALL = {"read", "list", "search", "edit", "write", "shell", "fetch", "process"}


def _tools(tmp_path: Path, own: Any, **top: Any) -> set[str]:
    entry = {"id": "a", "model": "groq/x", "tools": own}
    return tools_of(plan_of(tmp_path, {"agents": {"list": [entry]}, **top}), "a")


@pytest.mark.parametrize(
    ("names", "ours"),
    [
        (["Read", "read", "read_file", "file_read"], {"read"}),
        (["Write"], {"write"}),
        (["write_file"], {"write"}),
        (["Edit"], {"edit"}),
        (["edit"], {"edit"}),
        (["apply_patch"], {"edit"}),
        (["Glob"], {"list"}),
        (["list_files"], {"list"}),
        (["Grep"], {"search"}),
        (["file_list"], {"list", "search"}),
        (["Bash"], {"shell"}),
        (["exec", "process"], {"shell", "process"}),
        (["execute_command"], {"shell"}),
        (["WebFetch"], {"fetch"}),
        (["fetch_url"], {"fetch"}),
        (["group:fs"], {"read", "write", "edit"}),
        (["GROUP:FS"], {"read", "write", "edit"}),
        (["group:web"], {"fetch"}),
        (["*"], _ALL),
        (["r*"], {"read"}),
        (["read", "exec"], {"read", "shell", "list", "search"}),
        (["process"], set()),
        (["memory_search", "WebSearch", "browser_navigate"], set()),
        (["nope"], set()),
    ],
)
def test_a_list_of_allowed_tools_means_ours(
    tmp_path: Path, names: list[str], ours: set[str]
) -> None:
    assert _tools(tmp_path, {"allow": names}) == ours


@pytest.mark.parametrize(
    ("profile", "ours"),
    [
        ("full", _ALL),
        ("coding", _ALL),
        ("minimal", set()),
        ("messaging", set()),
        ("research", {"read", "write", "fetch"}),
        ("automation", _ALL - {"process"}),
        ("Coding", _ALL),
        ("superuser", set()),
        (7, set()),
    ],
)
def test_a_profile_means_ours_and_an_unknown_one_nothing(
    tmp_path: Path, profile: Any, ours: set[str]
) -> None:
    assert _tools(tmp_path, {"profile": profile}) == ours


@pytest.mark.parametrize(
    ("denied", "gone"),
    [
        (["exec"], {"shell", "process"}),
        (["bash"], {"shell", "process"}),
        (["shell"], {"shell", "process"}),
        (["group:runtime"], {"shell", "process"}),
        (["write"], {"write"}),
        (["edit"], {"edit"}),
        (["group:fs"], {"read", "list", "search", "edit", "write"}),
        (["web_*"], {"fetch"}),
        (["*fetch*"], {"fetch"}),
        (["WebFetch"], {"fetch"}),
        (["*"], _ALL),
        ("exec", {"shell", "process"}),
        (["unheard_of"], set()),
        (True, _ALL),
        ({"exec": True}, _ALL),
        ([["exec"]], _ALL),
    ],
)
def test_what_is_denied_is_gone_and_a_list_that_cannot_be_read_denies_all(
    tmp_path: Path, denied: Any, gone: set[str]
) -> None:
    assert _tools(tmp_path, {"profile": "full", "deny": denied}) == _ALL - gone


def test_a_denied_tool_that_is_unknown_is_told(tmp_path: Path) -> None:
    agent = {"id": "a", "tools": {"allow": ["*"], "deny": ["group:moon", "exec,process"]}}
    plan = plan_of(tmp_path, {"agents": {"list": [agent]}})
    for i in range(2):
        assert warned(plan, f"tools.deny[{i}]", "nothing is denied by it")


def test_layers_only_take_away(tmp_path: Path) -> None:
    top = {"tools": {"profile": "coding", "allow": ["group:fs", "exec"], "deny": ["write"]}}
    assert _tools(tmp_path, {"profile": "full", "allow": ["*"]}, **top) == {
        "read", "list", "search", "edit", "shell"
    }  # fmt: skip


def test_also_allow_widens_a_profile_and_nothing_else(tmp_path: Path) -> None:
    assert _tools(tmp_path / "1", {"profile": "minimal", "alsoAllow": ["read"]}) == {"read"}
    assert _tools(tmp_path / "2", {"alsoAllow": ["read"]}, tools={"deny": ["read"]}) == (
        _ALL - {"read", "list", "search"}
    )


def test_providers_take_away_from_agents_with_their_models(tmp_path: Path) -> None:
    top = {
        "tools": {
            "profile": "full",
            "byProvider": {
                "groq": {"deny": ["exec"]},
                "groq/x": {"allow": ["read", "write", "exec"]},
                "openai": {"profile": "minimal"},
            },
        }
    }
    assert _tools(tmp_path, {}, **top) == {"read", "write"}


def test_what_a_sender_may_not_nobody_may(tmp_path: Path) -> None:
    top = {"tools": {"profile": "full", "toolsBySender": {"*": {"deny": ["group:runtime"]}}}}
    assert _tools(tmp_path, {}, **top) == _ALL - {"shell", "process"}


def test_a_sandboxed_agent_is_confined_and_has_what_a_sandbox_has(tmp_path: Path) -> None:
    entry = {
        "id": "a",
        "tools": {"profile": "full"},
        "sandbox": {"mode": "all", "workspaceAccess": "ro"},
    }
    plan = plan_of(tmp_path, {"agents": {"list": [entry]}})
    agent = agents_of(plan)["a"]
    assert agent.sandbox == "read-only"
    assert set(agent.tools or ()) == {"read", "list", "search", "shell", "process"}


def test_present_homes_without_a_policy_have_all_tools_older_ones_the_careful_few(
    tmp_path: Path,
) -> None:
    present = plan_of(tmp_path / "1", {"agents": {"entries": {"a": {}}}})
    older = plan_of(tmp_path / "2", {"agents": {"list": [{"id": "a"}]}})
    assert tools_of(present, "a") == _ALL
    assert tools_of(older, "a") == {"read", "list", "search", "fetch"}
    assert warned(older, "no tool policy")


def test_an_unknown_tool_is_told_with_its_place(tmp_path: Path) -> None:
    entry = {"id": "a", "tools": {"allow": ["read", "zzz"]}}
    plan = plan_of(tmp_path, {"agents": {"list": [entry]}})
    assert warned(plan, "agents.list[0].tools.allow[1]", "no tool that is known")


def test_what_exec_says_becomes_rules_that_allow_nothing(tmp_path: Path) -> None:
    entries = [
        {"id": "a", "tools": {"profile": "full", "exec": {"security": "deny"}}},
        {"id": "b", "tools": {"profile": "full", "exec": {"security": "allowlist"}}},
        {"id": "c", "tools": {"profile": "full", "deny": ["write", "edit", "web_fetch"]}},
    ]
    plan = plan_of(tmp_path, {"agents": {"list": entries}})
    assert "shell" not in tools_of(plan, "a")
    rules = {rule.name: rule for rule in config_of(plan).rules}
    assert Action.ALLOW not in {rule.action for rule in rules.values()}
    assert rules["b-asks-shell"].action is Action.ASK
    assert rules["c-denies-edit"].match.agent == "c"
    assert {"a-denies-shell", "c-denies-fetch"} <= set(rules)


_NAMES = st.sampled_from(
    ["read", "Write", "edit", "exec", "bash", "process", "web_fetch", "apply_patch", "*", "e*",
     "*e*", "group:fs", "group:runtime", "group:web", "group:plugins", "bundle-mcp", "nope"]
)  # fmt: skip
_LISTS = st.lists(_NAMES, max_size=4)
_POLICY = st.fixed_dictionaries(
    {},
    optional={
        "allow": _LISTS,
        "alsoAllow": _LISTS,
        "deny": _LISTS,
        "profile": st.sampled_from([*PROFILES, "unknown"]),
    },
)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(_POLICY, _POLICY)
def test_no_policy_gives_more_than_another_reading_of_it(
    own: dict[str, Any], top: dict[str, Any]
) -> None:
    ledger = Ledger(Vault())
    policies = Policies(ledger)
    nodes = tree(own, "x"), tree(top, "x")
    base = policies.profile(*nodes)
    layers = [*([base] if base else []), *policies.lists(nodes[1]), *policies.lists(nodes[0])]
    found = set(decide(layers, {"files": "files"}).tools)
    config = {
        "agents": {"list": [{"id": "a", "tools": own}]},
        "tools": top,
        "mcp": {"servers": {"files": {}}},
    }
    limit = allowed(config, "a")
    assert limit is not None and found <= limit


def test_groups_are_those_of_the_documentation() -> None:
    assert set(GROUPS["group:fs"]) == {"read", "write", "edit", "apply_patch"}
    assert set(GROUPS["group:runtime"]) == {"exec", "process", "code_execution"}
    assert set(GROUPS["group:web"]) == {"web_search", "x_search", "web_fetch"}
    assert set(GROUPS["group:memory"]) == {"memory_search", "memory_get"}
