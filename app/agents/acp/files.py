"""Writes of an ACP agent through us: asked about, or shown by an edit that was approved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.agents.workspace_files import Outside, file_change, inside, read_whole
from app.domain.toolcall import ToolCall, ToolKind

WRITE_TOOL = "fs/write_text_file"


def write_call(workspace: str, name: str, content: str, call_id: str) -> ToolCall:
    """What a write would do, as a call that can be asked about (blocking). Raises Outside."""
    change = file_change(workspace, name, content)
    return ToolCall(
        call_id=call_id,
        tool=WRITE_TOOL,
        kind=ToolKind.EDIT,
        title=f"{change.change} {Path(change.path).name}",
        changes=(change,),
    )


def is_shown_by(
    edits: Sequence[tuple[str, str, str]], workspace: str, name: str, content: str
) -> bool:
    """Whether writing `content` does what approved edits (path, old text, new text) showed
    (blocking). A newline at the end makes no difference. Raises Outside."""
    place = inside(workspace, name)
    own = [(old, new) for path, old, new in edits if _same(workspace, path, place)]
    if not own:
        return False
    text = read_whole(workspace, name) or ""
    for old, new in own:
        if old.rstrip("\n") == text.rstrip("\n"):
            text = new
        elif old and text.count(old) == 1:
            text = text.replace(old, new)
        else:
            return False
    return text.rstrip("\n") == content.rstrip("\n")


def _same(workspace: str, name: str, place: Path) -> bool:
    try:
        return inside(workspace, name) == place
    except Outside:
        return False
