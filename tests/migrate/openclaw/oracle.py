"""What an agent of a configuration may call at most, worked out another way than the reader's:
for each of our tools, the names that must all be allowed and none be denied."""

from __future__ import annotations

import fnmatch
from typing import Any

_FS = {"read", "write", "edit", "apply_patch"}
_GROUPS = {
    "group:fs": _FS,
    "group:runtime": {"exec", "process", "code_execution"},
    "group:web": {"web_search", "x_search", "web_fetch"},
}
_SYNONYMS = {"bash": "exec", "execute_command": "exec", "read_file": "read", "write_file": "write"}
_PROFILES = {
    "minimal": set[str](),
    "coding": {*_FS, "exec", "process", "web_fetch", "bundle-mcp"},
    "messaging": {"bundle-mcp"},
    "research": {"read", "write", "web_fetch"},
    "automation": {"read", "write", "edit", "exec", "web_fetch"},
    "full": {"*"},
}
# Ours, and what it takes: one of these tools.
_NEEDS = {
    "read": {"read"},
    "list": {"read"},
    "search": {"read"},
    "edit": {"edit", "apply_patch"},
    "write": {"write"},
    "shell": {"exec"},
    "process": {"process"},
    "fetch": {"web_fetch"},
}


def allowed(config: dict[str, Any], name: str) -> set[str] | None:
    """Our tools that an agent may have at most; None where the agent cannot be told."""
    agents = config.get("agents")
    listed = agents.get("list") if isinstance(agents, dict) else None
    found = [
        entry
        for entry in (listed if isinstance(listed, list) else [])
        if isinstance(entry, dict) and entry.get("id") == name
    ]
    if not found:
        return None
    own, top = found[0].get("tools"), config.get("tools")
    base = agents.get("defaults") if isinstance(agents, dict) else None
    base = base.get("tools") if isinstance(base, dict) else None
    layers = [_lists(one) for one in (own, top) if one is not None]
    profile = next(
        (o["profile"] for o in (own, base, top) if isinstance(o, dict) and o.get("profile")), None
    )
    sections = [one for one in (own, base, top) if isinstance(one, dict)]
    also: Any = next((one["alsoAllow"] for one in sections if one.get("alsoAllow")), [])
    if profile is not None:
        known = _PROFILES.get(profile.lower()) if isinstance(profile, str) else None
        layers.append((_names(also) | known if known is not None else set(), set()))
    tools = {
        ours
        for ours, needs in _NEEDS.items()
        if any(all(_lets(layer, tool) for layer in layers) for tool in needs)
    }
    servers = config.get("mcp")
    servers = servers.get("servers") if isinstance(servers, dict) else None
    if isinstance(servers, dict) and not _no_mcp(layers):
        tools |= {f"mcp:{server}" for server in (*servers, "server", "server-2")}
    return tools


def _no_mcp(layers: list[tuple[set[str] | None, set[str]]]) -> bool:
    return any("bundle-mcp" in deny or "*" in deny for _, deny in layers)


def _lists(policy: Any) -> tuple[set[str] | None, set[str]]:
    if isinstance(policy, list):
        return _names(policy), set()
    if not isinstance(policy, dict):
        return set(), set()
    allow = policy.get("allow")
    named = None if allow is None else _names(allow) | _names(policy.get("alsoAllow"))
    return named, _names(policy.get("deny"))


def _names(words: Any) -> set[str]:
    words = [words] if isinstance(words, str) else words
    found = set[str]()
    for word in words if isinstance(words, list) else ():
        if isinstance(word, str) and word.strip():
            lowered = word.strip().lower()
            found |= _GROUPS.get(lowered, {_SYNONYMS.get(lowered, lowered)})
    return found


def _lets(layer: tuple[set[str] | None, set[str]], tool: str) -> bool:
    allow, deny = layer
    if any(fnmatch.fnmatchcase(tool, pattern) for pattern in deny):
        return False
    return allow is None or any(fnmatch.fnmatchcase(tool, pattern) for pattern in allow)
