"""Whether an output is JSON of the form that a schema asks for (JSON Schema, draft 2020-12).

A schema may name another draft that the library knows in `$schema`. Nothing is ever fetched:
`$ref` reaches what is in the schema, and the drafts' own documents. `format` is an annotation,
as the draft has it by default.

Not bounded in time: a schema's expressions can take for ever on an output made for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from app.domain.gate_check import SHOWN, Finding
from app.domain.gate_json import read_json
from app.domain.gate_words import sentence
from app.domain.text import one_line

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_WIDTH = 300
_DEEP = 64  # more levels than any output has that is meant to be read


def schema_problem(schema: Mapping[str, Any]) -> str:
    """Why a schema cannot be used, in a sentence; "" when it can."""
    from jsonschema.exceptions import SchemaError

    kind = _kind(schema)
    if kind is None:
        named = one_line(json.dumps(schema["$schema"]), _WIDTH)
        return f"its $schema, {named}, is not a draft that is known here"
    try:
        kind.check_schema(dict(schema))
    except SchemaError as error:
        return f"at {error.json_path}: {one_line(error.message, _WIDTH)}"
    except RecursionError:
        return "it is nested too deeply"
    return ""


def check_schema(schema: Mapping[str, Any], output: str) -> Finding:
    """Check an output: all of it, or its last fenced `json` block, against a schema."""
    problem = schema_problem(schema)
    if problem:
        return Finding(False, f"the gate's JSON schema cannot be used: {problem}", usable=False)
    try:
        value = read_json(output)
    except ValueError as error:
        return Finding(False, str(error))
    return _check(schema, value)


def _check(schema: Mapping[str, Any], value: object) -> Finding:
    from referencing.exceptions import Unresolvable

    try:
        said, more = _errors(schema, value)
    except Unresolvable as error:
        what = f"its $ref {one_line(str(error.ref), _WIDTH)} leads to nothing within it"
        why = f"the gate's JSON schema cannot be used: {what}, and no other document is fetched"
        return Finding(False, why, usable=False)
    except RecursionError:
        if _depth(value) > _DEEP:
            return Finding(False, f"the output is nested too deeply: {_DEEP} levels are enough")
        why = "the gate's JSON schema cannot be used: it refers to itself without end"
        return Finding(False, why, usable=False)
    if not said:
        return Finding(True, "the output fits the JSON schema")
    more_lines = ["and more errors"] if more else []
    return Finding(
        False, "\n".join(["the output does not fit the JSON schema:", *said, *more_lines])
    )


def _errors(schema: Mapping[str, Any], value: object) -> tuple[list[str], bool]:
    from referencing import Registry

    kind = _kind(schema)
    assert kind is not None  # looked at before
    # An empty registry has no way to fetch; the default one has.
    errors = kind(dict(schema), registry=Registry()).iter_errors(cast(Any, value))
    found = list(islice(errors, SHOWN + 1))
    return [f"  {sentence(error)}" for error in found[:SHOWN]], len(found) > SHOWN


def _kind(schema: Mapping[str, Any]) -> type[Validator] | None:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for

    if "$schema" not in schema:
        return Draft202012Validator
    named = schema["$schema"]
    found: type[Validator] | None = (
        validator_for(schema, default=None) if isinstance(named, str) else None  # type: ignore[arg-type]
    )
    return found


def _depth(value: object) -> int:
    """Levels of lists and objects."""
    depth, level = 0, [value]
    while level := [inner for outer in level for inner in _inside(outer)]:
        depth += 1
    return depth


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
