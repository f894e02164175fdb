"""The tables of a TOML text as pieces of text: one can be taken out, replaced or added, and every
other byte, comments above all, stays as it is."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from typing import Any

from app.domain.toml_lines import KeyPath, header_lines

NAMED = ("agent", "approval.rule", "mcp", "rollout")  # tables with a `name` that is theirs alone


@dataclass(frozen=True, slots=True)
class Piece:
    """One element of an array of tables, with what belongs to it."""

    table: str  # "agent", "approval.rule"
    name: str  # "" where tables of that kind have none
    digest: str  # of its content, however it is written
    text: str  # with the comments right before it
    first: int  # its lines in the text, from 0, comments included; `last` is not in it any more
    header: int
    last: int

    @property
    def bare(self) -> str:
        """The text without the comments before it."""
        return "".join(self.text.splitlines(keepends=True)[self.header - self.first :])


def read_pieces(text: str) -> list[Piece]:
    """All elements of arrays of tables. Raises tomllib.TOMLDecodeError."""
    data = tomllib.loads(text)
    lines = text.splitlines(keepends=True)
    headers = header_lines(text)
    found = list[Piece]()
    for number, (path, line) in enumerate(headers):
        if not path or not isinstance(path[-1], int) or _inside(path, headers[:number]):
            continue
        after = (at for other, at in headers[number + 1 :] if other[: len(path)] != path)
        end = _content_end(lines, next(after, len(lines) + 1) - 1)
        first = _comments_start(lines, line - 1)
        table = ".".join(str(part) for part in path if not isinstance(part, int))
        value = _value(data, path)
        name = str(value.get("name", "")) if table in NAMED else ""
        text_of = "".join(lines[first:end])
        found.append(Piece(table, name, digest(value), text_of, first, line - 1, end))
    return found


def replaced(text: str, changes: dict[int, str]) -> str:
    """The text with some of its pieces replaced, by their first lines, each under the comments
    that it has; "" takes one out, with its comments."""
    pieces = {piece.first: piece for piece in read_pieces(text)}
    lines = text.splitlines(keepends=True)
    for first in sorted(changes, reverse=True):
        piece, new = pieces[first], changes[first]
        if new:
            lines[piece.header : piece.last] = [new if new.endswith("\n") else new + "\n"]
            continue
        last = piece.last
        while last < len(lines) and not lines[last].strip() and first > 0:
            last += 1
        lines[first:last] = []
    return "".join(lines)


def digest(value: Any) -> str:
    """SHA-256 of a table's content, however it is written."""
    data = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(data.encode()).hexdigest()


def _inside(path: KeyPath, before: list[tuple[KeyPath, int]]) -> bool:
    """Whether a table is part of another array's element."""
    return any(
        isinstance(other[-1], int) and len(other) < len(path) and path[: len(other)] == other
        for other, _ in before
        if other
    )


def _value(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data[part]
    return data


def _content_end(lines: list[str], end: int) -> int:
    """Without blank lines and comments at the end: these belong to what follows."""
    while end > 0 and _idle(lines[end - 1]):
        end -= 1
    return end


def _comments_start(lines: list[str], first: int) -> int:
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return first


def _idle(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")
