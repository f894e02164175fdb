from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from app.domain.base import SessionId
from app.domain.session import Chunk, ChunkKind
from app.ui.tail import LINE_CHARS, Tail, older_lines
from app.ui.wrap import wrap
from tests.ui.parts import NOW

S = SessionId("s-1")


def chunk(
    ordinal: int,
    text: str,
    item: str = "i1",
    kind: ChunkKind = ChunkKind.MESSAGE,
    end: bool = False,
) -> Chunk:
    return Chunk(session_id=S, ordinal=ordinal, kind=kind, item_id=item, text=text, end=end, at=NOW)


def texts(tail: Tail) -> list[str]:
    return [line.text for line in tail.lines]


def test_pieces_of_an_item_are_joined_into_lines() -> None:
    tail = Tail()
    for number, text in enumerate(["Hel", "lo\nwor", "ld\n", "again"], start=1):
        assert tail.push(chunk(number, text))
    assert texts(tail) == ["Hello", "world", "again"]
    assert [line.first for line in tail.lines] == [True, False, False]


def test_items_never_share_a_line() -> None:
    tail = Tail()
    tail.push(chunk(1, "thinking", "i1", ChunkKind.THOUGHT))
    tail.push(chunk(2, "done", "i2"))
    tail.push(chunk(3, "more", "i1", ChunkKind.THOUGHT))
    tail.push(chunk(4, "end", "i3", end=True))
    tail.push(chunk(5, "next", "i3"))
    assert texts(tail) == ["thinking", "done", "more", "end", "next"]


def test_what_is_known_is_not_taken_twice() -> None:
    tail = Tail()
    assert tail.push(chunk(1, "a\n"))
    before = tail.version
    assert not tail.push(chunk(1, "a\n"))
    assert texts(tail) == ["a"] and tail.version == before


def test_a_gap_starts_anew_rather_than_showing_a_false_text() -> None:
    tail = Tail()
    tail.push(chunk(1, "beginning"))
    tail.push(chunk(5, "end"))
    assert texts(tail) == ["end"]
    assert tail.base == 1


def test_the_ring_is_bounded_and_numbers_stay() -> None:
    tail = Tail(size=3)
    for number in range(1, 11):
        tail.push(chunk(number, f"{number}\n"))
    assert texts(tail) == ["8", "9", "10"]
    assert (tail.base, tail.end) == (7, 10)


def test_an_endless_line_is_cut() -> None:
    tail = Tail()
    for number in range(1, 4):
        tail.push(chunk(number, "x" * LINE_CHARS))
    assert [len(text) for text in texts(tail)] == [LINE_CHARS] * 3
    assert [line.first for line in tail.lines] == [True, False, False]


@given(st.text(alphabet="ab\n", max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_however_a_text_arrives_its_lines_are_the_same(text: str, cuts: list[int]) -> None:
    tail = Tail()
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for number, (start, stop) in enumerate(itertools.pairwise(places), start=1):
        tail.push(chunk(number, text[start:stop]))
    expected = text.split("\n")
    if expected[-1] == "":
        expected.pop()
    assert texts(tail) == expected


@settings(max_examples=60)
@given(st.lists(st.text(alphabet="ab\n", min_size=1, max_size=8), min_size=2, max_size=30))
def test_older_pages_meet_the_ring_without_gap_or_repeat(pieces: list[str]) -> None:
    chunks = [chunk(n, text, f"i{n}", end=True) for n, text in enumerate(pieces, start=1)]
    whole, ring = Tail(), Tail(size=4)
    for item in chunks:
        whole.push(item)
        ring.push(item)
    if not ring.lines:
        return
    edge = ring.lines[0].ordinal
    older = older_lines([c for c in chunks if c.ordinal <= edge], list(ring.lines))
    assert [line.text for line in older] + texts(ring) == texts(whole)


@given(st.text(alphabet="ab \t漢é👍", max_size=80), st.integers(1, 30))
def test_wrapped_rows_fit_and_lose_only_blanks(text: str, width: int) -> None:
    rows = wrap(text, width)
    assert rows
    assert all(cell_len(row) <= max(width, 2) for row in rows)
    assert "".join(rows).replace(" ", "") == text.expandtabs(4).replace(" ", "")


def test_lines_break_at_blanks_where_there_are_any() -> None:
    assert wrap("one two three", 8) == ["one two", "three"]
    assert wrap("a verylongwordindeed", 8) == ["a verylo", "ngwordin", "deed"]
    assert wrap("", 8) == [""]
    assert wrap("abc", 0) == ["a"]
