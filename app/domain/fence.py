"""What confines an agent or a gate: said to the operator, whether it is much or nothing."""

from __future__ import annotations

from typing import NamedTuple

from app.domain.gate import Gate, GateKind
from app.domain.workflow import AgentConfig

_BUBBLEWRAP = "bubblewrap: writes in its workspace only, no network"
_RIGHTS = "no sandbox: what is allowed runs with your rights"


class Fence(NamedTuple):
    """In words, and whether anything but the approval rules stands in the way."""

    words: str
    confined: bool


def fence_of(agent: AgentConfig) -> Fence:
    """What holds an agent's commands."""
    match agent.driver:
        case "codex" if agent.sandbox == "danger-full-access":
            return Fence(f"{_RIGHTS} (Codex: danger-full-access)", False)
        case "codex":
            return Fence(f"Codex's own sandbox: {agent.sandbox}, asks: {agent.approval}", True)
        case "model" if agent.sandbox == "bubblewrap":
            return Fence(_BUBBLEWRAP, True)
        case "model" if agent.sandbox == "read-only":
            return Fence("no tool that writes or runs anything", True)
        case "acp" if agent.sandbox == "bubblewrap":
            return Fence(
                f"terminals through Longwatch: {_BUBBLEWRAP}; what it runs itself: your rights",
                False,
            )
        case "acp":
            return Fence(f"{_RIGHTS}; what it runs itself too, asked or not", False)
        case "scripted":
            return Fence("a script's pretended calls: its shell steps run with your rights", False)
    return Fence(_RIGHTS, False)


def fence_of_gate(gate: Gate) -> Fence | None:
    """What holds a gate's command; None for a gate that runs nothing."""
    if gate.kind is not GateKind.COMMAND:
        return None
    if gate.sandbox == "bubblewrap":
        return Fence(_BUBBLEWRAP, True)
    return Fence("no sandbox: it runs with your rights, and with it what an agent wrote", False)
