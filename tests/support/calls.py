"""Tool calls for tests of risk and policy."""

from __future__ import annotations

import json
from pathlib import Path

from app.domain.request import Risk
from app.domain.toolcall import FileChange, ToolCall, ToolKind

WORKSPACE = "/home/op/repo"
_TABLE = Path(__file__).parent.parent / "domain" / "risk_table.tsv"


def shell(command: str, cwd: str | None = None) -> ToolCall:
    return ToolCall(
        call_id="c1", tool="exec", kind=ToolKind.SHELL, title=command, command=command, cwd=cwd
    )


def edit(*paths: str, change: str = "update") -> ToolCall:
    changes = tuple(FileChange(path=path, change=change) for path in paths)
    return ToolCall(
        call_id="c2", tool="apply_patch", kind=ToolKind.EDIT, title="edit", changes=changes
    )


def tool(kind: ToolKind, name: str, **arguments: object) -> ToolCall:
    return ToolCall(call_id="c3", tool=name, kind=kind, title=name, arguments=json.dumps(arguments))


def risk_table() -> list[tuple[str, Risk]]:
    """The commands of `risk_table.tsv` with the risk that an operator expects."""
    rows = list[tuple[str, Risk]]()
    for line in _TABLE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            risk, command = line.split("\t", 1)
            if "printf" not in command:
                command = command.replace("\\n", "\n")
            rows.append((command, Risk(risk)))
    return rows
