"""OpenFang's tools and capabilities in our names: a tool counts only with the capability that it
needed there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.tools import ToolPolicy

# Ours, in the order in which they are listed, by the tool of OpenFang's that is the same.
_OURS: Mapping[str, tuple[str, ...]] = {
    "file_read": ("read",),
    "file_list": ("list", "search"),
    "file_write": ("edit", "write"),
    "apply_patch": ("edit",),
    "shell_exec": ("shell",),
    "process_start": ("process",),
    "web_fetch": ("fetch",),
}
_ORDER = ("read", "list", "search", "edit", "write", "shell", "fetch", "process")
_NONE_HERE = frozenset(
    {
        "web_search", "browser_navigate", "memory_recall", "memory_store", "agent_send",
        "agent_list", "agent_spawn", "agent_kill", "agent_find", "task_post", "task_claim",
        "task_complete", "task_list", "event_publish", "schedule_create", "schedule_list",
        "schedule_delete", "image_analyze", "location_get",
    }
)  # fmt: skip
_CODING = ("file_read", "file_write", "file_list", "shell_exec", "web_fetch")
_TALKING = ("agent_send", "agent_list", "memory_store", "memory_recall")
PROFILES: Mapping[str, tuple[str, ...]] = {
    "minimal": ("file_read", "file_list"),
    "coding": _CODING,
    "research": ("web_fetch", "web_search", "file_read", "file_write"),
    "messaging": _TALKING,
    "automation": (*_CODING, "web_search", *_TALKING),
    "full": ("*",),
}
_NEEDS = {"shell": "shell", "process": "shell", "fetch": "network"}


@dataclass(frozen=True, slots=True)
class Rights:
    """What an agent may do here. `asks_shell` says why each command is asked about, or is ""."""

    policy: ToolPolicy
    asks_shell: str = ""


class Tools:
    """Reads what an agent may call."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def read(self, agent: Node, name: str) -> Rights:
        """The tools that are listed, else the profile's, less what is blocked, less what no
        capability covers."""
        caps = agent.get("capabilities")
        inside = caps if caps is not None and caps.fields is not None else None
        if caps is not None and inside is None:
            self._ledger.odd(caps, "is no table of capabilities, so it gives nothing")
        wanted = self._listed(agent, inside)
        denied = self._ours(agent.get("tool_blocklist"))
        covered = [tool for tool in wanted if tool not in denied]
        asks = ""
        for capability in ("shell", "network"):
            node = inside.get(capability) if inside is not None else None
            patterns = [text for _, text in self._ledger.texts(node)]
            self._map_all(node, "agent.tools")
            lost = [t for t in covered if _NEEDS.get(t) == capability]
            if "*" in patterns or not lost:
                continue
            if patterns and capability == "shell":
                asks = f"OpenFang allowed only: {', '.join(patterns)}"[:300]
                continue
            covered = [tool for tool in covered if tool not in lost]
            why = "only for some hosts" if patterns else "not given by its capabilities"
            self._ledger.warn(
                node or agent, f"{name} loses {', '.join(lost)}: {capability} is {why}"
            )
        for other in ("memory_read", "memory_write", "agent_message", "agent_spawn"):
            leaf = inside.get(other) if inside is not None else None
            self._ledger.archived(leaf, "agents here share no memory and send no messages")
        if not covered:
            self._ledger.warn(agent, f"{name} is left without any tool")
        tools = tuple(tool for tool in _ORDER if tool in covered)
        return Rights(ToolPolicy(tools, tuple(denied)), asks)

    def _listed(self, agent: Node, caps: Node | None) -> list[str]:
        listed = caps.get("tools") if caps is not None else None
        allow = agent.get("tool_allowlist")
        named = agent.get("profile") or (caps.get("profile") if caps is not None else None)
        found: list[str] = []
        if listed is not None:
            found = self._ours(listed)
            self._ledger.archived(named, "the list of tools counts")
        elif named is not None:
            text = self._ledger.text(named)
            words = PROFILES.get(text.lower()) if text is not None else None
            if words is None:
                self._ledger.odd(named, "is no known profile, so it gives no tool")
            else:
                self._ledger.mapped(named, "agent.tools")
                found = [ours for word in words for ours in _of(word)]
        if allow is not None and allow.items != []:
            only = self._ours(allow)
            found = [tool for tool in found if tool in only]
        return list(dict.fromkeys(found))

    def _ours(self, node: Node | None) -> list[str]:
        found: list[str] = []
        for leaf, word in self._ledger.texts(node):
            ours = _of(word)
            if ours:
                self._ledger.mapped(leaf, "agent.tools")
                found += ours
            elif word in _NONE_HERE:
                self._ledger.archived(leaf, "Longwatch has no such tool")
            else:
                self._ledger.odd(leaf, "is no tool that is known, so it was left out")
        return found

    def _map_all(self, node: Node | None, to: str) -> None:
        for leaf in node.leaves() if node is not None else ():
            self._ledger.mapped(leaf, to)


def _of(word: str) -> tuple[str, ...]:
    return _ORDER if word == "*" else _OURS.get(word, ())
