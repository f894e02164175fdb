"""Real ACP agents for tests, configured for the scripted model server.

`$LONGWATCH_ACP` names the folder of an npm installation of them (`npm install --prefix DIR
@qwen-code/qwen-code opencode-ai`); without it they are looked for on PATH.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from app.agents.known import known
from app.domain.workflow import AgentConfig
from tests.support.waiting import PATIENCE


def find(name: str) -> tuple[str, ...]:
    """The command line that `init` writes for it; without the program the test is skipped, or
    fails in CI."""
    agent = known(name)
    home = os.environ.get("LONGWATCH_ACP")
    place = f"{home}/node_modules/.bin" if home else None
    found = shutil.which(agent.program, path=place)
    if found is None:
        why = f"no {agent.program}; install it with npm and set LONGWATCH_ACP to the folder"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return (*agent.before, found, *agent.words)


def configured(name: str, home: Path, base_url: str) -> tuple[AgentConfig, dict[str, str]]:
    """The agent's configuration for Longwatch and its environment; what it reads itself is
    written under `home`."""
    home.mkdir(parents=True, exist_ok=True)
    env = {"HOME": str(home), "PATH": os.environ["PATH"]}
    agent = AgentConfig(name=name, driver="acp", command=find(name), start_seconds=PATIENCE)
    if name == "opencode":
        return agent, env | _opencode(home, base_url)
    return agent, env | _qwen(home, base_url)


def _opencode(home: Path, base_url: str) -> dict[str, str]:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Scripted",
        "options": {"baseURL": base_url, "apiKey": "not-a-secret"},
        "models": {"scripted": {"name": "scripted"}},
    }
    config = {
        "provider": {"scripted": provider},
        "model": "scripted/scripted",
        "small_model": "scripted/scripted",
        "autoupdate": False,
        "share": "disabled",
    }
    folder = home / "config" / "opencode"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "opencode.json").write_text(json.dumps(config))
    places = {f"XDG_{kind.upper()}_HOME": str(home / kind) for kind in ("config", "data", "cache")}
    return {**places, "XDG_STATE_HOME": str(home / "state"), "OPENCODE_DISABLE_MODELS_FETCH": "1"}


def _qwen(home: Path, base_url: str) -> dict[str, str]:
    folder = home / ".qwen"
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "security": {"auth": {"selectedType": "openai"}},
        "general": {"disableAutoUpdate": True},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    return {
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": "not-a-secret",
        "OPENAI_MODEL": "scripted",
    }
