"""What is wrong with a value in a TOML file, in words: which keys and values are allowed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, get_args

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from app.domain.toml_lines import KeyPath

_TAG = "kind="  # how a tagged union of steps marks its place in an error's location
_KINDS = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list in [ ]",
    "model_type": "a table",
    "finite_number": "a finite number",
}
_BOUNDS = {
    "greater_than": ("greater than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
}


def problems_of(
    errors: Iterable[ErrorDetails], model: type[BaseModel]
) -> Iterator[tuple[KeyPath, str]]:
    """Path and sentence for each validation error of a file read as `model`."""
    for error in errors:
        if error["type"] == "too_short" and error["input"]:
            continue  # pydantic adds it when the entries themselves are wrong
        yield _path(error, model), _sentence(error, model)


def not_among(what: str, word: object, allowed: Iterable[str]) -> str:
    """`what`, then the nearest allowed word if one is near, then all of them."""
    from difflib import get_close_matches  # needed for mistakes only

    names = list(allowed)
    near = get_close_matches(str(word), names, n=3)
    # Letters in another order are the commoner slip than a letter more or less.
    near.sort(key=lambda name: sorted(name) != sorted(str(word)))
    hint = f'; did you mean "{near[0]}"? Allowed: ' if near else ". Allowed: "
    return what + hint + (", ".join(names) or "none")


def shown(value: object) -> str:
    """A value as it looks in TOML, shortened."""
    if value is None:
        return "null"  # in JSON; TOML has none
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value[:40]}…"' if len(value) > 40 else f'"{value}"'
    if isinstance(value, list):
        return "a list"
    return "a table" if isinstance(value, dict) else str(value)


def _sentence(error: ErrorDetails, model: type[BaseModel]) -> str:
    kind, value, about = error["type"], error["input"], error.get("ctx", {})
    match kind:
        case "missing":
            return "this key is missing"
        case "extra_forbidden":
            return _unknown_key(error, model)
        case "literal_error" | "enum":
            return not_among(f"{shown(value)} is not allowed", value, _quoted(about["expected"]))
        case "union_tag_invalid":
            kind = value["kind"]
            tags = [tag.removeprefix(_TAG) for tag in _quoted(about["expected_tags"])]
            return not_among(f"{shown(kind)} is not allowed", kind, tags)
        case "string_too_short":
            return "must not be empty"
        case "too_short":
            return "needs at least one entry"
        case "string_pattern_mismatch":
            return f"{shown(value)} is not a name: a letter, then letters, digits, _ or -, up to 64"
    if kind in _KINDS:
        return f"must be {_KINDS[kind]}, not {shown(value)}"
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"must be {words} {about[key]:.10g}, not {shown(value)}"
    return error["msg"].removeprefix("Value error, ")


def _quoted(expected: str) -> list[str]:
    return expected.split("'")[1::2]


def _unknown_key(error: ErrorDetails, model: type[BaseModel]) -> str:
    *parents, key = error["loc"]
    allowed = sorted({name for m in _models_at(model, parents) for name in _keys(m)})
    return not_among("unknown key", key, allowed)


def _path(error: ErrorDetails, model: type[BaseModel]) -> KeyPath:
    path = [part for part in error["loc"] if not _is_tag(part)]
    if error["type"] == "missing":
        for owner in _models_at(model, error["loc"][:-1]):
            path[-1] = next((k for k, f in _keys(owner).items() if path[-1] in _names(k, f)), "")
    if error["type"] == "union_tag_invalid":
        path.append("kind")
    return tuple(path)


def _is_tag(part: str | int) -> bool:
    return isinstance(part, str) and part.startswith(_TAG)


def _keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The model's fields by the key that stands in the file."""
    return {_file_key(name, f): f for name, f in model.model_fields.items()}


def _file_key(name: str, info: FieldInfo) -> str:
    return _names(name, info)[-1]


def _names(name: str, info: FieldInfo) -> list[str]:
    alias = info.validation_alias
    if isinstance(alias, AliasChoices):
        return [choice for choice in alias.choices if isinstance(choice, str)]
    return [alias if isinstance(alias, str) else name]


def _models_at(model: type[BaseModel], location: Iterable[str | int]) -> list[type[BaseModel]]:
    """The models that a place in the file is read as (several only for an untagged union)."""
    models = [model]
    for part in location:
        if isinstance(part, int):
            continue
        if part.startswith(_TAG):
            kind = part.removeprefix(_TAG)
            models = [m for m in models if kind in get_args(m.model_fields["kind"].annotation)]
        else:
            fields = [f for m in models for k, f in _keys(m).items() if part in _names(k, f)]
            models = [m for f in fields for m in _models_in(f.annotation)]
    return models


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for argument in get_args(annotation) for m in _models_in(argument)]
