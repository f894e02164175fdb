"""Secrets: in one file, by name everywhere else, whatever is in them and wherever they stood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.env_text import read_env, write_env
from app.migrate.openclaw.vault import Vault, variable_name
from tests.migrate.openclaw.homes import agents_of, config_of, plan_of, said, secrets_of, warned
from tests.migrate.openclaw.rich import MARK, rich, secret


def test_every_secret_of_a_rich_configuration_is_in_the_file_and_nowhere_else(
    tmp_path: Path,
) -> None:
    plan = plan_of(tmp_path, rich())
    kept = set(secrets_of(plan).values())
    wanted = {value for value in _texts(rich()) if value.startswith(MARK)}
    assert wanted <= kept
    assert MARK not in said(plan)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for child in value.values() for text in _texts(child)]
    if isinstance(value, list):
        return [text for child in value for text in _texts(child)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize(
    "value",
    ["it's \"quoted\"", "two\nlines", "back\\slash\\", "a\\nb", "# no comment", "  blanks  ",
     "${NOT_A_VARIABLE}", "$HOME", "=x=", "é€😀", "a\r\nb", "x\\\ny", "'", '"', "`id`"],
)  # fmt: skip
def test_any_value_survives_the_file_of_secrets(tmp_path: Path, value: str) -> None:
    value = f"{value}{secret('tail')}"
    environment = {"TOKEN_SET": value}
    config = {"agents": {"list": [{"id": "a"}]}, "gateway": {"auth": {"token": "${TOKEN_SET}"}}}
    plan = plan_of(tmp_path, config, environment=environment)
    assert secrets_of(plan)["TOKEN_SET"] == value
    assert MARK not in said(plan)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=40))
def test_whatever_a_vault_holds_can_be_written(value: str) -> None:
    vault = Vault()
    vault.keep("NAME", value)
    assert read_env(write_env(vault.values), "") == vault.values


def test_a_value_with_a_reference_that_is_none_is_that_value(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, {"gateway": {"auth": {"token": "x-$${NAME}-x"}}})
    assert list(secrets_of(plan).values()) == ["x-${NAME}-x"]
    assert "NAME" not in said(plan)


def test_a_secret_that_is_a_models_window_stops_nothing(tmp_path: Path) -> None:
    models = {"p": {"baseUrl": "http://h/v1", "models": [{"id": "m", "contextWindow": 128000}]}}
    config = {
        "agents": {"list": [{"id": "a", "model": "p/m"}]},
        "models": {"providers": models},
        "gateway": {"auth": {"password": 128000}},
    }
    assert agents_of(plan_of(tmp_path, config))["a"].context_tokens != 128000


@pytest.mark.parametrize("provider", ["a b", "lm.studio", "302ai", "../x", "ключ", "", "x" * 300])
def test_any_provider_has_a_variable_for_its_key(tmp_path: Path, provider: str) -> None:
    model = {"primary": f"{provider}/m", "fallbacks": [f"{provider}/n"]}
    plan = plan_of(
        tmp_path,
        {
            "agents": {"list": [{"id": "a", "model": model}]},
            "models": {"providers": {provider: {"apiKey": secret("k"), "baseUrl": "http://h/v1"}}},
        },
    )
    assert secret("k") in secrets_of(plan).values()


def test_a_secret_is_not_shown_where_else_it_stands(tmp_path: Path) -> None:
    config = {
        "agents": {
            "list": [
                {"id": secret("t")},
                {"id": "a", "identity": f"Use {secret('t')} as the token, and be kind."},
                {"id": "b", "model": f"groq/{secret('t')}", "tools": {"deny": [secret("t")]}},
            ]
        },
        "channels": {"telegram": {"botToken": secret("t")}},
        "bindings": [
            {"agentId": "b", "match": {"channel": "telegram", "peer": {"id": secret("t")}}}
        ],
    }
    plan = plan_of(tmp_path, config)
    assert MARK not in said(plan)
    assert agents_of(plan)["a"].instructions == "Use [redacted] as the token, and be kind."
    assert warned(plan, "agents.list[0].id", "holds a secret")
    assert config_of(plan).route == ()


def test_tokens_of_known_shapes_are_taken_out_of_texts(tmp_path: Path) -> None:
    token = "sk-ant-" + "a1" * 20
    config = {"agents": {"list": [{"id": "a", "identity": f"Call the API with {token} each time"}]},
              "x": {"note": token, "url": "https://h/x?api_key=abcdef123"}}  # fmt: skip
    plan = plan_of(tmp_path, config)
    assert token not in said(plan)
    assert "abcdef123" not in said(plan)


def test_plain_words_of_variables_do_not_blank_out_texts(tmp_path: Path) -> None:
    config = {
        "env": {"vars": {"NODE_ENV": "production"}},
        "agents": {"list": [{"id": "a", "identity": "You watch production."}]},
    }
    plan = plan_of(tmp_path, config)
    assert agents_of(plan)["a"].instructions == "You watch production."
    assert secrets_of(plan) == {"NODE_ENV": "production"}


def test_two_values_of_one_name_are_both_kept() -> None:
    vault = Vault()
    assert [vault.keep("A", "one"), vault.keep("A", "two"), vault.keep("A", "one")] == [
        "A", "A_2", "A"
    ]  # fmt: skip


def test_names_of_variables_are_names_of_variables() -> None:
    assert variable_name("custom-provider", "apiKey") == "CUSTOM_PROVIDER_API_KEY"
    assert variable_name("1x", "") == "V_1X"


def test_a_servers_secrets_reach_it_by_variables(tmp_path: Path) -> None:
    server = {
        "command": "npx",
        "args": ["-y", "it's", f"--api-key={secret('arg')}"],
        "env": {"TOKEN": secret("env"), "MODE": "fast"},
    }
    other = {"command": "x", "env": {"TOKEN": secret("other")}}
    config = {
        "agents": {"list": [{"id": "a", "tools": {"profile": "full"}}]},
        "mcp": {"servers": {"files": server, "Far Away": other, "off": {"enabled": False}}},
    }
    plan = plan_of(tmp_path, config)
    files, far = config_of(plan).mcp
    assert files.command[:2] == ("sh", "-c")
    assert files.command[2].startswith("exec npx -y 'it'\"'\"'s' \"$")
    assert {"TOKEN", "MODE"} <= set(files.env)
    assert far.name == "Far-Away"
    assert far.command == ("sh", "-c", 'TOKEN="$TOKEN_2" exec x')
    assert agents_of(plan)["a"].mcp == ("files", "Far-Away")
    assert MARK not in said(plan)


def test_a_servers_tool_filter_is_kept_tool_by_tool(tmp_path: Path) -> None:
    servers = {
        "some": {"command": "x", "toolFilter": {"include": ["a", "b"], "exclude": ["b"]}},
        "wild": {"command": "x", "toolFilter": {"exclude": ["write_*"]}},
    }
    config = {"agents": {"entries": {"m": {}}}, "mcp": {"servers": servers}}
    plan = plan_of(tmp_path, config)
    assert [tool for tool in agents_of(plan)["m"].tools or () if "mcp" in tool] == ["mcp:some/a"]
    assert warned(plan, "mcp.servers.wild", "tool filter")


def test_secrets_of_values_that_are_replaced_do_not_show_either(tmp_path: Path) -> None:
    files = {"a.json5": f"{{telegram: {{botToken: '{secret('first')}'}}}}"}
    text = f"""{{channels: {{$include: './a.json5', telegram: {{botToken: '{secret("second")}'}}}},
      agent: {{token: '{secret("third")}'}}, agents: {{defaults: {{token: 1}}}}}}"""
    plan = plan_of(tmp_path, text, files)
    assert MARK not in said(plan)
    assert {secret("first"), secret("second"), secret("third")} <= set(secrets_of(plan).values())


@pytest.mark.parametrize("word", ["description", "anthropic", "request", "workflow"])
def test_a_secret_that_is_a_word_of_ours_stops_nothing(tmp_path: Path, word: str) -> None:
    config = {"agents": {"list": [{"id": "a"}]}, "gateway": {"auth": {"token": word}}}
    plan = plan_of(tmp_path, config)
    assert secrets_of(plan) == {"OPENCLAW_GATEWAY_AUTH_TOKEN": word}


@pytest.mark.parametrize(
    "odd",
    [
        {"token": {"value": secret("x")}},
        {"apiKeys": [secret("x")]},
        {"tokens": {"T1": secret("x")}},
        {"serviceAccount": {"private_key": secret("x"), "client_email": secret("y")}},
        {"webhookSecret": secret("x"), "pushToken": secret("y"), "encryptKey": secret("z")},
        {"headers": {"X-Anything": secret("x")}},
        {"env": {"ANYTHING": secret("x")}},
        {"args": ["--token", secret("x"), f"--api-key={secret('y')}"]},
        {"url": f"https://user:{secret('x')}@host/"},
    ],
)
def test_secrets_are_found_in_any_shape(tmp_path: Path, odd: Any) -> None:
    config = {"agents": {"list": [{"id": "a"}]}, "plugins": {"entries": {"p": {"config": odd}}}}
    plan = plan_of(tmp_path, config)
    assert MARK not in said(plan)
    kept = " ".join(secrets_of(plan).values())
    assert all(value.split("=")[-1] in kept for value in _texts(odd) if MARK in value)
