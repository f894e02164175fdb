"""What went wrong in earlier migrations from OpenClaw, and must not here: one test for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.domain.migration import MigrationPlan
from tests.migrate.openclaw.homes import (
    agents_of,
    config_of,
    fate_of,
    home,
    plan_of,
    routes_of,
    secrets_of,
    text_of,
    tools_of,
    warned,
)

_ODD = 'a "quote", """three""", a \\ and\n[agent]\nname = "injected"\n\x00\x1b end'


def _plan(tmp_path: Path, *agents: Any, **config: Any) -> MigrationPlan:
    return plan_of(tmp_path, {"agents": {"list": list(agents)}, **config})


def test_quotes_and_backslashes_in_texts_never_break_or_change_the_configuration(
    tmp_path: Path,
) -> None:
    entry = {"id": "a", "identity": _ODD, "model": 'groq/"x"\\'}
    plan = _plan(tmp_path, entry, {"id": 'b"\n[agent]'})
    agents = agents_of(plan)
    assert agents["a"].instructions == _ODD
    assert agents["a"].model == 'groq/"x"\\'
    assert list(agents) == ["a", "b-agent"]


def test_every_key_of_an_agent_is_its_own(tmp_path: Path) -> None:
    """A key that was written after a table's header once belonged to that table."""
    plan = _plan(tmp_path, {"id": "a", "tools": {"profile": "coding"}}, {"id": "b"})
    assert set(agents_of(plan)) == {"a", "b"}
    assert tools_of(plan, "a") != tools_of(plan, "b")


def test_denied_tools_at_the_root_hold_for_every_agent(tmp_path: Path) -> None:
    plan = _plan(tmp_path, {"id": "a", "tools": {"profile": "full"}}, tools={"deny": ["exec"]})
    assert "shell" not in tools_of(plan, "a")


def test_also_allow_counts_without_allow(tmp_path: Path) -> None:
    plan = _plan(tmp_path, {"id": "a", "tools": {"profile": "messaging", "alsoAllow": ["read"]}})
    assert tools_of(plan, "a") == {"read"}


def test_an_unknown_policy_never_lets_anybody_in(tmp_path: Path) -> None:
    plan = _plan(tmp_path, {"id": "a"}, channels={"telegram": {"dmPolicy": "opne"}})
    assert 'dm_policy = "ignore"' in text_of(plan, ".longwatch/imported/channels.toml")
    assert config_of(plan).default_workflow is None


def test_an_agents_id_never_leaves_the_target(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x/MEMORY.md").write_text("of somebody else")
    source = home(tmp_path / "home", {"agents": {"list": [{"id": "../../x"}]}})
    (source / "memory").mkdir()
    plan = plan_of(source)
    assert all(".." not in path for path in plan.paths)
    assert plan.copies == ()


def test_an_odd_value_costs_itself_and_not_the_file(tmp_path: Path) -> None:
    channels = {"telegram": {"allowFrom": [12345678901, {"x": 1}, None, "u"], "dmPolicy": 3}}
    plan = _plan(tmp_path, {"id": "a", "model": [1], "tools": 5, "name": {}}, channels=channels)
    assert 'allowed_users = ["12345678901", "u"]' in text_of(
        plan, ".longwatch/imported/channels.toml"
    )
    assert warned(plan, "channels.telegram.allowFrom[1]", "not a text")


def test_a_variable_has_a_name_that_a_shell_can_set(tmp_path: Path) -> None:
    providers = {"custom-provider": {"baseUrl": "http://h/v1", "apiKey": "FAKE_custom_1"}}
    plan = _plan(
        tmp_path, {"id": "a", "model": "custom-provider/x"}, models={"providers": providers}
    )
    assert secrets_of(plan) == {"CUSTOM_PROVIDER_API_KEY": "FAKE_custom_1"}


def test_a_value_cannot_add_a_variable_to_the_file_of_secrets(tmp_path: Path) -> None:
    plan = _plan(tmp_path, {"id": "a"}, gateway={"auth": {"token": "FAKE_x\nINJECTED=1"}})
    assert list(secrets_of(plan)) == ["OPENCLAW_GATEWAY_AUTH_TOKEN"]


def test_the_variable_of_a_copied_key_file_is_set(tmp_path: Path) -> None:
    config = {
        "agents": {"list": [{"id": "a"}]},
        "channels": {"googlechat": {"serviceAccountFile": "sa.json"}},
    }
    plan = plan_of(tmp_path, config, {"sa.json": "{}"})
    assert secrets_of(plan)["GOOGLE_CHAT_SA_FILE"] in plan.paths


def test_a_file_that_is_not_there_is_not_called_imported(tmp_path: Path) -> None:
    plan = _plan(tmp_path, {"id": "a"}, channels={"whatsapp": {"authDir": "gone"}})
    assert not [one for one in plan.imported if "authDir" in one.name]
    assert warned(plan, "authDir")


def test_a_channel_that_is_off_has_no_routes(tmp_path: Path) -> None:
    feishu = {"enabled": False, "userToAgent": {"p": "a"}, "defaultAgent": "a"}
    plan = _plan(tmp_path, {"id": "a"}, {"id": "b"}, channels={"feishu": feishu})
    assert routes_of(plan) == []


def test_the_first_of_two_agents_for_a_peer_counts_not_the_alphabet(tmp_path: Path) -> None:
    routes = [{"user": "p", "agent": "z"}, {"user": "p", "agent": "a"}]
    plan = _plan(tmp_path, {"id": "a"}, {"id": "z"}, channels={"feishu": {"bindings": routes}})
    assert routes_of(plan) == [("feishu", "p", "z")]


def test_a_route_to_an_agent_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    plan = _plan(tmp_path, {"id": "a"}, channels={"feishu": {"userToAgent": {"p": "ghost"}}})
    assert routes_of(plan) == []
    assert warned(plan, "userToAgent.p", "does not exist")


def test_every_channel_can_be_bound_not_only_one(tmp_path: Path) -> None:
    bindings = [{"agentId": "a", "match": {"channel": name}} for name in ("irc", "line", "signal")]
    plan = _plan(tmp_path, {"id": "a"}, bindings=bindings)
    assert [channel for channel, _, _ in routes_of(plan)] == ["irc", "line", "signal"]


def test_nothing_is_dropped_without_a_line(tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "models": {"providers": {"groq": {"timeoutSeconds": 5}}},
        "tools": {"media": {"x": 1}},
        "gateway": {"port": 1},
        "broadcast": {},
    }
    plan = _plan(tmp_path, {"id": "a", "skills": ["s"], "thinkingDefault": "high"}, **config)
    for key in ("models.providers.groq.timeoutSeconds", "tools.media.x", "gateway.port"):
        assert fate_of(plan, key).reason
    for key in ("broadcast", "agents.list[0].skills[0]", "agents.list[0].thinkingDefault"):
        assert fate_of(plan, key).reason
    assert len(plan.keys) == plan.key_count == 7


def test_a_model_without_a_provider_is_not_sent_to_the_wrong_one(tmp_path: Path) -> None:
    assert agents_of(_plan(tmp_path, {"id": "a", "model": "gpt-4o"}))["a"].model == "openai/gpt-4o"
