"""Unified diffs: what is made can be applied, once is as good as twice, and nothing is guessed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.diffs import DiffError, apply_diff, make_diff

LINES = st.lists(st.sampled_from(["a", "b", "", "c\r", " d", "- e", "\\ f", "@@ g"]), max_size=12)
TEXTS = st.builds(lambda lines, end: "\n".join(lines) + end, LINES, st.sampled_from(["", "\n"]))


@given(TEXTS, TEXTS)
def test_a_diff_leads_from_old_to_new(old: str, new: str) -> None:
    diff = make_diff("f", old, new)
    if old == new:
        assert diff == ""
    else:
        assert apply_diff(old, diff) == new


def test_git_applies_a_diff_without_a_last_newline(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("one\ntwo")
    diff = make_diff("f", "one\ntwo", "one\nzwei\ndrei")
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=diff, text=True, check=True)
    assert (tmp_path / "f").read_text() == "one\nzwei\ndrei"


def test_applied_before_is_as_good_as_applied() -> None:
    old, new = "a\nb\nc\n", "a\nB\nc\nd\n"
    diff = make_diff("f", old, new)
    assert apply_diff(apply_diff(old, diff), diff) == new


def test_a_hunk_that_has_moved_is_found_if_it_fits_in_one_place_only() -> None:
    diff = "@@ -2 +2 @@\n-b\n+B\n"
    assert apply_diff("x\ny\nz\nb\n", diff) == "x\ny\nz\nB\n"
    with pytest.raises(DiffError, match="fits in 2 places"):
        apply_diff("b\nx\nb\n", diff)


@pytest.mark.parametrize(
    ("diff", "error"),
    [
        ("", "has no hunk"),
        ("--- a\n+++ b\n", "has no hunk"),
        ("@@ -1 +1 @@\n?x\n", "not a line of a diff: '\\?x'"),
        ("@@ -1 +1 @@\n-x\n+y\n", "fits nowhere: hunk at line 1"),
    ],
)
def test_what_cannot_be_applied(diff: str, error: str) -> None:
    with pytest.raises(DiffError, match=error):
        apply_diff("a\n", diff)
