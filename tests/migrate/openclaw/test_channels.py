"""Channels: their keys, fields, policies and tokens, as tables of a file that names no secret."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from app.domain.migration import MigrationPlan
from tests.migrate.openclaw.homes import plan_of, said, secrets_of, text_of, warned
from tests.migrate.openclaw.rich import MARK, secret


def _plan(tmp_path: Path, channels: Any, files: Any = None) -> MigrationPlan:
    return plan_of(tmp_path, {"agents": {"list": [{"id": "a"}]}, "channels": channels}, files)


def _tables(plan: MigrationPlan) -> dict[str, Any]:
    text = text_of(plan, ".longwatch/imported/channels.toml")
    found: dict[str, Any] = tomllib.loads(text)["channels"]
    return found


_TOKEN = object()  # stands where a secret will
_ALL: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "telegram": ({"botToken": _TOKEN, "allowFrom": [7]}, {"allowed_users": ["7"]}, "bot_token_env"),
    "discord": ({"token": _TOKEN}, {}, "bot_token_env"),
    "slack": ({"botToken": _TOKEN}, {}, "bot_token_env"),
    "matrix": (
        {
            "accessToken": _TOKEN,
            "homeserver": "https://m",
            "userId": "@a:m",
            "rooms": ["!r"],
        },
        {"homeserver_url": "https://m", "user_id": "@a:m", "rooms": ["!r"]},
        "access_token_env",
    ),
    "teams": (
        {"appPassword": _TOKEN, "appId": "i", "tenantId": "t"},
        {"app_id": "i", "tenant_id": "t"},
        "app_password_env",
    ),
    "irc": (
        {
            "password": _TOKEN,
            "host": "h",
            "port": 67,
            "nick": "n",
            "tls": True,
            "channels": ["#c"],
        },
        {"server": "h", "port": 67, "nickname": "n", "use_tls": True, "channels": ["#c"]},
        "password_env",
    ),
    "mattermost": (
        {"botToken": _TOKEN, "baseUrl": "https://mm.example"},
        {"server_url": "https://mm.example"},
        "bot_token_env",
    ),
    "feishu": (
        {"appSecret": _TOKEN, "appId": "cli", "domain": "lark"},
        {"app_id": "cli", "domain": "lark"},
        "app_secret_env",
    ),
}
_NAMES = {
    "telegram": "TELEGRAM_BOT_TOKEN",
    "discord": "DISCORD_BOT_TOKEN",
    "slack": "SLACK_BOT_TOKEN",
    "matrix": "MATRIX_ACCESS_TOKEN",
    "teams": "TEAMS_APP_PASSWORD",
    "irc": "IRC_PASSWORD",
    "mattermost": "MATTERMOST_TOKEN",
    "feishu": "FEISHU_APP_SECRET",
}


@pytest.mark.parametrize("name", _ALL)
def test_a_channel_has_its_fields_and_the_name_of_its_token(tmp_path: Path, name: str) -> None:
    fields, ours, token = _ALL[name]
    given = {key: secret(name) if value is _TOKEN else value for key, value in fields.items()}
    plan = _plan(tmp_path, {name: given})
    table = _tables(plan)[name]
    table.pop("overrides", None)
    assert table == {token: _NAMES[name], **ours}
    assert secrets_of(plan) == {_NAMES[name]: secret(name)}
    assert MARK not in said(plan)


@pytest.mark.parametrize(
    ("name", "ours"),
    [("googlechat", "google_chat"), ("googleChat", "google_chat"), ("msteams", "teams"),
     ("msTeams", "teams"), ("teams", "teams")],
)  # fmt: skip
def test_aliases_of_channels(tmp_path: Path, name: str, ours: str) -> None:
    assert list(_tables(_plan(tmp_path, {name: {}}))) == [ours]


def test_signal_is_reached_by_address_or_host_and_port(tmp_path: Path) -> None:
    by_host = _plan(tmp_path / "1", {"signal": {"httpHost": "h", "account": "+1"}})
    assert _tables(by_host)["signal"] == {"phone_number": "+1", "api_url": "http://h:8080"}
    by_url = _plan(tmp_path / "2", {"signal": {"httpUrl": "http://s:1"}})
    assert _tables(by_url)["signal"]["api_url"] == "http://s:1"


@pytest.mark.parametrize(
    ("policy", "ours"),
    [("open", "respond"), ("allowlist", "allowed_only"), ("Allow_List", "allowed_only"),
     ("pairing", "ignore"), ("disabled", "ignore"), ("sesame", "ignore"), (5, "ignore")],
)  # fmt: skip
def test_policies_of_direct_messages(tmp_path: Path, policy: Any, ours: str) -> None:
    plan = _plan(tmp_path, {"telegram": {"dmPolicy": policy}})
    assert _tables(plan)["telegram"]["overrides"] == {"dm_policy": ours}
    assert warned(plan, "no policy that is known") == (policy in ("sesame", 5))


@pytest.mark.parametrize(
    ("policy", "ours"),
    [("open", "respond"), ("mention", "mention_only"), ("MENTION_ONLY", "mention_only"),
     ("disabled", "ignore"), ("sesame", "ignore")],
)  # fmt: skip
def test_policies_of_groups_for_the_four_channels_that_have_them(
    tmp_path: Path, policy: str, ours: str
) -> None:
    plan = _plan(tmp_path, {name: {"groupPolicy": policy} for name in ("discord", "signal")})
    assert _tables(plan)["discord"]["overrides"] == {"group_policy": ours}
    assert "overrides" not in _tables(plan)["signal"]


def test_channels_that_are_off_unknown_or_for_a_mac_only_are_named(tmp_path: Path) -> None:
    channels = {"slack": {"enabled": False, "botToken": secret("s")}, "imessage": {},
                "bluebubbles": {}, "google_chat": {}, "zalo": {}}  # fmt: skip
    plan = _plan(tmp_path, channels)
    left = {one.name: one.reason for one in plan.skipped}
    assert set(left) >= set(channels)
    assert left["slack"] == "it is switched off"
    assert secrets_of(plan) == {"SLACK_BOT_TOKEN": secret("s")}


def test_files_of_secrets_are_copied_privately_and_only_from_inside(tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_text("{}")
    channels = {
        "whatsapp": {"authDir": "~/.openclaw/wa"},
        "googlechat": {"serviceAccountFile": "sa.json"},
        "telegram": {"tokenFile": str(outside)},
    }
    plan = _plan(tmp_path / "home", channels, {"wa/creds.json": "{}", "sa.json": "{}"})
    copies = {copy.path: copy for copy in plan.copies}
    assert set(copies) == {
        ".longwatch/credentials/whatsapp/creds.json",
        ".longwatch/credentials/google_chat_sa.json",
    }
    assert all(copy.private and not copy.redact for copy in copies.values())
    assert secrets_of(plan) == {"GOOGLE_CHAT_SA_FILE": ".longwatch/credentials/google_chat_sa.json"}
    assert warned(plan, "tokenFile", "inside the source")


def test_accounts_of_a_channel_have_tokens_of_their_own(tmp_path: Path) -> None:
    accounts = {"work": {"botToken": secret("w")}, "default": {"botToken": secret("d")}}
    plan = _plan(tmp_path, {"telegram": {"accounts": accounts}})
    assert secrets_of(plan) == {
        "TELEGRAM_BOT_TOKEN": secret("d"),
        "TELEGRAM_WORK_BOT_TOKEN": secret("w"),
    }
