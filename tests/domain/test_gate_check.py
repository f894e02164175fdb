"""Expressions over an output, in bounded time; and the number that a log ends with."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.gate_check import SHOWN, check_patterns, score


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("0.85", 0.85),
        ("ran 40 cases\nscore: 12.5", 12.5),
        ("score: 7\n\n  \n", 7.0),
        ("accuracy=.5", 0.5),
        ("85 %", 85.0),
        ("loss -3.5e-2", -0.035),
        ("range 10-20", 20.0),
        ("delta −4", -4.0),
        ("0.9 on v2", 0.9),
        ("took 3s", 3.0),
        ("release 1.2.3", 1.2),
        ("5\nno number here", None),
        ("1e999", None),
        ("nan inf", None),
        ("٣", None),
        ("", None),
    ],
)
def test_the_score_is_the_last_number_of_the_last_line(log: str, expected: float | None) -> None:
    assert score(log) == expected


@given(st.text(), st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_at_the_end_is_read_as_it_was_written(before: str, number: float) -> None:
    assert score(f"{before}\nscore {number!r}\n") == number


@given(st.text(alphabet="0123456789.eE+-− \nx", max_size=200))
def test_a_score_is_finite_or_none(log: str) -> None:
    found = score(log)
    assert found is None or math.isfinite(found)


def test_what_must_be_there_is_looked_for_line_by_line() -> None:
    assert check_patterns("^done$", "", "first\r\ndone\r\nlast", 5).passed
    missing = check_patterns("^done$", "", "not done", 5)
    assert (missing.passed, missing.usable) == (False, True)
    assert missing.log == "nothing in the output matches ^done$, which must be there"


def test_a_forbidden_match_is_named_with_its_line() -> None:
    found = check_patterns("", r"TODO|FIXME", "fine\nTODO: a FIXME too\nfine\n  FIXME b", 5)
    assert not found.passed
    assert found.log.splitlines() == [
        "the output must not match TODO|FIXME, and does:",
        "  line 2: TODO: a FIXME too",
        "  line 4: FIXME b",
    ]
    assert check_patterns("", "TODO", "fine", 5).passed


def test_both_are_looked_for_and_not_every_line_is_shown() -> None:
    assert check_patterns("ok", "bad", "ok", 5).passed
    assert "which must be there" in check_patterns("ok", "bad", "bad", 5).log
    many = check_patterns("bad", "bad", "bad\n" * 100_000, 5)
    assert len(many.log.splitlines()) == SHOWN + 2
    assert many.log.endswith("and more lines")


@pytest.mark.parametrize(("pattern", "forbid"), [("(", ""), ("", "(?P<a"), ("ok", "[")])
def test_a_broken_expression_is_the_gates_fault(pattern: str, forbid: str) -> None:
    found = check_patterns(pattern, forbid, "ok", 5)
    assert (found.passed, found.usable) == (False, False)
    assert found.log.startswith("the gate's expression cannot be used: ")


@pytest.mark.parametrize(("pattern", "forbid"), [(r"(a|aa)+\$", ""), ("", r"(a|aa)+\$")])
def test_an_expression_that_never_ends_is_ended(pattern: str, forbid: str) -> None:
    found = check_patterns(pattern, forbid, "a" * 100, 0.2)
    assert (found.passed, found.timed_out, found.usable) == (False, True, True)
    assert "took more than 0.2 s" in found.log


@given(st.text(alphabet="ab\r\n ", max_size=60), st.text(alphabet="ab", min_size=1, max_size=3))
def test_lines_are_those_that_a_reader_counts(output: str, word: str) -> None:
    lines = output.replace("\r\n", "\n").split("\n")
    expected = [number for number, line in enumerate(lines, 1) if word in line]
    found = check_patterns("", word, output, 5)
    shown = [int(number) for number in re.findall(r"^  line (\d+):", found.log, re.MULTILINE)]
    assert found.passed is (not expected)
    assert shown == expected[:SHOWN]
    assert check_patterns(word, "", output, 5).passed is bool(expected)
