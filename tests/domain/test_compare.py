"""Comparison: the reference's facts to the letter, then JSON, likeness and masks."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.compare import CompareRule, compare, first_mismatch, normalized
from app.domain.compare_check import rule_problems
from app.domain.compare_json import JsonRule, json_differences, parse_path

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from([0.5, 1.0]) | st.text("ab"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("stable", "candidate", "matches", "same", "index"),
    [
        ("Processed: X", "Processed:  X", False, True, 11),
        ("Processed: X", "Processed:  X\n", False, True, 11),
        ("", "", True, True, None),
        ("abc", "abcd", False, False, 3),
        ("abcd", "abc", False, False, 3),
        ("é", "e", False, False, 0),
        ("a\u00a0b\u3000c", "a b c", False, True, 1),
        ("a\x1cb", "a b", False, False, 1),  # not White_Space, though str.split() splits at it
        ("A", "a", False, False, 0),
        ("\U0001f600x", "\U0001f600y", False, False, 1),  # characters, not bytes or UTF-16
        (" \n", "", False, True, 0),
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}', False, False, 2),
    ],
)
def test_texts_are_compared_as_the_reference_does(
    stable: str, candidate: str, matches: bool, same: bool, index: int | None
) -> None:
    found = compare(stable, candidate)
    assert (found.matches, found.normalized_matches) == (matches, same)
    assert found.first_mismatch_index == index
    token = "match" if matches else "normalized_match" if same else "mismatch"
    assert found.outcome == f"shadow_{token}"
    assert found.agrees is same


@given(st.text(), st.text())
def test_the_first_mismatch_is_where_a_walk_finds_it(one: str, other: str) -> None:
    pairs = enumerate(itertools.zip_longest(one, other))
    assert first_mismatch(one, other) == next((i for i, (a, b) in pairs if a != b), None)
    assert normalized(normalized(one)) == normalized(one)


def by_json(one: Any, other: Any, **rule: Any) -> bool | None:
    return compare(json.dumps(one), json.dumps(other), CompareRule(by="json", **rule)).agrees


def test_json_is_compared_by_value() -> None:
    assert by_json({"a": 1, "b": [1, 2]}, {"b": [1.0, 2], "a": 1})
    assert by_json({"a": 1}, {"a": True}) is False, "true is not the number one"
    assert by_json({"a": None}, {}) is False
    assert by_json([1, 2], [2, 1]) is False
    assert by_json({"a": "1"}, {"a": 1}) is False
    assert by_json(10**400, 10**400 + 1, relative_tolerance=0.1) is False, "beyond a float"
    assert compare("```json\n[1]\n```", "the answer:\n```json\n[1.0]\n```", CompareRule(by="json"))


@pytest.mark.parametrize(
    ("one", "other", "rule"),
    [
        ({"a": 1, "t": 5}, {"a": 1, "t": 6}, {"ignore": ("t",)}),
        ({"a": 1, "t": 5}, {"a": 1}, {"ignore": ("$.t",)}),
        ({"a": [{"id": 1, "x": 2}]}, {"a": [{"id": 9, "x": 2}]}, {"ignore": ("a[*].id",)}),
        ({"a": {"b": {"id": 1}}}, {"a": {"b": {"id": 2}}}, {"ignore": ("**.id",)}),
        ({"a b": 1}, {"a b": 2}, {"ignore": ('["a b"]',)}),
        ({"a": {"x": 1}, "b": {"x": 2}}, {"a": {"x": 3}, "b": {"x": 4}}, {"ignore": ("*.x",)}),
        (1.0, 1.05, {"tolerance": 0.1}),
        (100, 101, {"relative_tolerance": 0.01}),
        ([3, 1, 2], [1, 2, 3], {"unordered": ("$",)}),
        ({"x": [1, 1, 2]}, {"x": [2, 1]}, {"sets": ("x",)}),
        # The first like is not the right one: 1.0 must leave 1.05 to 1.1.
        ([1.0, 1.1], [1.05, 0.95], {"unordered": ("$",), "tolerance": 0.0501}),
        ([{"id": 1, "v": "a"}, {"id": 2, "v": "b"}], [{"id": 8, "v": "b"}, {"id": 9, "v": "a"}],
         {"unordered": ("$",), "ignore": ("[*].id",)}),
    ],
)  # fmt: skip
def test_what_may_differ(one: Any, other: Any, rule: dict[str, Any]) -> None:
    assert by_json(one, other) is False
    assert by_json(one, other, **rule) is True


def test_what_differs_is_named_with_its_place_and_both_values() -> None:
    found = compare(
        '{"a": {"b c": [1, 2]}, "gone": 1}', '{"a": {"b c": [1, 3]}, "new": 2}',
        CompareRule(by="json"),
    )  # fmt: skip
    assert [(d.path, d.kind, d.stable, d.candidate) for d in found.differences] == [
        ('a["b c"][1]', "changed", "2", "3"),
        ("gone", "missing", "1", ""),
        ("new", "added", "", "2"),
    ]
    assert found.why == 'many values differ, first at a["b c"][1]'.replace("many", "3")


def test_unordered_lists_count_repeats_and_sets_do_not() -> None:
    assert by_json([1, 1, 2], [1, 2, 2], unordered=("$",)) is False
    assert by_json([1, 1, 2], [1, 2, 2], sets=("$",)) is True
    assert by_json([1], [1, 2], sets=("$",)) is False


@given(JSON, st.randoms())
def test_a_value_is_its_own_like_in_any_order(value: Any, random: Any) -> None:
    assert json_differences(value, value, JsonRule()) == []
    if isinstance(value, list):
        mixed = list(value)
        random.shuffle(mixed)
        assert json_differences(value, mixed, JsonRule(unordered=("$",))) == []


@given(JSON, JSON)
def test_a_difference_is_one_in_both_directions(one: Any, other: Any) -> None:
    rule = JsonRule(unordered=("**",))
    there, back = json_differences(one, other, rule), json_differences(other, one, rule)
    assert bool(there) is bool(back)


@given(st.lists(st.integers(0, 12), max_size=6), st.lists(st.integers(0, 12), max_size=6))
def test_a_list_without_order_agrees_when_some_order_does(one: list[int], other: list[int]) -> None:
    rule = JsonRule(unordered=("$",), tolerance=1)
    some = len(one) == len(other) and any(
        all(abs(a - b) <= 1 for a, b in zip(one, order, strict=True))
        for order in itertools.permutations(other)
    )
    assert (json_differences(one, other, rule) == []) is some


def test_an_answer_that_is_no_json_cannot_agree() -> None:
    rule = CompareRule(by="json")
    broken = compare("[1]", "[1", rule)
    assert broken.agrees is False and "cannot be read" in broken.why
    assert compare("so so", "[1]", rule).agrees is None, "the stable answer is none: nobody knows"
    assert compare("so so", "so  so", rule).agrees is True
    assert compare('{"a":1,"a":2}', '{"a":2}', rule).agrees is None, "readers disagree on it"


def test_likeness_masks_and_commands() -> None:
    one, other = "the cat sat on the mat", "the cat sat on a mat"  # 19 of 42 letters twice
    alike = compare(one, other, CompareRule(by="similarity"))
    assert alike.agrees is True and alike.score == pytest.approx(2 * 19 / 42)
    strict = CompareRule(by="similarity", similarity=0.95)
    assert compare(one, other, strict).agrees is False
    rule = CompareRule(mask=("date", "uuid", r"run-\d+"))
    one = "2026-01-02T03:04:05Z 123e4567-e89b-12d3-a456-426614174000 run-17"
    other = "2025-11-30 00000000-0000-0000-0000-000000000000 run-4"
    found = compare(one, other, rule)
    assert found.agrees is True and not found.matches and found.first_mismatch_index == 3
    asked = CompareRule(by="command", command=("judge",))
    assert compare("a", "a ", asked).agrees is None and compare("a", "a", asked).agrees is True


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (CompareRule(by="json", ignore=("a[",)), "no path"),
        (CompareRule(mask=("(",)), "neither a mask nor a pattern"),
        (CompareRule(tolerance=1), 'only for by = "json"'),
        (CompareRule(by="command"), "needs `command`"),
        (CompareRule(by="judge"), "needs `agent`"),
    ],
)
def test_a_rule_that_cannot_work_is_told_when_it_is_loaded(rule: CompareRule, said: str) -> None:
    (problem,) = rule_problems((), rule)
    assert said in problem[1]


def test_paths() -> None:
    assert parse_path("items[*].id") == ("items", "[*]", "id")
    assert parse_path('$["a.b"][3]') == ("a.b", "[3]")
    assert parse_path("$") == parse_path("") == ()
    with pytest.raises(ValueError, match="no path"):
        parse_path("a]b")
