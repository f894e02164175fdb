"""What runs an agent: a model of ours, or a program that speaks an agents' protocol."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.migrate.openclaw.agents import Agent
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.nodes import Node

_OPENCODE_ASKS = 'OPENCODE_PERMISSION={"bash":"ask","edit":"ask","webfetch":"ask"}'
# The programs behind OpenClaw's names, as they speak the protocol, and what each may see of the
# environment.
_PROGRAMS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "claude": (("claude-agent-acp",), ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")),
    "opencode": (
        ("env", _OPENCODE_ASKS, "opencode", "acp"),
        ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"),
    ),
    "qwen": (("qwen", "--acp"), ("DASHSCOPE_API_KEY", "OPENAI_API_KEY")),
    "gemini": (("gemini", "--experimental-acp"), ("GEMINI_API_KEY", "GOOGLE_API_KEY")),
    "vibe": (("vibe-acp",), ("MISTRAL_API_KEY",)),
}
_OTHER_NAMES = {"claude-code": "claude", "claude_code": "claude", "claude-agent": "claude"}
_CODEX = ("CODEX_HOME", "OPENAI_API_KEY")


@dataclass(frozen=True, slots=True)
class Runtime:
    """Reads `runtime` sections."""

    ledger: Ledger

    def wanted(self, node: Node | None) -> tuple[str, Node] | None:
        """The program that an agent's runtime names, in lower case; None: it is a model."""
        section = node.get("runtime") if node is not None else None
        if section is None:
            return None
        kind_node = section.get("type") if section.fields is not None else None
        kind = self.ledger.text(kind_node)
        acp = section.get("acp") if section.fields is not None else None
        if kind is None or kind.lower() != "acp":
            if kind_node is not None and (kind or "").lower() not in ("embedded", "openclaw", "pi"):
                self.ledger.odd(kind_node, "is no runtime that is known; a model answers")
            return None
        self.ledger.mapped(kind_node, "agent.driver")
        program = acp.get("agent") if acp is not None else None
        name = self.ledger.text(program)
        if name is None or program is None:
            self.ledger.warn(section, "names no agent, so it has no driver")
            return ("", section)
        self.ledger.mapped(program, "agent.driver")
        if acp is not None:
            for key in ("cwd", "backend", "mode"):
                self.ledger.archived(acp.get(key), "a session works in a worktree of its own")
        return (name.lower(), program)


def runtime_of(agent: Agent, node: Node | None, runtime: Runtime) -> None:
    """Give an agent the driver that its runtime means."""
    wanted = runtime.wanted(node)
    if wanted is None:
        return
    name, where = wanted
    name = _OTHER_NAMES.get(name, name)
    if name in ("codex", "openai-codex"):
        agent.driver, agent.env = "codex", _CODEX
        if agent.servers:
            runtime.ledger.warn(where, "has the MCP servers of its own configuration, not these")
        agent.servers = ()
        kept = tuple(tool for tool in agent.policy.tools if not tool.startswith("mcp:"))
        agent.policy = replace(agent.policy, tools=kept)
        return
    agent.driver = "acp"
    known = _PROGRAMS.get(name)
    if known is not None:
        agent.command, agent.env = known
        return
    agent.command = (f"set-the-command-of-{agent.name}",)
    runtime.ledger.warn(where, f"is no program that is known: set `command` of agent {agent.name}")
