"""An output as JSON of a form: what is read, what is said, what is never fetched."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.gate_check import SHOWN
from app.domain.gate_json import read_json
from app.domain.gate_schema import check_schema, schema_problem

FINDINGS = {
    "type": "object",
    "required": ["title", "severity"],
    "properties": {
        "title": {"type": "string", "minLength": 3},
        "severity": {"enum": ["low", "high", None]},
        "lines": {"type": "array", "items": {"type": "integer", "minimum": 1}},
        "by": {"anyOf": [{"type": "string"}, {"type": "object", "required": ["name"]}]},
    },
    "additionalProperties": False,
}
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "output",
    [
        '{"title": "leak", "severity": null, "lines": [3]}',
        'Here it is:\n```json\n{"title": "leak", "severity": "low"}\n```\nDone.',
        '```json\n{"draft": 1}\n```\nbetter:\n```JSON\n{"title": "leak", "severity": "low"}\n```',
        '```json\r\n{"title": "leak", "severity": "low"}\r\n```\r\n```text\r\nx\r\n```',
        '````json\n{"title": "```", "severity": "low"}\n````',
        '```json\n{"title": "cut off", "severity": "low"}',
        '~~~json\n{"title": "leak", "severity": "low"}\n~~~',
    ],
)
def test_the_whole_text_or_its_last_json_block_counts(output: str) -> None:
    found = check_schema(FINDINGS, output)
    assert (found.passed, found.log) == (True, "the output fits the JSON schema")


def test_each_error_is_a_sentence_with_its_place() -> None:
    value = {"title": "x", "lines": [1, 0, "y"], "by": {"team": 1}, "severity": "mid", "zz": True}
    found = check_schema(FINDINGS, json.dumps(value))
    assert (found.passed, found.usable) == (False, True)
    assert set(found.log.splitlines()) == {
        "the output does not fit the JSON schema:",
        '  at $.title: "x" is shorter than the least length, 3',
        '  at $.severity: "mid" is not one of ["low", "high", null]',
        "  at $.lines[1]: 0 is less than 1",
        '  at $.lines[2]: "y" is not of type integer',
        '  at $.by: {"team": 1} fits none of the alternatives; the nearest of them says, at $.by: '
        'the property "name" is missing',
        "  at $: Additional properties are not allowed ('zz' was unexpected)",
    }
    missing = check_schema(FINDINGS, "{}").log
    assert 'at $: the property "title" is missing' in missing
    assert 'at $: the property "severity" is missing' in missing


def test_twenty_errors_are_enough() -> None:
    found = check_schema({"items": {"type": "string"}}, json.dumps([0] * 500))
    assert len(found.log.splitlines()) == SHOWN + 2
    assert found.log.endswith("and more errors")


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("no JSON at all", "the output is not JSON and has no fenced ```json block: Expecting"),
        ("", "the output is not JSON and has no fenced ```json block"),
        ("```json\n{\n```", "the output's last ```json block is not JSON: Expecting property"),
        ("```\n{}\n```", "has no fenced ```json block"),
        ("[NaN]", "NaN is not JSON"),
        ('{"a": 1, "b": 2, "b": 3}', 'the key "b" stands twice in one object'),
        ("[" * 100_000, "it is nested too deeply"),
        ("9" * 5000, "is not JSON"),
    ],
)
def test_what_is_not_json_is_said(output: str, said: str) -> None:
    found = check_schema({}, output)
    assert (found.passed, found.usable) == (False, True)
    assert said in found.log


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "strin"}, "at $.type: 'strin' is not valid"),
        ({"properties": {"a": {"pattern": "("}}}, "'(' is not a 'regex'"),
        ({"$schema": "https://example.org/mine"}, "is not a draft that is known here"),
        ({"$schema": 7}, "is not a draft that is known here"),
        ({"$ref": "https://example.org/other.json"}, "no other document is fetched"),
        ({"$ref": "#/$defs/gone"}, "leads to nothing within it"),
        ({"$ref": "file:///etc/passwd"}, "no other document is fetched"),
        ({"$ref": "#"}, "refers to itself without end"),
    ],
)
def test_a_schema_that_cannot_be_used_is_the_gates_fault(schema: dict[str, Any], said: str) -> None:
    found = check_schema(schema, "1")
    assert (found.passed, found.usable) == (False, False)
    assert found.log.startswith("the gate's JSON schema cannot be used: ")
    assert said in found.log


def test_references_within_and_older_drafts_are_known() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#"}}}
    assert check_schema(tree, '{"child": {"child": {}}}').passed
    assert "$.child.child" in check_schema(tree, '{"child": {"child": 1}}').log
    seven = "http://json-schema.org/draft-07/schema#"
    assert not check_schema({"$schema": seven, "items": [{"type": "string"}]}, "[1]").passed
    draft = {"$ref": "https://json-schema.org/draft/2020-12/schema"}
    assert check_schema(draft, '{"type": "string"}').passed
    assert schema_problem(FINDINGS) == ""


def test_a_deep_output_is_not_the_schemas_fault() -> None:
    found = check_schema({"items": {"$ref": "#"}}, "[" * 600 + "]" * 600)
    assert (found.passed, found.usable) == (False, True)
    assert "the output is nested too deeply" in found.log


@given(_JSON, st.text(alphabet="ab `\n", max_size=20))
def test_any_value_is_read_back_plain_or_fenced(value: object, words: str) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1)
    assert read_json(text) == value
    assert read_json(f"words\n\n```json\n{text}\n```\n{words.replace('`', '')}") == value


@given(st.text(alphabet='{}[]",:`json\n 1aE-', max_size=80))
def test_a_text_is_a_json_value_or_a_sentence(text: str) -> None:
    found = check_schema({}, text)
    assert found.usable
    assert found.passed or "not JSON" in found.log


@given(_JSON, _JSON)
def test_const_agrees_with_json_equality(wanted: object, value: object) -> None:
    same = json.dumps(wanted, sort_keys=True) == json.dumps(value, sort_keys=True)
    passed = check_schema({"const": wanted}, json.dumps(value)).passed
    if same:
        assert passed
    elif type(wanted) is not type(value) and not isinstance(wanted, int | float):
        assert not passed
    assert not math.isnan(float(passed))
