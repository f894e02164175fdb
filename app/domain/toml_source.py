"""Reading TOML into a model, with every mistake named by file, line and key."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.domain.errors import ConfigError
from app.domain.text import one_line
from app.domain.toml_lines import KeyPath, key_lines, line_of
from app.domain.toml_messages import problems_of

_LIMIT = 2000  # characters of a message
M = TypeVar("M", bound=BaseModel)
_SYNTAX = re.compile(
    r"^(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of .*)\)$"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file. `line` counts from 1."""

    message: str
    key: str = ""
    line: int | None = None


class FileErrors(ConfigError):
    """A file has mistakes: the text tells the first, `problems` has all, by line."""

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        # A file may come from anybody: its words must not reach a terminal raw.
        self.problems = tuple(
            Problem(one_line(p.message, _LIMIT), one_line(p.key, _LIMIT), p.line) for p in problems
        )
        first, more = self.problems[0], len(problems) - 1
        rest = f" (and {more} more problem{'s' if more > 1 else ''} in this file)" if more else ""
        super().__init__(first.message + rest, source=source, line=first.line, key=first.key)


def load_toml(text: str, source: str, model: type[M]) -> M:
    """Read `text` as `model`. `source` names the file in errors.

    Types are strict: a quoted number is not a number. Raises FileErrors, a ConfigError.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileErrors(source, (_syntax(str(error), text),)) from None
    except RecursionError:
        raise FileErrors(source, (Problem("tables or lists are nested too deep"),)) from None
    refuse(text, source, _dates(data))
    try:
        # JSON mode: strict about types, yet lists may become tuples and strings enums.
        return model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        refuse(text, source, problems_of(error.errors(), model))
        raise


def refuse(
    text: str,
    source: str,
    found: Iterable[tuple[KeyPath, str]],
    lines: dict[KeyPath, int] | None = None,
) -> None:
    """Raise FileErrors if there are any problems, each with its line in `text`: where `lines`
    says, else where the key stands in TOML."""
    lines = key_lines(text) if lines is None else lines
    problems = [Problem(what, key_text(path), line_of(lines, path)) for path, what in found]
    if problems:
        raise FileErrors(source, tuple(sorted(problems, key=lambda p: p.line or 0)))


def key_text(path: KeyPath) -> str:
    """A path as people write it: `step[2].gate[0].shell`; entries count from 0."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


def _syntax(message: str, text: str) -> Problem:
    match = _SYNTAX.match(message)
    if match is None:
        return Problem(f"not valid TOML: {message}")
    if match["line"] is None:
        return Problem(f"not valid TOML: {match['what']}", line=len(text.splitlines()) or 1)
    return Problem(
        f"not valid TOML: {match['what']} (column {match['column']})", line=int(match["line"])
    )


def _dates(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _dates(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _dates(inner, (*path, number))
    elif isinstance(value, date | time):
        yield path, f'a date or time has no place here; for text, write it in quotes: "{value}"'
