"""An agent's tool list: the first authority over its calls, before any rule.

A list names tools of the built-in agent, by family or one by one. Other agents have tools of
their own: for them a name means the kind of call that it stands for.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.late_pattern import LatePattern
from app.domain.toml_messages import not_among
from app.domain.toolcall import ToolCall, ToolKind
from app.domain.workflow import AgentConfig

RULE = "agent's tool list"  # what a denial names as its rule
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "read": ("read_file",),
    "list": ("list_files",),
    "search": ("search",),
    "edit": ("edit_file",),
    "write": ("write_file",),
    "shell": ("shell",),
    "fetch": ("fetch",),
    "process": ("process_start", "process_poll", "process_write", "process_kill", "process_list"),
}
"""The built-in agent's tools by the names that lists have for them."""

_KINDS = {
    "read": ToolKind.READ,
    "list": ToolKind.READ,
    "search": ToolKind.READ,
    "edit": ToolKind.EDIT,
    "write": ToolKind.EDIT,
    "shell": ToolKind.SHELL,
    "fetch": ToolKind.FETCH,
    "process": ToolKind.PROCESS,
    "other": ToolKind.OTHER,
}
_TOOLS = {tool: family for family, tools in FAMILIES.items() for tool in tools}
_SHELL_TOO = {"process_start": ToolKind.SHELL}
_MCP = LatePattern(r"mcp:[A-Za-z][A-Za-z0-9_-]{0,63}(/[^\s/*]+)?")


def tool_problem(name: str) -> str | None:
    """What is wrong with a name in a tool list; None if it is one."""
    if name in _KINDS or name in _TOOLS or _MCP.compiled.fullmatch(name):
        return None
    if name.startswith("mcp:"):
        return f'"{name}" is not "mcp:SERVER" or "mcp:SERVER/TOOL"'
    known = [*dict.fromkeys([*_KINDS, *_TOOLS]), "mcp:SERVER", "mcp:SERVER/TOOL"]
    return not_among(f'no tool "{name}"', name, known)


def kind_of(name: str) -> ToolKind:
    """The kind of call that a name in a tool list stands for."""
    if name.startswith("mcp:"):
        return ToolKind.MCP
    return _SHELL_TOO.get(name) or _KINDS[_TOOLS.get(name, name)]


def offers(agent: AgentConfig, tool: str) -> bool:
    """Whether the built-in agent has this tool of its own, or of an MCP server (`mcp:a/b`)."""
    if agent.tools is None or tool in agent.tools:
        return True
    return tool.partition("/")[0] in agent.tools or _TOOLS.get(tool) in agent.tools


def lists_server(agent: AgentConfig, server: str) -> bool:
    """Whether the agent's list has an MCP server, or at least one of its tools."""
    return agent.tools is None or any(
        name.partition("/")[0] == f"mcp:{server}" for name in agent.tools
    )


def permits(agent: AgentConfig, call: ToolCall) -> bool:
    """Whether a call is one that the agent's list has. Only the built-in agent is believed the
    name of a tool; what others call theirs says nothing of what it does."""
    if agent.tools is None or call.kind is ToolKind.QUESTION:
        return True
    if agent.driver == "model" or call.kind is ToolKind.MCP:
        return offers(agent, call.tool)
    return any(_KINDS.get(_TOOLS.get(name, name)) is call.kind for name in agent.tools)


def refusal(agent: AgentConfig, call: ToolCall) -> str | None:
    """Why a call is denied that the agent's list does not have; None if it has it."""
    if permits(agent, call):
        return None
    has = ", ".join(agent.tools or ()) or "nothing"
    what = call.tool if call.kind in (ToolKind.MCP, ToolKind.OTHER) else call.kind.value
    return f"{what} is not in the tool list of agent {agent.name}, which has: {has}"
