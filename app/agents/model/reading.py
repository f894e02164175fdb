"""Looking at the workspace: reading files, listing folders, searching. Links do not lead out."""

from __future__ import annotations

import os
from pathlib import Path

from app.agents.model.tools import ListFiles, ReadFile, Search
from app.agents.workspace_files import Outside, inside, read_text

SEARCH_SECONDS = 30
_ENTRIES = 1000  # of one listing
_SKIPPED = (".git", ".hg", ".venv", "node_modules", "__pycache__")


def folder(workspace: str, name: str) -> Path:
    """The real place of a file or folder; the workspace itself is one. Raises Outside."""
    root = Path(workspace).resolve()
    return root if (root / name).resolve() == root else inside(workspace, name)


def read(workspace: str, asked: ReadFile) -> str:
    """The lines asked for, and a word on what is left (blocking). Raises Outside."""
    text = read_text(workspace, asked.path)
    if "\0" in text:
        raise Outside(f"{asked.path} is not a text file")
    lines = text.splitlines(keepends=True)
    if asked.line > max(len(lines), 1):
        raise Outside(f"{asked.path} has {len(lines)} lines")
    last = asked.line - 1 + asked.limit
    found = "".join(lines[asked.line - 1 : last])
    if last < len(lines):
        found += f"[lines {asked.line} to {last} of {len(lines)}]"
    return found or "[the file is empty]"


def listing(workspace: str, asked: ListFiles) -> str:
    """Names below a folder, sorted (blocking). Raises Outside."""
    top = folder(workspace, asked.path)
    if not top.is_dir():
        raise Outside(f"{asked.path} is not a folder")
    found: list[str] = []
    for here, folders, files in os.walk(top):
        folders.sort()
        level = len(Path(here).relative_to(top).parts) + 1
        shown = Path(here).relative_to(top)
        found += [f"{shown / name}/" for name in folders]
        found += [str(shown / name) for name in files]
        folders[:] = [name for name in folders if name not in _SKIPPED and level < asked.depth]
        if len(found) > _ENTRIES:
            found[_ENTRIES:] = ["[… more; list a folder below, or search]"]
            break
    return "\n".join(sorted(found)) or "[the folder is empty]"


def grep(workspace: str, asked: Search) -> list[str]:
    """The command line of a search; grep follows no link below its folder. Raises Outside."""
    place = folder(workspace, asked.path)
    relative = os.path.relpath(place, Path(workspace).resolve())
    argv = ["grep", "-rnIE", "--color=never", *(f"--exclude-dir={name}" for name in _SKIPPED)]
    if asked.ignore_case:
        argv.append("-i")
    if asked.glob:
        argv.append(f"--include={asked.glob}")
    # Without a folder it looks in the one where it runs, and its answers begin without "./".
    return [*argv, "-e", asked.pattern, "--", *([] if relative == "." else [relative])]
