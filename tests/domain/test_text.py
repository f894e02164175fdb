"""Hostile text becomes printable, short text stays whole."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.text import _HIDDEN, clip, one_line, printable

HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\x1b[]\x07\r\n\t\x9b\x9d\x00\x7f\u202e\u2066\u200d\ufeff\u2028;m0Ka"),
        st.characters(categories=["Cc", "Cf", "Cs"]),
    )
)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2Jwiped", "␛[2Jwiped"),
        ("\x1b]52;c;cm0=\x07", "␛]52;c;cm0=␇"),
        ("\x1b\x1b[31m[2J", "␛[2J"),
        ("\x9b2J", "\ufffd2J"),
        ("\x00\x08\x7f", "␀␈␡"),
        ("safe\u202egnp.exe", "safe\ufffdgnp.exe"),
        ("a\u2066b\u2069c", "a\ufffdb\ufffdc"),
        ("pay\u200bpal", "pay\ufffdpal"),
        ("x\u2028y\u2029z\x85w", "x\ny\nz\nw"),
        ("\ud83d", "\ufffd"),
        ("\U000e0041", "\ufffd"),
        ("Grüße, 世界 ✓ ⚠️ e\u0301", "Grüße, 世界 ✓ ⚠️ e\u0301"),
    ],
)
def test_printable(raw: str, shown: str) -> None:
    assert printable(raw) == shown


@pytest.mark.parametrize("before", ["", "a" * 30, "語" * 30])
def test_a_character_is_hidden_or_not_whatever_stands_around_it(before: str) -> None:
    ranges = [(0, 0x08), (0x0B, 0x1F), (0x7F, 0x7F), *_HIDDEN]
    unsafe = {code for first, last in ranges for code in range(first, last + 1)}
    edges = {code + by for a_range in ranges for code in a_range for by in (-1, 0, 1)}
    for code in edges - {-1}:
        for text in (before + chr(code), before + chr(code) + before):
            assert (printable(text) == text) == (code not in unsafe)


@given(HOSTILE)
def test_printable_text_has_no_controls_and_stays(text: str) -> None:
    shown = printable(text)
    assert not [
        c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c not in "\n\t"
    ]
    assert not set(shown) & set("\u061c\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad")
    assert not any("\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069" for c in shown)
    assert printable(shown) == shown
    shown.encode()


@given(HOSTILE, st.integers(0, 60))
def test_one_line_is_one_short_line(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert "\n" not in line
    assert "\t" not in line
    assert printable(line) == line


def test_one_line_shows_that_there_were_lines() -> None:
    assert one_line("ls\n\n  rm -rf   /\n", 40) == "ls ↵ rm -rf /"
    assert one_line("0123456789", 5) == "0123…"
    assert one_line("word " * 1_000_000, 12) == "word word w…"


@given(st.text(), st.integers(0, 200))
def test_clip_keeps_the_limit_and_whole_characters(text: str, limit: int) -> None:
    cut = clip(text, limit)
    size = len(text.encode())
    assert len(cut.encode()) <= limit
    if size <= limit:
        assert cut == text
    elif "bytes left out" in cut and "bytes left out" not in text:
        head, _, rest = cut.rpartition("\n… ")
        count, _, tail = rest.partition(" bytes left out …\n")
        assert text.startswith(head)
        assert text.endswith(tail)
        assert int(count.replace(",", "")) == size - len((head + tail).encode())
    else:
        assert text.startswith(cut)


def test_clip_says_how_much_is_missing() -> None:
    cut = clip("a" * 5000 + "z" * 5000, 1000)
    assert cut.startswith("aaa")
    assert cut.endswith("zzz")
    kept = len(cut) - len("\n… 9,000 bytes left out …\n")
    assert f"{10_000 - kept:,} bytes left out" in cut


def test_a_megabyte_of_plain_text_is_quick() -> None:
    text = ("x" * 99 + "\n") * 10_000
    best = min(_seconds(text) for _ in range(5))
    assert best < 0.02


def _seconds(text: str) -> float:
    start = time.thread_time()
    assert printable(text) is text
    return time.thread_time() - start


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("👍🏽 done", "👍 done"),
        ("⚠️ care, 1️⃣ first", "⚠ care, 1\u20e3 first"),
        ("👩\u200d💻 and 👨\u200d👩\u200d👧", "👩 and 👨"),
        ("🏽 alone", "\ufffd alone"),
        ("\U0001fae8 is new", "\ufffd is new"),
        ("日本語 é 🚀 stay", "日本語 é 🚀 stay"),
    ],
)
def test_a_title_has_only_what_every_terminal_draws_as_wide(text: str, shown: str) -> None:
    assert one_line(text, 80) == shown
    assert one_line(shown, 80) == shown
