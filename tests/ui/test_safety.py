from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color

from app.ui.safety import OnlyPrintable

BLACK = Color(0, 0, 0)


@given(st.lists(st.text(max_size=30), max_size=5))
def test_no_control_leaves_and_widths_stay(texts: list[str]) -> None:
    segments = [Segment(text) for text in texts]
    after = OnlyPrintable().apply(segments, BLACK)
    assert [cell_len(s.text) for s in after] == [cell_len(s.text) for s in segments]
    for segment in after:
        assert not any(ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F for c in segment.text)
        assert not any(0x202A <= ord(c) <= 0x202E for c in segment.text)


def test_what_is_harmless_is_left_as_it_is() -> None:
    segments = [Segment("plain"), Segment("日本")]
    assert OnlyPrintable().apply(segments, BLACK) is segments
