"""Unified diffs of one file: made for showing, applied strictly, recognised when applied before."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.agents.capped import TITLE_CAP
from app.domain.text import one_line
from app.domain.toolcall import FileChange

_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@")


class DiffError(Exception):
    """A diff cannot be read or does not fit the text; one sentence."""


@dataclass(frozen=True, slots=True)
class _Hunk:
    start: int  # line in the old text, from 0
    old: tuple[str, ...]
    new: tuple[str, ...]


def edit_title(changes: Sequence[FileChange]) -> str:
    """One line that says which files a call would change."""
    names = [change.path.rstrip("/").rsplit("/", 1)[-1] for change in changes]
    if len(changes) == 1:
        return one_line(f"{changes[0].change} {names[0]}", TITLE_CAP)
    return one_line(f"change {len(changes)} files: {', '.join(names)}", TITLE_CAP)


def make_diff(path: str, old: str, new: str) -> str:
    """The unified diff from `old` to `new`; empty when they are equal."""
    before, after = _lines(old), _lines(new)
    made = difflib.unified_diff(before, after, f"a/{path}", f"b/{path}")
    return "".join(
        line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in made
    )


def apply_diff(text: str, diff: str) -> str:
    """`text` with `diff` applied; unchanged if it has been applied before. Raises DiffError."""
    hunks = _parse(diff)
    try:
        return _apply(text, hunks)
    except DiffError:
        if _applied_before(text, hunks):
            return text
        raise


def _applied_before(text: str, hunks: list[_Hunk]) -> bool:
    try:
        _apply(text, [_Hunk(hunk.start, hunk.new, hunk.old) for hunk in hunks])
    except DiffError:
        return False
    return True


def _lines(text: str) -> list[str]:
    """Split at newlines only, keeping them."""
    parts = text.split("\n")
    lines = [part + "\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines


def _parse(diff: str) -> list[_Hunk]:
    hunks: list[_Hunk] = []
    start, old, new = -1, list[str](), list[str]()
    last: list[list[str]] = []  # the sides that the latest line went to

    def close() -> None:
        if start >= 0:
            hunks.append(_Hunk(start, tuple(old), tuple(new)))

    for line in _lines(diff):
        match = _HUNK.match(line)
        if match:
            close()
            # "-0,0" stands for the place before the first line.
            start = max(int(match.group(1)) - (match.group(2) != "0"), 0)
            old, new = [], []
        elif start < 0:
            continue  # file headers
        elif line.startswith("\\"):
            for side in last:
                side[-1] = side[-1].removesuffix("\n")
        else:
            last = _sides(line, old, new)
            for side in last:
                side.append(line[1:] or "\n")
    close()
    if not hunks:
        raise DiffError("the diff has no hunk (a line such as @@ -1,3 +1,4 @@)")
    return hunks


def _sides(line: str, old: list[str], new: list[str]) -> list[list[str]]:
    match line[:1]:
        case "-":
            return [old]
        case "+":
            return [new]
        case " " | "\n":
            return [old, new]
    raise DiffError(f"not a line of a diff: {line.rstrip()[:60]!r}")


def _apply(text: str, hunks: list[_Hunk]) -> str:
    lines, shift = _lines(text), 0
    for hunk in hunks:
        at = _place(lines, hunk, hunk.start + shift)
        lines[at : at + len(hunk.old)] = hunk.new
        shift = at - hunk.start + len(hunk.new) - len(hunk.old)
    return "".join(lines)


def _place(lines: list[str], hunk: _Hunk, expected: int) -> int:
    """Where the hunk's old lines stand: as it says, or in the one other place they fit."""
    size, old = len(hunk.old), list(hunk.old)
    if lines[expected : expected + size] == old and expected <= len(lines):
        return expected
    found = [i for i in range(len(lines) - size + 1) if lines[i : i + size] == old] if old else []
    if len(found) != 1:
        where = "nowhere" if not found else f"in {len(found)} places"
        raise DiffError(f"the diff fits {where}: hunk at line {hunk.start + 1}")
    return found[0]
