"""Rows of a unified diff: files, hunks, and the words that differ within a line. No Textual.

The signs stay, colour comes in addition. Every line that is not plainly part of the format's
head is shown, so that a diff from an agent cannot hide anything by being malformed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher, unified_diff
from itertools import takewhile

from app.domain.toolcall import FileChange
from app.ui.page import BLANK, FOLDED, MOST_ROWS, Row, Span, clean, row

_HUNK = re.compile(r"@@+ -\d+(?:,(?P<old>\d+))? \+\d+(?:,(?P<new>\d+))? @@")
_INDEX = re.compile(r"index [0-9a-f]+\.\.[0-9a-f]+")
_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_WORDY_CHARS = 2_000  # longer lines are not compared word by word
_WORDY_LINES = 400  # of one diff
_SIGNS = {"+": "add", "-": "remove"}

CHANGES = {"add": "new file", "delete": "deleted", "update": "changed"}


def diff_rows(text: str) -> list[Row]:
    """All of a unified diff, with one head row per file."""
    return _bounded(_Reader(clean(text).rstrip("\n").split("\n")).rows)


def change_rows(change: FileChange) -> list[Row]:
    """One file of a tool call: its path, what happens to it, and the diff or the whole text."""
    body = clean(change.diff).rstrip("\n").split("\n") if change.diff.strip() else []
    about = CHANGES.get(change.change, change.change)
    if not body:
        nothing = row(("  no text is given for this change", "quiet"))
        return [_file_row(change.path, about, 0, 0), nothing]
    if _is_diff(body):
        read = _Reader(body)
        rows = [one for one in read.rows if not one.anchor]
        return [_file_row(change.path, about, read.added, read.removed), *_bounded(rows)]
    sign = {"add": "+", "delete": "-"}.get(change.change, " ")
    counts = len(body) * (sign == "+"), len(body) * (sign == "-")
    return [_file_row(change.path, about, *counts), *_bounded([_line(sign, x) for x in body])]


def difference_rows(before: str, after: str, *, context: int = 3) -> list[Row]:
    """What changed from one version of a text to the next; empty when nothing did."""
    old, new = (clean(text).rstrip("\n").split("\n") for text in (before, after))
    found = list(unified_diff(old, new, n=context, lineterm=""))
    return _bounded(_Reader(found[2:]).rows) if found else []


def _bounded(rows: list[Row]) -> list[Row]:
    if len(rows) <= MOST_ROWS:
        return rows
    return [*rows[:MOST_ROWS], row((f"… {len(rows) - MOST_ROWS:,} more lines", "quiet"))]


def _file_row(path: str, about: str, added: int, removed: int) -> Row:
    numbers = f"  +{added} −{removed}" if added or removed else ""
    spans = row(("▍ ", "file-mark"), (path, "file"), (f"  {about}{numbers}", "quiet")).spans
    return Row(spans, tone="file", hang="  ", anchor=clean(path) or "?")


def _is_diff(body: Sequence[str]) -> bool:
    begins = body[0].startswith(("@@ ", "--- ", "diff --git ", "Index: "))
    return begins and any(_HUNK.match(line) for line in body)


class _Reader:
    """Reads one diff. Inside a hunk its counts say what is text, whatever the text looks like."""

    def __init__(self, body: Sequence[str]) -> None:
        self.rows: list[Row] = []
        self.added = self.removed = 0  # lines of the file at hand
        self._old = self._new = 0  # lines of the hunk that are still to come
        self._inside = False  # a hunk of this file has begun
        self._before: list[str] = []
        self._after: list[str] = []
        self._wordy = 0
        self._head: tuple[int, str, str] | None = None  # where the file's row goes, and its words
        self._read(body)

    def _read(self, body: Sequence[str]) -> None:
        number = 0
        while number < len(body):
            line = body[number]
            if self._old or self._new:
                self._text(line)
            elif hunk := _HUNK.match(line):
                self._flush()
                self._old, self._new = (int(hunk[name] or 1) for name in ("old", "new"))
                self._inside = True
                self.rows.append(row((line, "hunk")))
            elif line.startswith("--- ") and _at(body, number + 1).startswith("+++ "):
                self._file(line[4:].rstrip(), body[number + 1][4:].rstrip())
                number += 1
            elif self._inside and line[:1] in ("+", "-", " ", "\\"):
                self._text(line)  # agents count badly: the hunk goes on
            else:
                self._outside(line, body[number + 1 : number + 9])
            number += 1
        self._close()

    def _file(self, old: str, new: str) -> None:
        gone, made = new == "/dev/null", old == "/dev/null"
        name = old if gone else new
        about = "deleted" if gone else "new file" if made else "changed"
        self._open(name[2:] if name[:2] in ("a/", "b/") else name, about)

    def _open(self, path: str, about: str) -> None:
        self._close()
        if self.rows:
            self.rows.append(BLANK)
        self._head = (len(self.rows), path, about)
        self.added = self.removed = 0
        self._inside = False

    def _close(self) -> None:
        """The file's lines are counted now: put its row before them."""
        self._flush()
        if self._head is not None:
            at, path, about = self._head
            self.rows.insert(at, _file_row(path, about, self.added, self.removed))
            self._head = None

    def _outside(self, line: str, following: Sequence[str]) -> None:
        if line.startswith("diff --git "):
            rest = takewhile(lambda x: not x.startswith("diff --git "), following)
            if not any(x.startswith("--- ") for x in rest):  # renamed, or binary, or its mode
                self._open(line.rpartition(" b/")[2], "changed")
            return
        self._flush()
        if line.strip() and not _INDEX.match(line):
            self.rows.append(row((line, "quiet"), hang="  "))

    def _text(self, line: str) -> None:
        sign = line[:1]
        if sign == "\\":
            self._flush()
            self.rows.append(row((line, "quiet")))
            return
        self._old = max(0, self._old - (sign != "+"))
        self._new = max(0, self._new - (sign != "-"))
        if sign == "-":
            if self._after:
                self._flush()
            self.removed += 1
            self._before.append(line[1:])
        elif sign == "+":
            self.added += 1
            self._after.append(line[1:])
        else:
            self._flush()
            # A line without a sign is none of the format: it keeps its first character.
            self.rows.append(_line(" ", line[1:] if sign == " " else line))

    def _flush(self) -> None:
        """Removed lines and the added ones that stand for them, with the words that differ."""
        before, after = self._before, self._after
        self._before, self._after = [], []
        if not before and not after:
            return
        count = min(len(before), len(after), _WORDY_LINES - self._wordy)
        self._wordy += count
        pairs = [_words(old, new) for old, new in zip(before[:count], after[:count], strict=True)]
        self.rows += [_marked("-", spans) for spans, _ in pairs]
        self.rows += [_line("-", line) for line in before[count:]]
        self.rows += [_marked("+", spans) for _, spans in pairs]
        self.rows += [_line("+", line) for line in after[count:]]


def _at(body: Sequence[str], number: int) -> str:
    return body[number] if number < len(body) else ""


def _line(sign: str, text: str) -> Row:
    return _marked(sign, (Span(text, _SIGNS.get(sign, "")),))


def _marked(sign: str, spans: Sequence[Span]) -> Row:
    tone = _SIGNS.get(sign, "")
    made = row((f"{sign} ", tone), *((span.text, span.tone) for span in spans))
    return Row(made.spans, tone=tone, hang=FOLDED)


def _words(old: str, new: str) -> tuple[list[Span], list[Span]]:
    """Both lines in pieces; the pieces that differ are emphasised if most of the line is equal."""
    plain = ([Span(old, "remove")], [Span(new, "add")])
    if max(len(old), len(new)) > _WORDY_CHARS:
        return plain
    before, after = _TOKEN.findall(old), _TOKEN.findall(new)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    if matcher.ratio() < 0.4:
        return plain
    left: list[Span] = []
    right: list[Span] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        more = "" if tag == "equal" else "-word"
        left.append(Span("".join(before[i1:i2]), f"remove{more}"))
        right.append(Span("".join(after[j1:j2]), f"add{more}"))
    return left, right
