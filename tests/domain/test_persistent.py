"""The mapping that never changes, beside a dict that is copied at every change."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.domain.persistent import PersistentMap

KEYS = st.integers(0, 60)
CHANGES = st.lists(st.tuples(KEYS, st.integers()), max_size=150)


def versions_of(changes: list[tuple[int, int]]) -> list[tuple[dict[int, int], Any]]:
    """After each change: the dict, and the mapping."""
    expected: dict[int, int] = {}
    made: PersistentMap[int, int] = PersistentMap()
    versions = [(expected, made)]
    for key, value in changes:
        expected, made = {**expected, key: value}, made.set(key, value)
        versions.append((expected, made))
    return versions


@given(CHANGES)
def test_every_version_stays_what_it_was(changes: list[tuple[int, int]]) -> None:
    for expected, made in versions_of(changes):
        assert made == expected
        assert expected == made
        assert list(made) == list(expected)
        assert list(made.items()) == list(expected.items())
        assert list(made.newest_first()) == list(reversed(expected.values()))
        assert list(reversed(made.values())) == list(reversed(expected.values()))
        assert len(made) == len(expected)


@given(CHANGES, KEYS)
def test_looking_one_up_needs_no_look_at_the_others(
    changes: list[tuple[int, int]], key: int
) -> None:
    for expected, made in versions_of(changes):
        assert len(made) == len(expected)
        assert (key in made) == (key in expected)
        assert made.get(key) == expected.get(key)
        assert made.get(key, "none") == expected.get(key, "none")
        if key in expected:
            assert made[key] == expected[key]
        else:
            with pytest.raises(KeyError):
                made[key]


@given(CHANGES, st.data())
def test_it_goes_on_from_any_version(changes: list[tuple[int, int]], data: st.DataObject) -> None:
    versions = versions_of(changes)
    expected, made = data.draw(st.sampled_from(versions))
    assert made.set(1, -1).set(99, -2) == {**expected, 1: -1, 99: -2}
    assert [made for _, made in versions] == [expected for expected, _ in versions]


@given(CHANGES, st.data())
def test_it_tells_what_has_changed_since(
    changes: list[tuple[int, int]], data: st.DataObject
) -> None:
    versions = versions_of(changes)
    at = data.draw(st.integers(0, len(versions) - 1))
    (before, old), (after, new) = versions[at], versions[-1]
    if data.draw(st.booleans()):
        list(old.values())  # looking through it keeps what it is
    changed = dict(new.changed_since(old))
    assert {**before, **changed} == after
    assert all(before.get(key) is not value for key, value in changed.items())
    assert dict(new.changed_since({})) == after


class Thing:
    """What is kept in it need not be hashable, nor equal to anything."""

    __hash__ = None  # type: ignore[assignment]


def test_what_it_holds_stays_the_same_object() -> None:
    things = [Thing() for _ in range(100)]
    made: PersistentMap[int, Thing] = PersistentMap()
    for number, thing in enumerate(things):
        made = made.set(number, thing)
    assert all(made[number] is thing for number, thing in enumerate(things))


def test_pydantic_reads_and_writes_it_as_a_dict() -> None:
    adapter = TypeAdapter(PersistentMap[str, int])
    made = adapter.validate_python({"b": "2", "a": 1})
    assert made == {"b": 2, "a": 1}
    assert adapter.validate_python(made) is made
    assert adapter.dump_json(made.set("c", 3)) == b'{"b":2,"a":1,"c":3}'
    assert adapter.dump_python(made) == {"b": 2, "a": 1}
    assert adapter.validate_json(b'{"b":2,"a":1}') == made
    for wrong in ({"a": "x"}, [1], None):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)


def test_it_equals_mappings_alone_and_is_copied_as_it_is() -> None:
    made = PersistentMap({"a": 1}).set("b", 2)
    assert made != [("a", 1), ("b", 2)]
    assert made != made.set("b", 3)
    assert copy.deepcopy(made) == made
    assert repr(made) == "{'a': 1, 'b': 2}"
    with pytest.raises(TypeError, match="unhashable"):
        hash(made)
