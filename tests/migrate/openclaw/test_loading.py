"""The configuration file: JSON5, what it includes, and what variables stand for."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.errors import ConfigError
from app.domain.migration import Fate
from app.migrate.openclaw import read_openclaw
from tests.migrate.openclaw.homes import (
    agents_of,
    config_of,
    fate_of,
    home,
    plan_of,
    said,
    secrets_of,
    text_of,
    warned,
)
from tests.migrate.openclaw.rich import secret


def test_json5_in_all_its_forms(tmp_path: Path) -> None:
    text = """\ufeff// a comment
    {agents: {list: [{id: 'a', "model": 'groq/x', /* why */ tools: {allow: ['read',]},},],},
     gateway: {port: 0x4965, timeout: +Infinity, ratio: NaN, half: .5},}"""
    plan = plan_of(tmp_path, text)
    assert agents_of(plan)["a"].tools == ("read",)
    archive = text_of(plan, ".longwatch/imported/archive/openclaw.json")
    assert '"port": 18789' in archive
    assert '"ratio": "nan"' in archive


@pytest.mark.parametrize("text", ["{", "", "{a: 1} x", "[" * 200, '{"a": "\x01', "{a: 'b\n'}"])
def test_a_file_that_is_no_json5_stops_all_for_its_secrets_are_not_known(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(ConfigError, match=r"openclaw\.json: .*put it right and run this again"):
        plan_of(tmp_path, text, {"sessions/s.jsonl": "{}"})


def test_json_as_programs_write_it_is_read_with_its_odd_values(tmp_path: Path) -> None:
    text = r"""{"agents": {"list": [{"id": "a", "identity": "Hi \ud83e"}]}, "x": 1e400,
     "channels": {"telegram": {"botToken": "TOKEN"}}}""".replace("TOKEN", secret("token"))
    plan = plan_of(tmp_path, text)
    assert agents_of(plan)["a"].instructions == "Hi \ufffd"
    assert secret("token") in secrets_of(plan).values()


def test_agents_that_are_not_declared_are_the_built_in_one_where_it_was_at_work(
    tmp_path: Path,
) -> None:
    plan = plan_of(tmp_path, {"gateway": {}}, {"workspace/SOUL.md": "calm"})
    files = agents_of(plan)["main"].instructions_files
    assert files == (".longwatch/agents/main/workspace/SOUL.md",)


@pytest.mark.parametrize("text", ["5", "null", "[]", '"x"', "[{}]"])
def test_a_file_that_is_no_object_is_told(tmp_path: Path, text: str) -> None:
    assert warned(plan_of(tmp_path, text), "No agents")


def test_what_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "other/src").mkdir(parents=True)
    for name in ("nowhere", "file", "empty", "other"):
        with pytest.raises(ConfigError):
            read_openclaw(tmp_path / name, environment={})


def test_an_empty_configuration_has_no_agents(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "{}")
    assert warned(plan, "No agents")
    assert plan.key_count == 1


def test_includes_are_read_in_place_and_later_values_win(tmp_path: Path) -> None:
    files = {
        "parts/agents.json5": "{list: [{$include: './a.json5'}]}",
        "parts/a.json5": "{id: 'a', model: 'groq/x'}",
        "parts/two.json5": "{telegram: {dmPolicy: 'open'}}",
    }
    text = """{agents: {$include: './parts/agents.json5', defaults: {model: 'xai/y'}},
      channels: {$include: ['./parts/two.json5'], telegram: {dmPolicy: 'disabled'}}}"""
    plan = plan_of(tmp_path, text, files)
    assert agents_of(plan)["a"].model == "groq/x"
    assert fate_of(plan, "agents.$include").fate is Fate.MAPPED
    replaced = fate_of(plan, "telegram.dmPolicy", "parts/two.json5")
    assert (replaced.fate, replaced.reason) == (Fate.ARCHIVED, "a later value replaces it")
    assert '"ignore"' in text_of(plan, ".longwatch/imported/channels.toml")


def test_includes_stay_inside_and_end(tmp_path: Path) -> None:
    (tmp_path / "outside.json5").write_text(f"{{id: '{secret('outside')}'}}")
    files = {"loop.json5": "{$include: './openclaw.json'}"}
    source = home(tmp_path / "home", None, files)
    (source / "link.json5").symlink_to(tmp_path / "outside.json5")
    text = """{agents: {list: [{$include: '../outside.json5'}, {$include: './link.json5'},
      {$include: '/etc/passwd'}, {$include: ['./nothing.json5', 5]}, {id: 'a'}]},
      x: {$include: './loop.json5'}}"""
    plan = plan_of(source, text)
    assert list(agents_of(plan)) == ["a"]
    assert secret("outside") not in said(plan)
    for i in range(4):
        assert warned(plan, f"agents.list[{i}].$include")
    assert warned(plan, "loop.json5: $include", "includes a file that includes it")


def test_variables_are_filled_in_and_what_looks_secret_stays_hidden(tmp_path: Path) -> None:
    config = {
        "env": {"vars": {"MODEL": "groq/llama", "REGION": "eu-west"}},
        "agents": {"list": [{"id": "a", "model": "${MODEL}"}]},
        "channels": {
            "telegram": {"botToken": "${TG}"},
            "discord": {"token": "pre-${DISCORD_TOKEN}"},
            "matrix": {"homeserver": "${NOT_SET}", "userId": "$${LITERAL}"},
        },
    }
    lines = [
        f"TG={secret('tg')}",
        "# note",
        f"export DISCORD_TOKEN='{secret('dc')}'",
        "a broken one",
    ]
    plan = plan_of(tmp_path, config, {".env": "\n".join(lines)}, {"MODEL": "xai/grok"})
    assert agents_of(plan)["a"].model == "xai/grok"
    found = secrets_of(plan)
    assert found["TG"] == secret("tg")
    assert found["DISCORD_BOT_TOKEN"] == "pre-" + secret("dc")
    assert secret("dc") not in said(plan) and secret("tg") not in said(plan)
    channels = text_of(plan, ".longwatch/imported/channels.toml")
    assert 'bot_token_env = "TG"' in channels and "${LITERAL}" in channels
    assert warned(plan, "homeserver", "NOT_SET is not set")
    assert warned(plan, ".env", "1 of its lines")
    assert fate_of(plan, "TG", ".env").fate is Fate.SECRET


def test_a_reference_to_a_secret_is_followed_as_far_as_it_can_be(tmp_path: Path) -> None:
    config = {
        "agents": {"list": [{"id": "a", "model": "groq/x"}]},
        "models": {
            "providers": {"groq": {"apiKey": {"source": "env", "provider": "default", "id": "K"}}}
        },
        "channels": {
            "telegram": {"botToken": {"source": "file", "provider": "f", "id": "/telegram"}}
        },
    }
    plan = plan_of(tmp_path, config, environment={"K": secret("k")})
    assert agents_of(plan)["a"].api_key_env == "K"
    assert secrets_of(plan) == {"K": secret("k")}
    assert warned(plan, "channels.telegram.botToken", "kept elsewhere", "TELEGRAM_BOT_TOKEN")


def test_the_oldest_layout_is_read_under_its_later_keys(tmp_path: Path) -> None:
    (tmp_path / "moltbot.json").write_text(
        '{agent: {model: "groq/x"}, identity: {name: "M"}, discord: {token: "FAKE_OLD_D"}}'
    )
    plan = plan_of(tmp_path)
    assert agents_of(plan)["main"].model == "groq/x"
    assert agents_of(plan)["main"].instructions == "You are M."
    assert secrets_of(plan) == {"DISCORD_BOT_TOKEN": "FAKE_OLD_D"}
    assert config_of(plan).default_workflow == "main"
