"""A configuration that has something of everything, with secrets that are easy to find."""

from __future__ import annotations

from typing import Any

MARK = "FAKE_s3cr3t_"  # every secret begins so


def secret(name: str) -> str:
    return f"{MARK}{name}"


def rich() -> dict[str, Any]:
    """A new one each time: tests change it."""
    return {
        "meta": {"lastTouchedVersion": "2026.9.6"},
        "env": {"vars": {"REGION_TOKEN": secret("region")}, "OTHER_KEY": secret("other")},
        "auth": {"profiles": {"anthropic:me": {"provider": "anthropic", "mode": "oauth"}}},
        "models": {
            "mode": "merge",
            "providers": {
                "housecat": {
                    "baseUrl": "http://127.0.0.1:8099/v1",
                    "apiKey": secret("housecat"),
                    "api": "openai-completions",
                    "headers": {"X-Team": secret("header")},
                    "models": [{"id": "large", "contextWindow": 128000}],
                }
            },
        },
        "agents": {
            "defaults": {
                "model": {"primary": "kimi/k2", "fallbacks": ["glm/glm-4.5"]},
                "models": {"housecat/large": {"alias": "big"}},
                "sandbox": {"mode": "off"},
            },
            "list": [
                {
                    "id": "scribe",
                    "default": True,
                    "identity": {"emoji": "*", "persona": "You write minutes."},
                    "tools": {"allow": ["Read", "Edit", "nope"]},
                },
                {
                    "id": "ops",
                    "model": "big",
                    "identity": "You watch hosts.",
                    "tools": {
                        "profile": "coding",
                        "deny": ["process", "web_*"],
                        "byProvider": {"housecat": {"deny": ["write"]}},
                        "exec": {"security": "allowlist", "ask": "on-miss"},
                    },
                    "sandbox": {"mode": "all", "workspaceAccess": "rw"},
                    "workspace": "~/.openclaw/workspace-ops",
                },
                {"id": "codex", "runtime": {"type": "acp", "acp": {"agent": "codex"}}},
            ],
        },
        "tools": {
            "profile": "coding",
            "deny": ["code_execution"],
            "toolsBySender": {"id:guest": {"deny": ["message"]}},
            "sandbox": {"tools": {"alsoAllow": ["web_fetch"]}},
            "elevated": {"enabled": True, "allowFrom": {"telegram": ["u1"]}},
        },
        "bindings": [
            {"agentId": "ops", "match": {"channel": "telegram", "peer": {"kind": "dm", "id": 7}}},
            {"agentId": "ops", "match": {"channel": "discord", "guildId": "g", "roles": ["r"]}},
            {"agentId": "scribe", "match": {"channel": "discord", "accountId": "*"}},
            {"agentId": "nobody", "match": {"channel": "telegram"}},
        ],
        "channels": {
            "telegram": {
                "botToken": secret("telegram"),
                "dmPolicy": "allowlist",
                "allowFrom": ["u1", 7],
                "accounts": {"work": {"botToken": secret("work")}},
            },
            "discord": {"token": secret("discord"), "guilds": {"g": {"channels": {}}}},
            "feishu": {
                "appId": "cli_x",
                "appSecret": secret("feishu"),
                "defaultAgent": "scribe",
                "userToAgent": {"oc_1": "ops"},
            },
            "imessage": {"enabled": True},
        },
        "session": {"dmScope": "main"},
        "cron": {"enabled": True},
        "hooks": {"token": secret("hooks"), "mappings": [{"id": "m", "url": "https://u:p@h.x/"}]},
        "skills": {"entries": {"search": {"apiKey": secret("skill"), "env": {"A": secret("a")}}}},
        "gateway": {"port": 18789, "auth": {"mode": "token", "token": secret("gateway")}},
        "mcp": {
            "servers": {
                "files": {
                    "command": "npx",
                    "args": ["-y", "some-mcp", "--token", secret("argument")],
                    "env": {"FILES_TOKEN": secret("files")},
                },
                "far": {"url": "https://mcp.example/x", "headers": {"X-Key": secret("far")}},
            }
        },
        "plugins": {"entries": {"x": {"config": {"apiKey": secret("plugin")}}}},
    }
