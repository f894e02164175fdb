"""YAML homes: a file for each agent and channel."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from app.domain.errors import ConfigError
from app.domain.migration import Fate
from app.migrate.openclaw import read_openclaw
from tests.migrate.openclaw.homes import (
    agents_of,
    fate_of,
    home,
    plan_of,
    routes_of,
    said,
    secrets_of,
    text_of,
    tools_of,
    warned,
)
from tests.migrate.openclaw.rich import secret


def test_an_agent_has_the_configurations_model_unless_it_has_its_own(tmp_path: Path) -> None:
    files = {
        "config.yaml": "provider: kimi\nmodel: k2\napi_key_env: MINE\nbase_url: http://h/v1\n",
        "agents/a/agent.yaml": "name: Ada\ndescription: Counts.\n",
        "agents/b/agent.yaml": "provider: xai\nmodel: a/b\nbase_url: http://x/v1\n",
    }
    agents = agents_of(plan_of(tmp_path, None, files))
    assert (agents["a"].model, agents["a"].base_url) == ("moonshot/k2", "http://h/v1")
    assert (agents["a"].api_key_env, agents["a"].instructions) == ("MINE", "You are Ada. Counts.")
    assert (agents["b"].model, agents["b"].base_url) == ("xai/a/b", "http://x/v1")


def test_an_address_and_its_key_are_not_those_of_an_agent_with_another_provider(
    tmp_path: Path,
) -> None:
    files = {
        "config.yaml": "provider: glm\nmodel: glm-4.5\napi_key_env: MINE\nbase_url: http://h/v1\n",
        "agents/a/agent.yaml": "provider: zhipu\n",
        "agents/b/agent.yaml": "provider: codex\nmodel: o4\n",
    }
    agents = agents_of(plan_of(tmp_path, None, files))
    assert (agents["a"].base_url, agents["a"].api_key_env) == ("http://h/v1", "MINE")
    assert (agents["b"].model, agents["b"].base_url) == ("openai/o4", "")
    assert agents["b"].api_key_env != "MINE"


def test_without_a_configuration_there_is_the_usual_model(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, None, {"agents/a/agent.yaml": "{}"})
    assert warned(plan, "config.yaml", "not there")
    plan = plan_of(tmp_path, None, {"agents/a/agent.yaml": "name: a"})
    assert agents_of(plan)["a"].model == "anthropic/claude-sonnet-4-20250514"


def test_a_configuration_that_is_no_yaml_is_an_error(tmp_path: Path) -> None:
    source = home(tmp_path, None, {"config.yaml": "a: [", "agents/a/agent.yaml": "name: a"})
    with pytest.raises(ConfigError, match="not valid YAML"):
        read_openclaw(source, environment={})


@pytest.mark.parametrize(
    ("yaml", "ours"),
    [
        ("tools: [read_file, execute_command, zzz]", {"read", "shell", "list", "search"}),
        ("tools: []", set()),
        ("tools: 5", set()),
        ("tool_profile: minimal", {"read", "list", "search"}),
        ("tool_profile: coding", {"read", "edit", "write", "list", "search", "shell", "fetch"}),
        ("tool_profile: everything", set()),
        ("name: x", {"read", "list", "search", "fetch"}),
    ],
)
def test_tools_by_list_then_profile_then_the_careful_few(
    tmp_path: Path, yaml: str, ours: set[str]
) -> None:
    files = {"config.yaml": "", "agents/x/agent.yaml": yaml}
    assert tools_of(plan_of(tmp_path, None, files), "x") == ours


@pytest.mark.parametrize("bad", ["a: [", "- 1", "x", "!!python/object:os.system {}", "a: *b"])
def test_an_agent_that_cannot_be_read_costs_itself(tmp_path: Path, bad: str) -> None:
    files = {"config.yaml": "", "agents/bad/agent.yaml": bad, "agents/good/agent.yaml": "name: g"}
    plan = plan_of(tmp_path, None, files)
    assert list(agents_of(plan)) == ["good"]
    assert warned(plan, "agents/bad/agent.yaml")


def test_a_small_file_cannot_stand_for_an_endless_value(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40)]
    files = {"config.yaml": "", "agents/x/agent.yaml": "\n".join(lines)}
    files["agents/y/agent.yaml"] = "a: &a [*a]"
    plan = plan_of(tmp_path, None, files)
    assert warned(plan, "agents/x/agent.yaml", "nested too deep, or too many")
    assert warned(plan, "agents/y/agent.yaml", "nested too deep, or too many")


def test_channels_keep_their_variables_and_a_malformed_one_is_no_default(tmp_path: Path) -> None:
    files = {
        "config.yaml": "",
        "agents/x/agent.yaml": "name: x",
        "messaging/chat.yaml": "type: telegram\nbot_token_env: TG\nallowed_users: [7, u]\n",
        "messaging/signal.yaml": "phone_number: '+1'\n",
        "messaging/slack.yaml": "][",
        "messaging/imessage.yaml": "x: 1",
        "messaging/discord.yaml": f"bot_token: {secret('literal')}\n",
        "messaging/feishu.yaml": "allowed_users: [ou_1]\ndefault_agent: nobody\n",
    }
    plan = plan_of(tmp_path, None, files)
    tables = tomllib.loads(text_of(plan, ".longwatch/imported/channels.toml"))["channels"]
    assert tables["telegram"] == {"bot_token_env": "TG", "allowed_users": ["7", "u"]}
    assert tables["signal"] == {"api_url": "http://localhost:8080", "phone_number": "+1"}
    assert "slack" not in tables and warned(plan, "messaging/slack.yaml", "not valid YAML")
    assert secret("literal") in secrets_of(plan).values()
    assert secret("literal") not in said(plan)
    assert routes_of(plan) == []
    assert warned(plan, "messaging/feishu.yaml: default_agent", "does not exist")
    assert fate_of(plan, "type", "messaging/chat.yaml").fate is Fate.MAPPED


def test_feishus_allowed_users_get_the_default_agent_and_nobody_else(tmp_path: Path) -> None:
    files = {
        "config.yaml": "",
        "agents/x/agent.yaml": "name: x",
        "messaging/feishu.yaml": "allowed_users: [ou_1, ou_2]\ndefault_agent: x\n",
    }
    plan = plan_of(tmp_path, None, files)
    assert routes_of(plan) == [("feishu", "ou_1", "x"), ("feishu", "ou_2", "x")]
    assert "default_agent" not in text_of(plan, ".longwatch/imported/channels.toml")


def test_a_secret_of_one_file_does_not_show_through_another(tmp_path: Path) -> None:
    files = {
        "config.yaml": f"model: {secret('m')}\n",
        "agents/x/agent.yaml": f"description: {secret('d')}\n",
        "messaging/telegram.yaml": f"bot_token: {secret('m')}\n",
        ".env": f"ANYTHING={secret('d')}\n",
    }
    plan = plan_of(tmp_path, None, files)
    assert agents_of(plan)["x"].model == "anthropic/claude-sonnet-4-20250514"
    assert secret("m") not in said(plan) and secret("d") not in said(plan)


def test_a_provider_that_is_none_costs_itself(tmp_path: Path) -> None:
    files = {"config.yaml": "provider: a/b\nmodel: m\n", "agents/x/agent.yaml": "name: x\n"}
    plan = plan_of(tmp_path, None, files)
    assert agents_of(plan)["x"].model == "anthropic/m"
    assert warned(plan, "a/b is no provider")
