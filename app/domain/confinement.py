"""What confines an agent or a gate: said to the operator, whether it is much or nothing."""

from __future__ import annotations

from typing import NamedTuple

from app.domain.gate import Gate, GateKind
from app.domain.workflow import AgentConfig

_BUBBLEWRAP = "bubblewrap: writes in its workspace only, no network"
_RIGHTS = "no sandbox: what is allowed runs with your rights"


class Confinement(NamedTuple):
    """In words, and whether anything but the approval rules stands in the way."""

    words: str
    confined: bool


def confinement_of(agent: AgentConfig) -> Confinement:
    """What holds an agent's commands."""
    match agent.driver:
        case "codex" if agent.sandbox == "danger-full-access":
            return Confinement(f"{_RIGHTS} (Codex: danger-full-access)", False)
        case "codex":
            return Confinement(
                f"Codex's own sandbox: {agent.sandbox}, asks: {agent.approval}", True
            )
        case "model" if agent.sandbox == "bubblewrap":
            return Confinement(_BUBBLEWRAP, True)
        case "model" if agent.sandbox == "read-only":
            return Confinement("no tool that writes or runs anything", True)
        case "acp" if agent.sandbox == "bubblewrap":
            return Confinement(
                f"terminals through Longwatch: {_BUBBLEWRAP}; what it runs itself: your rights",
                False,
            )
        case "acp":
            return Confinement(f"{_RIGHTS}; what it runs itself too, asked or not", False)
        case "scripted":
            return Confinement(
                "a script's pretended calls: its shell steps run with your rights", False
            )
    return Confinement(_RIGHTS, False)


def confinement_of_gate(gate: Gate) -> Confinement | None:
    """What holds a gate's command; None for a gate that runs nothing."""
    if gate.kind is not GateKind.COMMAND:
        return None
    if gate.sandbox == "bubblewrap":
        return Confinement(_BUBBLEWRAP, True)
    return Confinement(
        "no sandbox: it runs with your rights, and with it what an agent wrote", False
    )
