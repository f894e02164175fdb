"""Files of a workspace, and of nothing else: the guard before each read and write."""

from __future__ import annotations

from pathlib import Path

from app.agents.diffs import apply_diff, make_diff
from app.agents.scripted.script import Edit
from app.agents.workspace_files import place_below
from app.domain.toolcall import FileChange


class OutsideWorkspace(Exception):
    """A path leaves the workspace, or names git's own files; one sentence."""


def inside(workspace: Path, path: str) -> Path:
    """`path` within `workspace`, symbolic links followed. Raises OutsideWorkspace."""
    try:
        found = place_below(workspace, path)
    except ValueError as error:
        raise OutsideWorkspace(f"{path!r} is not a usable path: {error}") from error
    if found is None:
        raise OutsideWorkspace(f"{path} is outside the workspace; nothing was touched")
    if ".git" in found.relative_to(workspace.resolve()).parts:
        raise OutsideWorkspace(f"{path} belongs to git itself; nothing was touched")
    return found


def read_file(workspace: Path, path: str) -> str:
    """The text of a file. Raises OutsideWorkspace, OSError."""
    return inside(workspace, path).read_text(encoding="utf-8", errors="replace")


def planned_change(workspace: Path, edit: Edit) -> FileChange:
    """What `edit` would do to the file as it is now, for an operator to judge."""
    try:
        old = _existing(inside(workspace, edit.path))
    except (OutsideWorkspace, OSError, UnicodeDecodeError):
        # Shown as asked; performing it will say why it cannot be done.
        return FileChange(path=edit.path, diff=edit.diff or edit.content or "")
    if edit.content is None:
        return FileChange(path=edit.path, diff=edit.diff or "")
    if old is None:
        return FileChange(path=edit.path, change="add", diff=edit.content)
    return FileChange(path=edit.path, diff=make_diff(edit.path, old, edit.content))


def write_edit(workspace: Path, edit: Edit) -> str:
    """Carry `edit` out; one sentence on what was done.

    Doing it twice is the same as doing it once. Raises OutsideWorkspace, DiffError, OSError,
    UnicodeDecodeError.
    """
    path = inside(workspace, edit.path)
    old = _existing(path)
    new = edit.content if edit.content is not None else apply_diff(old or "", edit.diff or "")
    if new == old:
        return f"{edit.path} is already as wanted"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(new, encoding="utf-8", newline="")
    return f"{'wrote' if old is None else 'changed'} {edit.path}"


def _existing(path: Path) -> str | None:
    try:
        # Bytes, so that "\r\n" is neither hidden nor changed.
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
