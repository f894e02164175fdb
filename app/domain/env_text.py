"""Files of `NAME=value` lines: read as python-dotenv reads them, written so that every value
survives (quotes, newlines, backslashes and `#` included)."""

from __future__ import annotations

import io
from collections.abc import Mapping

from app.domain.errors import ConfigError
from app.domain.named import variable_problem

_NEEDS_QUOTES = "\n\r\"'#"


def read_env(text: str, source: str) -> dict[str, str]:
    """The values by name; of a name that occurs twice, the last. Nothing is substituted.

    Raises ConfigError that names `source` and the line, and quotes nothing of it: it is a secret.
    """
    from dotenv.parser import parse_stream  # most projects have no such file

    found: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        line = binding.original.line
        if binding.error or (binding.key is not None and binding.value is None):
            raise ConfigError("is not NAME=value", source=source, line=line)
        if binding.key is None or binding.value is None:
            continue  # a comment, or a blank line
        if variable_problem(binding.key):
            raise ConfigError("has no name of a variable before the =", source=source, line=line)
        found[binding.key] = binding.value
    return found


def write_env(values: Mapping[str, str]) -> str:
    """The file's text, in the order of `values`. Raises ValueError for a name that is none, or
    for values that the format cannot hold (a NUL; a `\\` that ends one of several lines)."""
    if bad := [name for name in values if variable_problem(name)]:
        raise ValueError(f"{bad[0]!r} is not the name of a variable")
    text = "".join(f"{name}={_quoted(value)}\n" for name, value in values.items())
    try:
        kept = read_env(text, "") == dict(values)
    except ConfigError:
        kept = False
    if not kept or "\0" in text:
        lost = [name for name, value in values.items() if not _survives(name, value)]
        raise ValueError(f"{', '.join(lost or values)} cannot be written as NAME=value")
    return text


def _quoted(value: str) -> str:
    plain = value == value.strip() and not any(mark in value for mark in _NEEDS_QUOTES)
    if value and plain:
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _survives(name: str, value: str) -> bool:
    try:
        text = f"{name}={_quoted(value)}\nZ='\\''\n"
        return "\0" not in value and read_env(text, "").get(name) == value
    except ConfigError:
        return False
