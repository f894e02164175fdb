"""Rows of pages: folding loses nothing, diffs hide nothing."""

from __future__ import annotations

import difflib

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from app.domain.text import printable
from app.domain.toolcall import FileChange
from app.ui.diffrows import change_rows, diff_rows, difference_rows
from app.ui.page import MOST_ROWS, Row, fold, lines, row
from tests.ui.parts import DIFF, PLAN_1, PLAN_2

TEXT = st.text(st.characters(codec="utf-8"), max_size=120)
LINES = st.lists(st.text(st.sampled_from("ab +-@\\日."), max_size=20), max_size=12)


def texts(rows: list[Row]) -> list[str]:
    return [one.text for one in rows]


@given(TEXT, st.integers(2, 40))
def test_folded_rows_fit_and_keep_every_character(text: str, width: int) -> None:
    one = row(text, hang="  ")
    folded = fold([one], width)
    drawn = ["".join(span.text for span in part.spans) for part in folded]
    assert all(cell_len(part) <= width for part in drawn)
    hang = "  " if width > 4 else ""
    joined = drawn[0] + "".join(part.removeprefix(hang) for part in drawn[1:])
    assert joined.replace(" ", "") == one.text.replace(" ", "")


@given(st.lists(TEXT, max_size=5), st.integers(1, 30))
def test_folding_keeps_tones_with_their_text(parts: list[str], width: int) -> None:
    one = row(*((part, f"t{number}") for number, part in enumerate(parts)))
    for number, span in enumerate(one.spans):
        drawn = "".join(
            s.text for part in fold([one], width) for s in part.spans if s.tone == span.tone
        )
        assert drawn.replace(" ", "") == span.text.replace(" ", ""), number


@given(TEXT)
def test_rows_are_printable_single_lines(text: str) -> None:
    for one in [*lines(text), row(text), *change_rows(FileChange(path=text, diff=text))]:
        assert "\n" not in one.text
        assert "\t" not in one.text
        assert printable(one.text) == one.text


def test_long_texts_are_bounded_and_say_so() -> None:
    found = list(lines("x\n" * (MOST_ROWS + 7)))
    assert len(found) == MOST_ROWS + 1
    assert found[-1].text == "… 7 more lines"
    whole = change_rows(FileChange(path="a", change="add", diff="x\n" * (MOST_ROWS + 7)))
    assert whole[-1].text == "… 7 more lines"
    assert len(row("x" * 1_000_000).text) == 4_000


def test_a_diff_has_a_head_per_file_with_counts() -> None:
    two = DIFF + DIFF.replace("uploader", "other").replace("--- a/other.py", "--- /dev/null")
    rows = diff_rows(f"diff --git a/uploader.py b/uploader.py\nindex 12ab..34cd 100644\n{two}")
    heads = [one for one in rows if one.anchor]
    assert texts(heads) == ["▍ uploader.py  changed  +6 −1", "▍ other.py  new file  +6 −1"]
    assert "- " + '    return client.put("/files", body)' in texts(rows)
    assert [one.tone for one in rows if one.text.startswith("+ ")] == ["add"] * 12


def test_files_without_text_in_the_diff_are_named_too() -> None:
    rows = diff_rows(
        "diff --git a/old.py b/new.py\nsimilarity index 100%\nrename from old.py\n"
        "rename to new.py\ndiff --git a/x.png b/x.png\nindex 1..2\n"
        "Binary files a/x.png and b/x.png differ\n"
    )
    assert [one.anchor for one in rows if one.anchor] == ["new.py", "x.png"]
    assert "rename from old.py" in texts(rows)
    assert "Binary files a/x.png and b/x.png differ" in texts(rows)


def test_lines_that_look_like_heads_inside_a_hunk_are_text() -> None:
    rows = diff_rows("--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n--- a/y\n+++ b/y\n same\n")
    assert texts(rows)[2:] == ["- -- a/y", "+ ++ b/y", "  same"]


def test_a_deleted_file_is_named_by_its_old_name() -> None:
    rows = diff_rows("--- a/gone.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n")
    assert rows[0].text == "▍ gone.py  deleted  +0 −1"


def test_whole_texts_are_shown_as_added_or_removed() -> None:
    added = change_rows(FileChange(path="n.py", change="add", diff="a = 1\n-b\n"))
    assert texts(added) == ["▍ n.py  new file  +2 −0", "+ a = 1", "+ -b"]
    removed = change_rows(FileChange(path="n.py", change="delete", diff="a = 1\n"))
    assert texts(removed) == ["▍ n.py  deleted  +0 −1", "- a = 1"]
    nothing = change_rows(FileChange(path="n.py", change="delete"))
    assert "no text is given" in nothing[1].text


@given(LINES)
def test_nothing_of_a_malformed_diff_is_hidden(body: list[str]) -> None:
    text = "\n".join(["--- a/x", "+++ b/x", "@@ -1,3 +1,2 @@", *body])
    shown = "\n".join(texts(diff_rows(text)))
    for line in body:
        inner = line[1:] if line[:1] in ("+", "-", " ") else line
        assert inner.strip() in shown


@given(LINES, LINES)
def test_the_difference_of_two_texts_has_all_its_lines(old: list[str], new: list[str]) -> None:
    before, after = "\n".join(old), "\n".join(new)
    rows = difference_rows(before, after)
    left, right = before.rstrip("\n").split("\n"), after.rstrip("\n").split("\n")
    expected = [
        line
        for line in difflib.unified_diff(left, right, lineterm="")
        if line[:1] in ("+", "-") and line[:3] not in ("+++", "---")
    ]
    if not any(line.startswith(("++", "--")) for line in [*left, *right]):
        drawn = sorted(t[0] + t[2:] for t in texts(rows) if t[0] in "+-")
        assert drawn == sorted(expected)
    assert (not rows) == (left == right)


def test_words_that_differ_are_emphasised() -> None:
    rows = difference_rows(PLAN_1, PLAN_2)
    words = [s.text for one in rows for s in one.spans if s.tone == "add-word"]
    assert ", only for status 429 and 5xx" in words
    signs = {one.text[:2] for one in rows[1:]}
    assert signs == {"  ", "- ", "+ "}, "the signs say it without colour"


def test_a_long_line_is_not_compared_word_by_word() -> None:
    rows = difference_rows("a " * 2_000, "b " * 2_000)
    assert {s.tone for one in rows[1:] for s in one.spans} == {"remove", "add"}
