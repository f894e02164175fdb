"""Agents that are known by name: how each is started, signed in, and made to ask.

For `longwatch init` and `longwatch doctor`; any other agent works from its `command`.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

_OPENCODE_ASKS = 'OPENCODE_PERMISSION={"bash":"ask","edit":"ask","webfetch":"ask"}'


@dataclass(frozen=True, slots=True)
class KnownAgent:
    """A program, and how Longwatch drives it."""

    name: str
    title: str
    program: str
    driver: str
    install: str
    sign_in: str
    words: tuple[str, ...] = ()  # after the program
    before: tuple[str, ...] = ()  # before it, such as `env NAME=VALUE`
    env: tuple[str, ...] = ()  # what it may see of the environment, where it is set
    chosen_by: str = ""  # an environment variable that names the program instead of PATH

    def find(self) -> Path | None:
        """The program on this machine."""
        given = os.environ.get(self.chosen_by) if self.chosen_by else None
        found = shutil.which(given or self.program)
        return Path(found) if found else None

    @property
    def command(self) -> tuple[str, ...]:
        """The command line for the configuration; empty where the driver knows it itself."""
        return (*self.before, self.program, *self.words) if self.driver == "acp" else ()


KNOWN = (
    KnownAgent(
        name="codex",
        title="Codex",
        program="codex",
        driver="codex",
        install="npm install -g @openai/codex",
        sign_in="codex login",
        env=("CODEX_HOME", "OPENAI_API_KEY"),
        chosen_by="LONGWATCH_CODEX",
    ),
    KnownAgent(
        name="claude",
        title="Claude Code",
        program="claude-agent-acp",
        driver="acp",
        install="npm install -g @agentclientprotocol/claude-agent-acp",
        sign_in="claude /login, or ANTHROPIC_API_KEY",
        env=("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "CLAUDE_CONFIG_DIR"),
    ),
    KnownAgent(
        # It asks about nothing unless it is told to (1.18).
        name="opencode",
        title="OpenCode",
        program="opencode",
        driver="acp",
        install="npm install -g opencode-ai",
        sign_in="opencode auth login",
        words=("acp",),
        before=("env", _OPENCODE_ASKS),
        env=("XDG_CONFIG_HOME", "XDG_DATA_HOME", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"),
    ),
    KnownAgent(
        name="qwen",
        title="Qwen Code",
        program="qwen",
        driver="acp",
        install="npm install -g @qwen-code/qwen-code",
        sign_in="qwen, then /auth",
        words=("--acp",),
        env=("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "DASHSCOPE_API_KEY"),
    ),
    KnownAgent(
        name="vibe",
        title="Mistral Vibe",
        program="vibe-acp",
        driver="acp",
        install="uv tool install mistral-vibe",
        sign_in="vibe --setup, or MISTRAL_API_KEY",
        env=("VIBE_HOME", "MISTRAL_API_KEY"),
    ),
)


def known(name: str) -> KnownAgent:
    """The agent of that name. Raises KeyError."""
    return {agent.name: agent for agent in KNOWN}[name]
