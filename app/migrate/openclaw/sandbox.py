"""Sandboxes: where an agent was confined, it is confined here too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.migrate.openclaw.agents import Agent
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.nodes import Node

_WRITING = ("edit", "write")


def confine(agent: Agent, sections: Sequence[Node], ledger: Ledger) -> None:
    """Take over the sandbox of an agent; of several sections the first that says a thing counts."""
    mode_node = _first(sections, "mode")
    mode = ledger.text(mode_node)
    access_node = _first(sections, "workspaceAccess")
    access = ledger.text(access_node)
    for section in sections:
        if section.fields is None:
            ledger.odd(section, "is no sandbox section")
            mode = mode or "all"
    if mode_node is None and mode is None:
        return
    if mode == "off":
        ledger.mapped(mode_node, "agent.sandbox")
        return
    if mode not in ("all", "non-main"):
        ledger.warn(mode_node or "agents", "is no sandbox mode that is known: taken as all")
    ledger.mapped(mode_node, "agent.sandbox")
    ledger.mapped(access_node, "agent.sandbox")
    read_only = access != "rw"  # without a word of it, a sandbox sees nothing of the workspace
    if agent.driver == "codex":
        agent.sandbox = "read-only" if read_only and access is not None else "workspace-write"
    elif access in ("ro", "none"):
        agent.sandbox = "read-only" if agent.driver == "model" else "bubblewrap"
    else:
        agent.sandbox = "bubblewrap"
    if access is not None and read_only:
        policy = agent.policy
        kept = tuple(tool for tool in policy.tools if tool not in _WRITING)
        denied = dict.fromkeys([*policy.denied, *_WRITING])
        agent.policy = replace(policy, tools=kept, denied=tuple(denied))


def _first(sections: Sequence[Node], key: str) -> Node | None:
    for section in sections:
        found = section.get(key) if section.fields is not None else None
        if found is not None:
            return found
    return None
