"""Codex's items as tool calls and outcomes in our words."""

from __future__ import annotations

from collections.abc import Sequence

from app.agents.capped import DIFF_CAP, SUMMARY_CAP, TITLE_CAP, as_json, capped
from app.agents.codex.asks import CommandApproval, FileChangeApproval
from app.agents.codex.models import (
    CommandExecution,
    FileChangeItem,
    FileUpdate,
    McpToolCall,
    WebSearch,
)
from app.agents.codex.shell import unwrap
from app.agents.diffs import edit_title
from app.domain.mcp import tool_name
from app.domain.text import one_line
from app.domain.toolcall import FileChange, ToolCall, ToolKind, ToolOutcome


def command_call(item: CommandExecution) -> ToolCall:
    """The call that a command item is: the shell's wrapping is taken off, and the raw text kept as
    its arguments."""
    return _shell(item.id, item.command, item.cwd)


def command_asked(asked: CommandApproval, known: ToolCall | None) -> ToolCall:
    """What a command approval asks about; `known` is the started item, where there is one."""
    if network := asked.network_approval_context:
        return ToolCall(
            call_id=asked.item_id,
            tool="network",
            kind=ToolKind.FETCH,
            title=f"{network.protocol} access to {network.host}",
            command=unwrap(asked.command) if asked.command else None,
            cwd=asked.cwd,
            arguments=as_json(network.model_dump(by_alias=True)),
            reason=asked.reason,
        )
    if asked.command is not None:
        cwd = asked.cwd or (known.cwd if known else None)
        call = _shell(asked.item_id, asked.command, cwd)
    else:
        call = known or _shell(asked.item_id, "", asked.cwd)
    if asked.kind != "command":  # input for a running terminal is not the command itself
        call = call.model_copy(update={"tool": asked.kind, "title": f"{asked.kind}: {call.title}"})
    return call.model_copy(update={"reason": asked.reason})


def _shell(call_id: str, raw: str, cwd: str | None) -> ToolCall:
    command = unwrap(raw)
    return ToolCall(
        call_id=call_id,
        tool="shell",
        kind=ToolKind.SHELL,
        title=one_line(command, TITLE_CAP) or "a command that codex does not name",
        command=command,
        cwd=cwd,
        arguments=as_json({"command": raw}),
    )


def edit_call(item: FileChangeItem) -> ToolCall:
    """The call that a file-change item is. A file that is moved is among its changes under both
    paths."""
    changes = [part for update in item.changes for part in _changes(update)]
    # Codex keeps changes in a map without order; sorted, the same edit has one fingerprint.
    changes.sort(key=lambda change: (change.path, change.change))
    return ToolCall(
        call_id=item.id,
        tool="apply_patch",
        kind=ToolKind.EDIT,
        title=edit_title(changes),
        changes=tuple(changes),
    )


def edit_asked(asked: FileChangeApproval, known: ToolCall | None) -> ToolCall:
    """What a file-change approval asks about. Without its item nobody knows the changes:
    the title says so, and no path rule can match."""
    call = known or ToolCall(
        call_id=asked.item_id,
        tool="apply_patch",
        kind=ToolKind.EDIT,
        title="a file change that codex does not show",
    )
    arguments = as_json({"grantRoot": asked.grant_root}) if asked.grant_root else call.arguments
    return call.model_copy(update={"reason": asked.reason, "arguments": arguments})


def mcp_call(item: McpToolCall) -> ToolCall:
    """The call that an MCP item is, under the name that rules and tool lists have for that tool."""
    return ToolCall(
        call_id=item.id,
        tool=tool_name(item.server, item.tool),
        kind=ToolKind.MCP,
        title=one_line(f"{item.server}: {item.tool}", TITLE_CAP),
        arguments=as_json(item.arguments),
    )


def search_call(item: WebSearch) -> ToolCall:
    """The call that a web search is; what it looks for is in its title only."""
    return ToolCall(
        call_id=item.id,
        tool="web_search",
        kind=ToolKind.FETCH,
        title=one_line(f"search the web: {item.query}", TITLE_CAP),
    )


def command_outcome(item: CommandExecution) -> ToolOutcome:
    """How a command ended: well only where codex says so and the exit code, if it tells one, is 0.
    The summary is the end of its output."""
    ok = item.status == "completed" and item.exit_code in (0, None)
    return ToolOutcome(
        ok=ok,
        exit_code=item.exit_code,
        summary=_summary(item.status, (item.aggregated_output or "")[-SUMMARY_CAP:]),
    )


def plain_outcome(status: str, detail: str = "") -> ToolOutcome:
    """The outcome of a call that has no exit code."""
    return ToolOutcome(ok=status == "completed", summary=_summary(status, detail[-SUMMARY_CAP:]))


def _summary(status: str, output: str) -> str:
    return output or ("" if status == "completed" else status)


def _changes(update: FileUpdate) -> Sequence[FileChange]:
    """One update; a move touches two paths, and a path rule must see both."""
    change = FileChange(
        path=update.path, change=update.kind.type, diff=capped(update.diff, DIFF_CAP)
    )
    if update.kind.move_path is None:
        return (change,)
    return (change, FileChange(path=update.kind.move_path, change="add"))
