"""Single values of a JSON file, each wrong one told by its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domain.text import one_line
from app.domain.toml_lines import KeyPath, line_of
from app.domain.toml_messages import shown
from app.domain.toml_source import FileErrors, Problem, key_text

_LIMIT = 1000  # characters of a note


@dataclass(slots=True)
class Findings:
    """What is wrong with a file, and what its reader should know about it."""

    source: str
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def wrong(self, at: KeyPath, what: str) -> None:
        self.problems.append(Problem(what, key_text(at), line_of(self.lines, at)))

    def note(self, at: KeyPath, what: str) -> None:
        place = key_text(at)
        # A file may come from anybody: its words must not reach a terminal raw.
        self.notes.append(one_line(f"{place}: {what}" if place else what, _LIMIT))

    def settle(self) -> None:
        """Raises FileErrors if anything is wrong."""
        if self.problems:
            found = sorted(self.problems, key=lambda problem: problem.line or 0)
            raise FileErrors(self.source, tuple(found))


def unknown(at: KeyPath, data: Mapping[str, Any], known: tuple[str, ...], found: Findings) -> None:
    """Note every key that OpenFang does not have there: it is left out, which is no problem."""
    for key in data:
        if key not in known:
            found.note((*at, key), "is no key of an OpenFang workflow; left out")


def needed(at: KeyPath, data: Mapping[str, Any], key: str, found: Findings) -> str:
    """A text that must be there. Without one the file has a problem, and this is empty."""
    if data.get(key) is None:
        found.wrong((*at, key), "this key is missing")
        return ""
    return text(at, data, key, found)


def text(at: KeyPath, data: Mapping[str, Any], key: str, found: Findings, default: str = "") -> str:
    """A text, or `default` where there is none. Another type is a problem of the file."""
    value = data.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        found.wrong((*at, key), f"must be a string, not {shown(value)}")
        return default
    return value


def number(
    at: KeyPath,
    data: Mapping[str, Any],
    key: str,
    found: Findings,
    default: int,
    *,
    least: int = 0,
    most: int,
) -> int:
    """A whole number; more than `most` is taken as that much, and told."""
    value = data.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        found.wrong((*at, key), f"must be a whole number, not {shown(value)}")
        return default
    if value < least:
        found.wrong((*at, key), f"must be at least {least}, not {shown(value)}")
    if value > most:
        found.note((*at, key), f"{most} is the most there can be; taken as that")
    return max(least, min(value, most))
