"""Which lines of a session its agent would be told today.

Entries form a tree: whoever went back to an earlier one began a branch there. What counts is the
path from the last entry to the first, and of that what stands after its latest summary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from app.migrate.openclaw.transcript import Line, parse


@dataclass(frozen=True, slots=True)
class Branch:
    """Lines of the current branch, by number: a summary first if there is one, then the rest."""

    summary: int | None
    lines: frozenset[int]


@dataclass(slots=True)
class _Tree:
    """What has to be known of every entry: its line, its parent, and where a summary cuts."""

    lines: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)  # index, -1 for none
    by_id: dict[str, int] = field(default_factory=dict)
    cuts: dict[int, str | None] = field(default_factory=dict)  # summary or reset -> first kept
    summaries: set[int] = field(default_factory=set)
    leaf: int = -1

    def add(self, line: int, found: dict[str, Any]) -> None:
        kind = found.get("type")
        if kind == "session":
            return
        if kind == "leaf":
            target = found.get("targetId")
            self.leaf = self.by_id.get(target, self.leaf) if isinstance(target, str) else -1
            return
        at = len(self.lines)
        parent = found.get("parentId")
        known = self.by_id.get(parent, self.leaf) if isinstance(parent, str) else self.leaf
        # Only an entry that says so begins a second root.
        self.parents.append(-1 if parent is None and "parentId" in found else known)
        self.lines.append(line)
        if isinstance(name := found.get("id"), str):
            self.by_id[name] = at
        if kind in ("compaction", "reset"):
            kept = found.get("firstKeptEntryId")
            self.cuts[at] = kept if isinstance(kept, str) else None
        if kind == "compaction":
            self.summaries.add(at)
        if found.get("appendMode") != "side":
            self.leaf = at

    def path(self) -> list[int]:
        """From the first entry to the leaf. Parents are older than their children: it ends."""
        found, at = [], self.leaf
        while at >= 0:
            found.append(at)
            at = self.parents[at]
        return found[::-1]


def current_branch(file_lines: Iterator[Line]) -> Branch:
    """Read a whole file once; lines that cannot be read are not on any branch."""
    tree = _Tree()
    for line in file_lines:
        if line.data is None or not line.data.strip():
            continue
        try:
            tree.add(line.number, parse(line))
        except ValueError:
            continue
    path = tree.path()
    cut = next((at for at in reversed(path) if at in tree.cuts), None)
    if cut is None:
        return Branch(None, frozenset(tree.lines[at] for at in path))
    kept = tree.by_id.get(tree.cuts[cut] or "")
    # A summary keeps the entries from the first one that it names; without one, none.
    first = path.index(kept) if kept is not None and kept in path else path.index(cut) + 1
    rest = [at for at in path[first:] if at != cut]
    summary = tree.lines[cut] if cut in tree.summaries else None
    return Branch(summary, frozenset(tree.lines[at] for at in rest))
