"""Models: aliases of providers, references, fallbacks, and where a provider is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.migrate.openclaw.homes import agents_of, fate_of, plan_of, said, secrets_of, warned
from tests.migrate.openclaw.rich import secret


def _agent(tmp_path: Path, model: Any, **config: Any) -> Any:
    entry = {"id": "a"} if model is None else {"id": "a", "model": model}
    plan = plan_of(tmp_path, {"agents": {"list": [entry], **config.pop("agents", {})}, **config})
    return agents_of(plan)["a"]


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("claude/x", "anthropic/x"),
        ("openai-codex/x", "openai/x"),
        ("codex/o4", "openai/o4"),
        ("gemini/x", "google/x"),
        ("kimicode/moonshot-v1-8k", "moonshot/moonshot-v1-8k"),
        ("qwencode/max", "qwen/max"),
        ("glm/glm-4.5", "zhipu/glm-4.5"),
        ("codegeex/x", "zhipu_coding/x"),
        ("baidu/ernie-4.0-8k", "qianfan/ernie-4.0-8k"),
        ("doubao/x", "volcengine/x"),
        ("GitHub_Copilot/gpt-4o", "github-copilot/gpt-4o"),
        ("openrouter/anthropic/x", "openrouter/anthropic/x"),
        ("MyCompany/custom-llm-v3", "mycompany/custom-llm-v3"),
        ("custom-provider/x", "custom-provider/x"),
    ],
)
def test_a_reference_is_split_at_its_first_slash(tmp_path: Path, reference: str, name: str) -> None:
    assert _agent(tmp_path, reference).model == name


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("gpt-4o", "openai/gpt-4o"),
        ("claude-x", "anthropic/claude-x"),
        ("large", "housecat/large"),
        ("strange", "anthropic/strange"),
    ],
)
def test_a_model_without_a_provider_is_not_just_taken_for_anthropics(
    tmp_path: Path, reference: str, name: str
) -> None:
    providers = {"housecat": {"baseUrl": "http://h/v1", "models": [{"id": "large"}]}}
    assert _agent(tmp_path, reference, models={"providers": providers}).model == name


def test_a_model_alone_is_strict_and_further_ones_are_its_own(tmp_path: Path) -> None:
    defaults = {"model": {"primary": "kimi/k2", "fallbacks": ["glm/glm-4.5"]}}
    agents = {"agents": {"defaults": defaults}}
    inherited = _agent(tmp_path / "1", None, **agents)
    assert (inherited.model, inherited.fallbacks) == ("moonshot/k2", ("zhipu/glm-4.5",))
    assert _agent(tmp_path / "2", "openai/x", **agents).fallbacks == ()
    assert _agent(tmp_path / "3", {"primary": "openai/x"}, **agents).fallbacks == ()
    own = _agent(tmp_path / "4", {"primary": "openai/x", "fallbacks": ["groq/y", 5]}, **agents)
    assert own.fallbacks == ("groq/y",)


def test_an_alias_of_a_model_is_a_name_for_it(tmp_path: Path) -> None:
    defaults = {"models": {"groq/llama": {"alias": "Fast"}}}
    assert _agent(tmp_path, "fast", agents={"defaults": defaults}).model == "groq/llama"


def test_a_provider_has_its_address_api_and_key(tmp_path: Path) -> None:
    provider = {
        "baseUrl": "http://127.0.0.1:9/v1",
        "api": "anthropic-messages",
        "apiKey": "${HOUSE_KEY}",
        "models": [{"id": "large", "contextWindow": 32000}],
    }
    config = {
        "agents": {"list": [{"id": "a", "model": "housecat/large"}]},
        "models": {"providers": {"housecat": provider}},
    }
    plan = plan_of(tmp_path, config, environment={"HOUSE_KEY": secret("house")})
    agent = agents_of(plan)["a"]
    assert (agent.base_url, agent.api) == ("http://127.0.0.1:9/v1", "messages")
    assert (agent.api_key_env, agent.context_tokens) == ("HOUSE_KEY", 32000)
    assert secrets_of(plan) == {"HOUSE_KEY": secret("house")}


def test_a_provider_that_nobody_knows_keeps_its_name_and_reaches_nobody(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, {"agents": {"list": [{"id": "a", "model": "mycompany/llm"}]}})
    agent = agents_of(plan)["a"]
    assert agent.model == "mycompany/llm"
    assert agent.base_url == "https://mycompany.invalid/v1"
    assert any("base_url" in step and "a" in step for step in plan.next_steps)


def test_an_api_that_is_not_spoken_here_is_not_sent_elsewhere(tmp_path: Path) -> None:
    provider = {"baseUrl": "https://bedrock.example", "api": "bedrock-converse-stream"}
    agent = _agent(tmp_path, "amazon/x", models={"providers": {"amazon": provider}})
    assert agent.base_url == "https://amazon.invalid/v1"


def test_ollama_is_spoken_to_by_its_other_api(tmp_path: Path) -> None:
    provider = {"baseUrl": "http://127.0.0.1:11434", "api": "ollama"}
    agent = _agent(tmp_path, "ollama/llama3", models={"providers": {"ollama": provider}})
    assert (agent.base_url, agent.api) == ("http://127.0.0.1:11434/v1", "chat")


def test_a_password_in_an_address_is_taken_out_of_it(tmp_path: Path) -> None:
    provider = {"baseUrl": f"https://me:{secret('pw')}@h.example/v1"}
    config = {
        "agents": {"list": [{"id": "a", "model": "housecat/large"}]},
        "models": {"providers": {"housecat": provider}},
    }
    plan = plan_of(tmp_path, config)
    assert agents_of(plan)["a"].base_url == "https://h.example/v1"
    assert secret("pw") not in said(plan)
    assert warned(plan, "models.providers.housecat.baseUrl", "password")


def test_a_further_model_with_an_address_of_its_own_is_told_and_left_out(tmp_path: Path) -> None:
    config = {
        "agents": {"list": [{"id": "a", "model": {"primary": "groq/x", "fallbacks": ["h/y"]}}]},
        "models": {"providers": {"h": {"baseUrl": "http://h/v1"}}},
    }
    plan = plan_of(tmp_path, config)
    assert agents_of(plan)["a"].fallbacks == ()
    assert warned(plan, "h/y", "left out")


@pytest.mark.parametrize("odd", [5, [], {}, "", " / ", "x/", True, {"primary": []}])
def test_an_odd_model_costs_itself_only(tmp_path: Path, odd: Any) -> None:
    plan = plan_of(tmp_path, {"agents": {"list": [{"id": "a", "model": odd}]}})
    assert agents_of(plan)["a"].model == "anthropic/claude-sonnet-4-20250514"


def test_a_key_in_capitals_names_a_variable_that_is_set(tmp_path: Path) -> None:
    config = {
        "agents": {"list": [{"id": "a", "model": "groq/x"}]},
        "models": {"providers": {"groq": {"apiKey": "MY_GROQ"}}},
        "env": {"MY_GROQ": secret("groq")},
    }
    plan = plan_of(tmp_path, config)
    assert agents_of(plan)["a"].api_key_env == "MY_GROQ"
    assert fate_of(plan, "models.providers.groq.apiKey").to == "MY_GROQ"
