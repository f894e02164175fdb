"""Reading JSON from a file of somebody else's: strictly, and with the line of every key."""

from __future__ import annotations

import json
import re
from typing import Any

from app.domain.toml_lines import KeyPath
from app.domain.toml_source import FileErrors, Problem

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|\n|[^\s"\[\]{},:]+', re.DOTALL)


def load_json(text: str, source: str) -> Any:
    """The value of a JSON text that can be written to a file again: no key stands twice in an
    object, numbers are numbers, text is whole characters. Raises FileErrors, a ConfigError."""
    try:
        data = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
        json.dumps(data, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        what = f"not valid JSON: {error.msg} (column {error.colno})"
        raise FileErrors(source, (Problem(what, line=error.lineno),)) from None
    except UnicodeEncodeError:
        what = "not valid JSON: half of a surrogate pair (\\ud800 to \\udfff) stands alone"
        raise FileErrors(source, (Problem(what),)) from None
    except RecursionError:
        raise FileErrors(source, (Problem("objects or lists are nested too deep"),)) from None
    except ValueError as error:
        digits = "integer string conversion" in str(error)  # Python's advice is for programmers
        what = "a number has too many digits" if digits else f"not valid JSON: {error}"
        raise FileErrors(source, (Problem(what),)) from None
    return data


def json_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of every key and list entry of a valid JSON text."""
    found: dict[KeyPath, int] = {}
    path = list[str | int]()  # the place of the value that comes next
    line, expected = 1, False  # whether a key is what comes next
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token == "\n":
            line += 1
        elif expected and token.startswith('"'):
            path[-1], expected = json.loads(token), False
            found[tuple(path)] = line
        elif token in ("}", "]"):
            path.pop()
            expected = False
        elif token == ",":
            last = path[-1]
            expected = isinstance(last, str)
            path[-1] = last if isinstance(last, str) else last + 1
        elif token != ":":
            found.setdefault(tuple(path), line)
            if token in ("{", "["):
                expected = token == "{"
                path.append("" if expected else 0)
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict[str, Any]()
    for key, value in pairs:
        if key in found:
            raise ValueError(f'the key "{key}" stands twice in one object')
        found[key] = value
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number")
