"""Where each key of a TOML text stands: `tomllib` parses, but does not remember lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from app.domain.late_pattern import LatePattern

KeyPath = tuple[str | int, ...]

# What a value may contain that hides a newline, a bracket, a "#" or a "=" from the scanner.
_TOKEN = LatePattern(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[\[\]{}\n]"
    r"|[^\[\]{}\n\#\"']+"
    r"|.",
    re.DOTALL,
)
_KEY = LatePattern(r"""\s*(?:"((?:\\.|[^"\\])*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.)?""")


class _Lines(Struct):
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}  # tables in each array of tables
    table: KeyPath = ()
    headers: list[tuple[KeyPath, int]] = []

    def header(self, keys: list[str], line: int, *, array: bool) -> None:
        if not keys:
            return  # no TOML: the parser says so
        path: KeyPath = ()
        for key in keys[:-1]:
            path = self._inside((*path, key))
        path = (*path, keys[-1])
        if array:
            number = self.counts.get(path, 0)
            self.counts[path] = number + 1
            self._note(path, line)
            path = (*path, number)
        self.table = path
        self.headers.append((path, line))
        self._note(path, line)

    def key(self, keys: list[str], line: int) -> None:
        for end in range(1, len(keys) + 1):
            self._note((*self.table, *keys[:end]), line)

    def _inside(self, path: KeyPath) -> KeyPath:
        return (*path, self.counts[path] - 1) if path in self.counts else path

    def _note(self, path: KeyPath, line: int) -> None:
        self.lines.setdefault(path, line)


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of every table header and key of a valid TOML text.

    Keys inside inline tables and arrays have no entry of their own; see `line_of`.
    """
    return _scan(text).lines


def header_lines(text: str) -> list[tuple[KeyPath, int]]:
    """Every table header of a valid TOML text, in order, with its line, from 1. An element of an
    array of tables has its number at the end of its path."""
    return _scan(text).headers


def _scan(text: str) -> _Lines:
    found = _Lines()
    for number, line in _logical_lines(text):
        if line.startswith("[["):
            found.header(_dotted(line[2:]), number, array=True)
        elif line.startswith("["):
            found.header(_dotted(line[1:]), number, array=False)
        elif keys := _dotted(line):
            found.key(keys, number)
    return found


def line_of(lines: dict[KeyPath, int], path: KeyPath) -> int | None:
    """The line of `path`, or of the nearest thing around it that has one."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return None


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Each statement with the number of its first line, without comments."""
    number = start = 1
    depth, parts = 0, list[str]()
    for match in _TOKEN.compiled.finditer(text.replace("\r\n", "\n") + "\n"):
        token = match.group()
        if token == "\n" and depth == 0:
            if statement := "".join(parts).strip():
                yield start, statement
            parts.clear()
            start = number + 1
        elif not token.startswith("#"):
            depth += (token in ("[", "{")) - (token in ("]", "}"))
            parts.append(token)
        number += token.count("\n")


def _dotted(text: str) -> list[str]:
    """The parts of the dotted key that `text` begins with."""
    keys, at = list[str](), 0
    while match := _KEY.compiled.match(text, at):
        keys.append(next(group for group in match.groups()[:3] if group is not None))
        at = match.end()
        if match.group(4) is None:
            break
    return keys
