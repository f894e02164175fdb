"""A home of OpenFang: agents, rights, routes, workflows and secrets; nothing odd costs more than
itself, and nobody gets more than before."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.errors import ConfigError
from app.domain.migration import Fate, MigrationPlan
from app.engine.project import load_project
from app.migrate.apply import apply
from app.migrate.openfang import read_openfang

SECRET = "123:planted-telegram"
CONFIG: dict[str, Any] = {
    "api_listen": "127.0.0.1:4200",
    "default_model": {"provider": "claude", "model": "claude-sonnet-4-5"},
    "memory": {"decay_rate": 0.05},
    "channels": {
        "telegram": {
            "bot_token_env": "TELEGRAM_BOT_TOKEN",
            "allowed_users": ["42"],
            "default_agent": "scribe",
        },
        "discord": {"bot_token": "inline-discord-token", "default_agent": "ops"},
    },
    "bindings": [
        {"agent": "ops", "match_rule": {"channel": "discord", "guild_id": "g1", "roles": ["a"]}},
        {"agent": "nobody", "match_rule": {"channel": "x"}},
    ],
}
SCRIBE: dict[str, Any] = {
    "name": "Scribe",
    "model": {
        "provider": "groq",
        "model": "llama-3.3-70b",
        "system_prompt": 'You write "minutes"\\ and """more""".',
    },
    "fallback_models": [{"provider": "kimi", "model": "k2"}],
    "capabilities": {
        "tools": ["file_read", "file_write", "shell_exec", "web_fetch", "nope", "web_search"],
        "network": ["*"],
    },
}
OPS: dict[str, Any] = {
    "name": "ops",
    "description": "Watches hosts.",
    "profile": "coding",
    "tool_blocklist": ["file_write"],
    "capabilities": {"shell": ["git *"], "network": ["api.example.com"]},
}
DAILY = {"name": "scribe", "steps": [{"name": "a", "agent": "scribe", "prompt": "Do {{input}}"}]}
BROKEN = {"name": "bad", "steps": [{"name": "a", "agent": "gone", "prompt": "x"}]}


def a_home(folder: Path, config: Any = CONFIG, scribe: Any = SCRIBE, ops: Any = OPS) -> Path:
    home = folder / ".openfang"
    for name, data in (("scribe", scribe), ("ops", ops)):
        (home / "agents" / name / "workspace").mkdir(parents=True, exist_ok=True)
        (home / "agents" / name / "agent.toml").write_text(tomlkit.dumps(data))
    (home / "config.toml").write_text(tomlkit.dumps(config))
    (home / "secrets.env").write_text(f"TELEGRAM_BOT_TOKEN={SECRET}\n")
    (home / "agents/scribe/imported_memory.md").write_text(f"the token is {SECRET}\n")
    (home / "agents/scribe/workspace/x.md").write_text("work\n")
    (home / "agents/scribe/workspace/.env").write_text("KEY=of-a-workspace\n")
    for part, name, text in (
        ("workflows", "daily.json", json.dumps(DAILY)),
        ("workflows", "bad.json", json.dumps(BROKEN)),
        ("imported_sessions", "s.jsonl", f'{{"text": "{SECRET}"}}\n'),
        ("credentials", "key.json", "{}"),
    ):
        (home / part).mkdir(exist_ok=True)
        (home / part / name).write_text(text)
    return home


def read(home: Path) -> MigrationPlan:
    return read_openfang(home, environment={})


def config_of(plan: MigrationPlan) -> dict[str, Any]:
    return tomllib.loads(next(t.text for t in plan.texts if t.path == "longwatch.toml"))


def test_agents_have_their_models_and_at_most_their_rights(tmp_path: Path) -> None:
    ops, scribe = config_of(read(a_home(tmp_path)))["agent"]
    assert (scribe["model"], scribe["fallbacks"]) == ("groq/llama-3.3-70b", ["moonshot/k2"])
    assert scribe["tools"] == ["read", "edit", "write", "fetch"]  # no capability for its shell
    assert scribe["instructions"] == SCRIBE["model"]["system_prompt"]
    assert scribe["instructions_files"] == [".longwatch/agents/scribe/MEMORY.md"]
    assert ops["model"] == "anthropic/claude-sonnet-4-5"
    assert ops["tools"] == ["read", "list", "search", "shell"]
    assert ops["instructions"] == "You are ops. Watches hosts."


def test_what_only_some_commands_could_is_asked_about(tmp_path: Path) -> None:
    rules = config_of(read(a_home(tmp_path)))["approval"]["rule"]
    assert {(rule["tool"], rule["action"]) for rule in rules} == {
        ("edit", "deny"),
        ("shell", "ask"),
    }
    assert rules[-1]["reason"] == "OpenFang allowed only: git *"


def test_a_default_agent_answers_no_more_people_than_before(tmp_path: Path) -> None:
    routes = config_of(read(a_home(tmp_path)))["route"]
    assert routes == [
        {"workflow": "scribe", "user": "42", "channel": "telegram"},
        {"workflow": "ops", "channel": "discord/guild:g1/role:a"},
        {"workflow": "ops", "channel": "discord"},
    ]


def test_a_binding_without_roles_has_an_empty_list_of_them(tmp_path: Path) -> None:
    rule = {"channel": "feishu", "peer_id": "oc_1", "roles": []}
    config = {**CONFIG, "bindings": [{"agent": "ops", "match_rule": rule}]}
    plan = read(a_home(tmp_path, config))
    wanted = {"workflow": "ops", "user": "oc_1", "channel": "feishu"}
    assert wanted in config_of(plan)["route"]
    assert not [one for one in plan.skipped if one.kind == "binding"]


def test_a_project_is_made_of_it_in_which_the_secret_is_in_one_place(tmp_path: Path) -> None:
    plan = read(a_home(tmp_path))
    assert (plan.system, plan.key_count) == ("openfang", len(plan.keys))
    target = tmp_path / "t"
    report = apply(plan, target)
    workflows = load_project(target).workflows
    assert set(workflows) == {"ops", "scribe", "scribe-workflow"}
    assert report.keys.total == sum(
        (report.keys.mapped, report.keys.archived, report.keys.refused, report.keys.secret)
    )
    for word in (SECRET, "inline-discord-token"):
        holders = [p for p in target.rglob("*") if p.is_file() and word.encode() in p.read_bytes()]
        assert [path.name for path in holders] == ["secrets.env"]
        assert word not in report.model_dump_json()
    skipped = {(one.kind, one.name) for one in report.skipped}
    assert {("workflow", "bad.json"), ("binding", "number 2")} <= skipped
    for name in ("key.json", "workspaces/scribe/.env"):
        key = target / ".longwatch/credentials" / name
        assert key.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in (target / ".longwatch/agents/scribe/workspace").iterdir()] == ["x.md"]
    assert apply(read(tmp_path / ".openfang"), target).unchanged


def test_what_is_no_home_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for place in (tmp_path / "x", tmp_path / "none"):
        with pytest.raises(ConfigError):
            read(place)


def test_a_file_that_cannot_be_read_costs_itself(tmp_path: Path) -> None:
    home = a_home(tmp_path)
    (home / "config.toml").write_text(f'x = "{SECRET}')
    (home / "agents/ops/agent.toml").write_text("[[")
    plan = read(home)
    assert [agent["name"] for agent in config_of(plan)["agent"]] == ["scribe"]
    assert "it is not valid TOML" in str(plan.warnings) and SECRET not in str(plan.warnings)


def test_a_profile_that_is_unknown_gives_nothing(tmp_path: Path) -> None:
    plan = read(a_home(tmp_path, ops={**OPS, "profile": "god"}))
    assert config_of(plan)["agent"][0]["tools"] == []
    assert "is no known profile, so it gives no tool" in str(plan.warnings)


ODD = st.sampled_from([0, -1, 1.5, True, "", "*", "x/y", "../../x", [], ["*"], {}, {"a": 1}, [{}]])


def paths(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = data.items() if isinstance(data, dict) else enumerate(data)
    found = []
    for key, value in inner:
        found.append((*at, key))
        if isinstance(value, dict | list):
            found += paths(value, (*at, key))
    return found


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    copy: Any = json.loads(json.dumps(data))
    node = copy
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return copy


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_value_anywhere_costs_itself(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = {"config": CONFIG, "scribe": SCRIBE, "ops": OPS}
    for _ in range(data.draw(st.integers(1, 3))):
        whole = changed(whole, data.draw(st.sampled_from(paths(whole)[1:])), data.draw(ODD))
    parts = {name: part for name, part in whole.items() if isinstance(part, dict)}
    plan = read(a_home(tmp_path_factory.mktemp("home"), **parts))
    assert plan.key_count == len(plan.keys)
    assert all(key.fate is not Fate.REFUSED or key.reason for key in plan.keys)
    texts = [text.text for text in plan.texts if not text.secret]
    assert not any(SECRET in text or "inline-discord-token" in text for text in texts)
    for agent in config_of(plan).get("agent", ()):
        assert set(agent["tools"]) <= {
            "read", "list", "search", "edit", "write", "shell", "fetch", "process",
        }  # fmt: skip
