"""Errors of a JSON Schema check as sentences that an agent can act on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.domain.text import one_line

if TYPE_CHECKING:
    from jsonschema import ValidationError

_WIDTH = 300


def sentence(error: ValidationError) -> str:
    """One error with its place; values are written as JSON, not as Python."""
    from jsonschema.exceptions import best_match

    said = _plain(error)
    inner = best_match([error])
    if inner is not None and inner is not error:
        said = f"{said}; the nearest of them says, at {inner.json_path}: {_plain(inner)}"
    return one_line(f"at {error.json_path}: {said}", 2 * _WIDTH)


def _plain(error: ValidationError) -> str:
    say = _SAYINGS.get(str(error.validator))
    return one_line(say(error) if say else error.message, _WIDTH)


def _json(value: object) -> str:
    return one_line(json.dumps(value, ensure_ascii=False), 120)


def _type(error: ValidationError) -> str:
    wanted = error.validator_value
    names = wanted if isinstance(wanted, list) else [wanted]
    return f"{_json(error.instance)} is not of type {' or '.join(map(str, names))}"


def _required(error: ValidationError) -> str:
    wanted, value = error.validator_value, error.instance
    if not isinstance(wanted, list) or not isinstance(value, dict):
        return error.message
    # There is an error for each missing name, and only its message says which.
    missing = [name for name in wanted if error.message.startswith(repr(name))]
    return f"the property {_json(missing[0])} is missing" if missing else error.message


def _enum(error: ValidationError) -> str:
    return f"{_json(error.instance)} is not one of {_json(error.validator_value)}"


def _const(error: ValidationError) -> str:
    return f"{_json(error.instance)} is not {_json(error.validator_value)}"


def _pattern(error: ValidationError) -> str:
    return f"{_json(error.instance)} does not match {one_line(str(error.validator_value), 120)}"


def _alternatives(error: ValidationError) -> str:
    many = "none of the alternatives" if error.context else "more than one of the alternatives"
    return f"{_json(error.instance)} fits {many}"


def _limit(words: str) -> Callable[[ValidationError], str]:
    def say(error: ValidationError) -> str:
        return f"{_json(error.instance)} {words} {_json(error.validator_value)}"

    return say


_SAYINGS: dict[str, Callable[[ValidationError], str]] = {
    "type": _type,
    "required": _required,
    "enum": _enum,
    "const": _const,
    "pattern": _pattern,
    "anyOf": _alternatives,
    "oneOf": _alternatives,
    "minimum": _limit("is less than"),
    "maximum": _limit("is more than"),
    "exclusiveMinimum": _limit("is not more than"),
    "exclusiveMaximum": _limit("is not less than"),
    "multipleOf": _limit("is not a multiple of"),
    "minLength": _limit("is shorter than the least length,"),
    "maxLength": _limit("is longer than the greatest length,"),
    "minItems": _limit("has fewer items than"),
    "maxItems": _limit("has more items than"),
    "minProperties": _limit("has fewer properties than"),
    "maxProperties": _limit("has more properties than"),
}
