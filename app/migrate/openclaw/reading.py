"""Reading one configuration file, JSON5 or YAML, into data that a tree can be made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.migrate.openclaw.source import Source

_MAX_DEPTH = 100
_MAX_NODES = 500_000


class Unreadable(Exception):
    """Why a file cannot be read, in a clause that quotes nothing of it."""


def read_json5(source: Source, path: Path) -> Any:
    """The value of a JSON5 file. Raises Unreadable."""
    import pyjson5

    text = _text(source, path)
    try:
        return pyjson5.decode(text, maxdepth=_MAX_DEPTH)
    except pyjson5.Json5NestingTooDeep:
        raise Unreadable("its objects or lists are nested too deep") from None
    except (pyjson5.Json5Exception, ValueError, RecursionError) as error:
        where = _place(error, text)
    try:
        return _plain_json(text)
    except (ValueError, RecursionError):
        raise Unreadable(f"it is not valid JSON5{where}") from None


def _plain_json(text: str) -> Any:
    """JSON with what programs write and that parser refuses: half a surrogate pair, where a text
    was cut, and numbers out of range. Raises ValueError, RecursionError."""
    import json

    return _bounded(json.loads(text))


def _place(error: Exception, text: str) -> str:
    """Where a JSON5 text is wrong; nothing of the text itself, which may be a secret."""
    import re

    found = re.search(r"near (\d+)", str(error))
    if found is None:
        return ""
    return f" (line {text.count(chr(10), 0, int(found[1])) + 1})"


def read_yaml(source: Source, path: Path) -> Any:
    """The value of a YAML file, by a loader that makes plain data only. Raises Unreadable."""
    import yaml

    text = _text(source, path)
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise Unreadable(f"it is not valid YAML{where}") from None
    except (ValueError, RecursionError, TypeError, AttributeError, KeyError):
        raise Unreadable("it is not valid YAML") from None
    return _bounded(data)


def _bounded(data: Any) -> Any:
    """Anchors let a small file stand for an endless value; such a file is refused."""
    pending, count = [(data, 0)], 0
    while pending:
        value, depth = pending.pop()
        count += 1
        if depth > _MAX_DEPTH or count > _MAX_NODES:
            raise Unreadable("its values are nested too deep, or too many")
        if isinstance(value, dict):
            pending.extend((inner, depth + 1) for inner in value.values())
        elif isinstance(value, (list, set)):
            pending.extend((inner, depth + 1) for inner in value)
    return data


def _text(source: Source, path: Path) -> str:
    try:
        return source.text(path)
    except OSError as error:
        raise Unreadable(f"it cannot be opened ({error.strerror})") from None
    except ValueError as error:
        raise Unreadable(str(error)) from None
