"""An ACP agent's tool calls and their outcomes in our words.

What an agent says about a call comes in pieces: the start, updates, and the question, which may
hold nothing but the id. A piece replaces what it names; the rest stays.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from acp import schema

from app.agents.capped import DIFF_CAP, SUMMARY_CAP, TITLE_CAP, as_json, capped
from app.agents.diffs import edit_title, make_diff
from app.domain.mcp import named_elsewhere, tool_name
from app.domain.text import one_line
from app.domain.toolcall import FileChange, ToolCall, ToolKind, ToolOutcome

Piece = schema.ToolCallStart | schema.ToolCallProgress | schema.ToolCallUpdate

_KINDS = {
    "read": ToolKind.READ,
    "search": ToolKind.READ,
    "edit": ToolKind.EDIT,
    "delete": ToolKind.EDIT,
    "move": ToolKind.EDIT,
    "execute": ToolKind.SHELL,
    "fetch": ToolKind.FETCH,
}
_MAY_BE_SHELL = (ToolKind.READ, ToolKind.EDIT)  # some agents name a shell command by its effect
_COMMAND_KEYS = ("command", "cmd", "script")
_FOLDER_KEYS = ("cwd", "workdir", "working_directory", "directory")
_EXIT_KEYS = ("exit_code", "exitCode", "exit")
_NAME_KEYS = ("tool_name", "toolName")


@dataclass(slots=True)
class Known:
    """All that an agent has said about one call."""

    call_id: str
    title: str = ""
    kind: str = "other"
    status: str = "pending"
    content: Sequence[object] = ()
    locations: Sequence[schema.ToolCallLocation] = ()
    raw_input: Any = None
    raw_output: Any = None
    meta: dict[str, Any] = field(default_factory=dict)

    def merge(self, piece: Piece) -> None:
        """Take up what a piece says."""
        self.title = piece.title or self.title
        self.kind = piece.kind or self.kind
        self.status = piece.status or self.status
        if piece.content is not None:
            self.content = piece.content
        if piece.locations is not None:
            self.locations = piece.locations or self.locations
        if piece.raw_input is not None:
            self.raw_input = piece.raw_input
        if piece.raw_output is not None:
            self.raw_output = piece.raw_output
        self.meta |= piece.field_meta or {}

    @property
    def diffs(self) -> list[schema.FileEditToolCallContent]:
        """The changes of files that it shows."""
        return [part for part in self.content if isinstance(part, schema.FileEditToolCallContent)]

    @property
    def text(self) -> str:
        """What it has printed."""
        blocks = [p.content for p in self.content if isinstance(p, schema.ContentToolCallContent)]
        return "\n".join(
            block.text for block in blocks if isinstance(block, schema.TextContentBlock)
        )


def call_of(known: Known, call_id: str, servers: Sequence[str] = ()) -> ToolCall:
    """The call under the id that we use for it; `servers` are the session's MCP servers."""
    given = known.raw_input if isinstance(known.raw_input, Mapping) else {}
    command = _command(given)
    kind = _KINDS.get(known.kind, ToolKind.OTHER)
    if command is not None and kind in _MAY_BE_SHELL and not known.diffs:
        kind = ToolKind.SHELL
    name = _tool_name(known)
    if kind is ToolKind.OTHER and (served := _served(known, name, servers)):
        kind, name = ToolKind.MCP, served
    shell = kind is ToolKind.SHELL
    changes = _changes(known) if kind is ToolKind.EDIT else ()
    title = command if shell and command else edit_title(changes) if changes else known.title
    return ToolCall(
        call_id=call_id,
        tool=name,
        kind=kind,
        title=one_line(title, TITLE_CAP) or f"a call of {known.kind} that the agent does not name",
        command=command if shell else None,
        cwd=next((given[key] for key in _FOLDER_KEYS if isinstance(given.get(key), str)), None),
        changes=changes,
        arguments=as_json(known.raw_input) if known.raw_input is not None else "",
    )


def _served(known: Known, name: str, servers: Sequence[str]) -> str | None:
    """Our name for the tool of an MCP server: agents call it `mcp__server__tool`, or, in what they
    show, `server_tool` (OpenCode)."""
    if elsewhere := named_elsewhere(name):
        return elsewhere
    for server in servers:
        tool = known.title.removeprefix(f"{server}_")
        if tool and tool != known.title and not any(map(str.isspace, tool)):
            return tool_name(server, tool)
    return None


def _command(given: Mapping[str, Any]) -> str | None:
    for key in _COMMAND_KEYS:
        value = given.get(key)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
            return shlex.join(value)
    return None


def _tool_name(known: Known) -> str:
    """The agent's own name for the tool: agents put it into their own corner of the message."""
    corners = [known.meta, *(v for v in known.meta.values() if isinstance(v, Mapping))]
    for corner in corners:
        for key in _NAME_KEYS:
            if isinstance(corner.get(key), str) and corner[key]:
                return one_line(corner[key], 80)
    return known.kind


def _changes(known: Known) -> tuple[FileChange, ...]:
    """The files that an edit would change, each with its difference where the agent shows it."""
    verb = "delete" if known.kind == "delete" else "update"
    shown = [_change(diff) for diff in known.diffs]
    paths = {change.path for change in shown}
    named = (place.path for place in known.locations)
    others = dict.fromkeys(path for path in named if path not in paths)
    if shown and others and known.kind == "edit":
        others = {}  # a relative and an absolute name of the same file
    changes = [*shown, *(FileChange(path=path, change=verb) for path in others)]
    return tuple(sorted(changes, key=lambda change: (change.path, change.change)))


def _change(diff: schema.FileEditToolCallContent) -> FileChange:
    if not diff.old_text:
        return FileChange(path=diff.path, change="add", diff=capped(diff.new_text, DIFF_CAP))
    text = make_diff(diff.path, diff.old_text, diff.new_text)
    return FileChange(path=diff.path, change="update", diff=capped(text, DIFF_CAP))


def outcome_of(known: Known) -> ToolOutcome:
    """How a call ended."""
    exit_code = _exit_code(known.raw_output)
    summary = known.text or (known.raw_output if isinstance(known.raw_output, str) else "")
    failed = known.status == "failed"
    return ToolOutcome(
        ok=not failed and exit_code in (0, None),
        exit_code=exit_code,
        summary=summary[-SUMMARY_CAP:] or ("failed" if failed else ""),
    )


def _exit_code(output: object) -> int | None:
    if not isinstance(output, Mapping):
        return None
    for corner in (output, output.get("metadata")):
        if isinstance(corner, Mapping):
            for key in _EXIT_KEYS:
                value = corner.get(key)
                if isinstance(value, int) and not isinstance(value, bool):
                    return value
    return None
