"""OpenClaw's tools: their names through the years, groups and profiles, and ours for them.

Two sources of facts exist: the names that earlier migrations knew, and OpenClaw's own
documentation. Where they differ about what a name allows, the smaller set is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# Other names of a tool, lower-cased.
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "read_file": ("read",),
    "file_read": ("read",),
    "write_file": ("write",),
    "file_write": ("write", "edit"),
    "list_files": ("glob",),
    "file_list": ("glob", "grep"),
    "ls": ("glob",),
    "bash": ("exec",),
    "execute_command": ("exec",),
    "shell_exec": ("exec",),
    "websearch": ("web_search",),
    "webfetch": ("web_fetch",),
    "fetch_url": ("web_fetch",),
    "memory_recall": ("memory_search",),
    "memory_save": ("memory_store",),
    "agent_message": ("sessions_send",),
    "agent_send": ("sessions_send",),
    "agent_list": ("agents_list",),
    "cron": ("automations",),
    "image": ("view_image",),
}
# Words that are no tool's name, but in a list of what is denied can mean only one.
_DENIED_WORDS: Mapping[str, tuple[str, ...]] = {
    "shell": ("exec", "process"),
    "terminal": ("exec", "process"),
    "command": ("exec", "process"),
    "run": ("exec", "process"),
    "filesystem": ("group:fs",),
    "fs": ("group:fs",),
    "files": ("group:fs",),
    "runtime": ("group:runtime",),
    "web": ("group:web",),
    "search": ("grep", "web_search"),
    "fetch": ("web_fetch",),
    "http": ("web_fetch",),
    "mcp": ("bundle-mcp",),
    "plugins": ("group:plugins",),
    "all": ("*",),
}
_FS = ("read", "write", "edit", "apply_patch")
_SESSIONS = (
    "sessions", "sessions_list", "sessions_history", "sessions_search", "conversations_list",
    "conversations_send", "conversations_turn", "sessions_send", "sessions_spawn",
    "sessions_yield", "subagents", "session_status", "suggest_task", "dismiss_task",
)  # fmt: skip
_MEDIA = ("view_image", "image_generate", "music_generate", "video_generate")
_GOALS = ("get_goal", "create_goal", "update_goal", "progress_card", "ask_user", "skill_workshop")
GROUPS: Mapping[str, tuple[str, ...]] = {
    "group:fs": _FS,
    "group:runtime": ("exec", "process", "code_execution"),
    "group:web": ("web_search", "x_search", "web_fetch"),
    "group:sessions": _SESSIONS,
    "group:memory": ("memory_search", "memory_get"),
    "group:ui": (
        "browser", "screen", "theme", "dashboard", "terminal", "portal", "canvas", "show_widget",
    ),
    "group:automation": ("heartbeat_respond", "automations", "gateway", "plugins", "openclaw"),
    "group:messaging": ("message",),
    "group:nodes": ("nodes", "computer"),
    "group:agents": ("agents_list", *_GOALS),
    "group:media": (*_MEDIA, "tts", "pdf"),
    "group:plugins": ("bundle-mcp",),
}  # fmt: skip
_BUILT_IN = tuple(t for name, tools in GROUPS.items() if name != "group:plugins" for t in tools)
_NOT_OPENCLAW = {*_FS, "exec", "process", "canvas"}
OPENCLAW_GROUP = tuple(tool for tool in _BUILT_IN if tool not in _NOT_OPENCLAW)

# What looking at files was called before `read` did all of it; a denied group denies them too.
LOOKING = ("glob", "grep")
EVERYTHING = ("*",)
PROFILES: Mapping[str, tuple[str, ...]] = {
    "minimal": ("session_status", "gateway"),
    "coding": (
        *_FS, *LOOKING, *GROUPS["group:runtime"], *GROUPS["group:web"], *_SESSIONS,
        "memory_search", "memory_get", "automations", "gateway", *_GOALS, *_MEDIA, "bundle-mcp",
    ),
    "messaging": (
        "message", *_SESSIONS, "agents_list", "memory_search", "memory_store", "ask_user",
        "bundle-mcp",
    ),
    "research": ("web_fetch", "web_search", "read", "write"),
    "automation": (
        "read", "write", "edit", *LOOKING, "exec", "web_fetch", "web_search", "sessions_send",
        "agents_list", "memory_search", "memory_store",
    ),
    "full": EVERYTHING,
}  # fmt: skip
# Of YAML configurations, to the letter of the tables that were made for them.
LEGACY_PROFILES: Mapping[str, tuple[str, ...]] = {
    "minimal": ("read", *LOOKING),
    "coding": ("read", "write", "edit", *LOOKING, "exec", "web_fetch"),
    "messaging": ("sessions_send", "agents_list", "memory_store", "memory_search"),
    "research": PROFILES["research"],
    "automation": PROFILES["automation"],
}
# What an agent has of which no policy speaks at all, by the same tables.
CAREFUL = ("read", *LOOKING, "web_fetch")
# What a sandboxed session has unless its own policy says more.
SANDBOXED = ("exec", "process", "read", "glob", "grep", "write", "edit", "apply_patch")

# Ours, by the tool of OpenClaw's that is the same.
OURS: Mapping[str, str] = {
    "read": "read",
    "glob": "list",
    "grep": "search",
    "edit": "edit",
    "write": "write",
    "exec": "shell",
    "web_fetch": "fetch",
    "process": "process",
}
KNOWN = frozenset(
    {*_BUILT_IN, *OURS, *LOOKING, "memory_store", "browser_navigate", "bundle-mcp", "x_search",
     "agent_spawn", "agent_kill", "agent_find", "task_post", "task_claim", "task_complete",
     "task_list", "event_publish", "schedule_create", "schedule_list", "schedule_delete",
     "image_analyze", "location_get", "theme", "wait"}
)  # fmt: skip


def names_of(word: str) -> tuple[str, ...]:
    """The tools that a word of a list of allowed ones means; itself if it is no other's name."""
    word = word.strip().lower()
    if word == "group:openclaw":
        return OPENCLAW_GROUP
    return GROUPS.get(word) or _ALIASES.get(word) or (word,)


def denied_by(word: str) -> tuple[str, ...]:
    """The tools that a word of a list of denied ones means: read widely."""
    word = word.strip().lower()
    named = _DENIED_WORDS.get(word)
    if named is not None:
        return tuple(tool for inner in named for tool in denied_by(inner))
    found = names_of(word)
    return (*found, *LOOKING) if word == "group:fs" else found


def matches(pattern: str, tool: str) -> bool:
    """Whether a name with `*` in it is this tool's; a wildcard stands for nothing of a group."""
    if "*" not in pattern:
        return pattern == tool
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), tool) is not None


def aliases(tool: str) -> tuple[str, ...]:
    """Every name a tool has; a wildcard may have been written for any of them."""
    return (tool, *(name for name, tools in _ALIASES.items() if tool in tools))


def any_matches(patterns: Iterable[str], names: Iterable[str]) -> bool:
    """Whether any of a list's patterns is for a tool, by any of the names that it has."""
    every = tuple(names)
    return any(matches(pattern, name) for pattern in patterns for name in every)
