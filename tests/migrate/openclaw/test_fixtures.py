"""Whole homes with what is expected of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.domain.providers import DEFAULT_MODEL, split_model
from app.migrate.openclaw import read_openclaw
from tests.migrate.openclaw.homes import agents_of, check, routes_of, said, secrets_of, warned

_FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.parametrize("name", sorted(path.name for path in _FIXTURES.iterdir()))
def test_a_home_becomes_what_is_expected(name: str) -> None:
    folder = _FIXTURES / name
    plan = read_openclaw(folder / "home/.openclaw", environment={})
    check(plan)
    expected: dict[str, Any] = json.loads((folder / "expected.json").read_text())
    agents = agents_of(plan)
    assert [one["id"] for one in expected["agents"]] == list(agents)
    for one in expected["agents"]:
        ref = split_model(agents[one["id"]].model)
        if "model" in one:
            assert (ref.provider, ref.model) == (one["provider"], one["model"])
        if "tools" in one:
            assert sorted(agents[one["id"]].tools or ()) == sorted(one["tools"])
    if "routes" in expected:
        assert [[user, agent] for _, user, agent in routes_of(plan)] == expected["routes"]
    assert expected.get("bindings", len(routes_of(plan))) == len(routes_of(plan))
    for value in expected["secrets"]:
        assert value in secrets_of(plan).values()
        assert value not in said(plan)


def test_agents_without_a_model_get_the_usual_one() -> None:
    plan = read_openclaw(_FIXTURES / "cli-present/home/.openclaw", environment={})
    assert {agent.model for agent in agents_of(plan).values()} == {DEFAULT_MODEL}
    assert agents_of(plan)["writer"].instructions.startswith("You are Writer.")
    assert not warned(plan, "tool")


def test_every_generation_is_told_apart() -> None:
    found = {
        path.name: read_openclaw(path / "home/.openclaw", environment={}).generation
        for path in _FIXTURES.iterdir()
    }
    assert found["cli-present"] == "present (openclaw.json)"
    assert found["feishu-routes"] == "list (openclaw.json)"
    assert found["oldest-json"] == "oldest (clawdbot.json)"
    assert found["legacy-yaml"] == "oldest (config.yaml)"
