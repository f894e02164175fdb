"""Rows of text for a page: what is said, in which tone, and how a long row is folded. No Textual.

Everything that a screen shows of an agent's words becomes rows here, and on the way printable:
nothing is ever parsed as markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from rich.cells import cell_len, get_character_cell_size

from app.domain.text import printable, steady

TAB = 4
MOST_ROWS = 20_000  # of one text; what comes after is counted, not shown
MOST_CHARS = 4_000  # of one row: a line of a megabyte must not cost a second
FOLDED = "↪ "  # before what is folded where a line of its own would mean something else


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a row. `tone` names the style that the sheet gives it."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One logical row; `hang` stands before each of its continuations when it is folded."""

    spans: tuple[Span, ...] = ()
    tone: str = ""  # of the whole row, to its right edge
    hang: str = ""
    anchor: str = ""  # names a place that one can jump to, such as a file

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)


BLANK = Row()


def clean(text: str) -> str:
    """Printable and without tabs, so that a character is a character and as wide as it seems."""
    return steady(printable(text)).expandtabs(TAB)


def row(*parts: str | tuple[str, str], tone: str = "", hang: str = "", anchor: str = "") -> Row:
    """A row of pieces: a text, or a text with its tone."""
    spans = (Span(*(part if isinstance(part, tuple) else (part,))) for part in parts)
    safe = tuple(Span(_one(span.text), span.tone) for span in spans if span.text)
    return Row(safe, tone=tone, hang=hang, anchor=anchor)


def _one(text: str) -> str:
    text = clean(text).replace("\n", " ")
    return text if len(text) <= MOST_CHARS else text[: MOST_CHARS - 1] + "…"


def lines(
    text: str, *, tone: str = "", first: str = "", rest: str = "", hang: str | None = None
) -> Iterator[Row]:
    """A text's lines as rows; `first` and `rest` stand before the first row and all others, and
    `hang` (or else `rest`) before what is folded."""
    hang = rest if hang is None else hang
    found = clean(text).rstrip("\n").split("\n")
    for number, line in enumerate(islice(found, MOST_ROWS)):
        yield row((first if number == 0 else rest), (line, tone), tone=tone, hang=hang)
    if len(found) > MOST_ROWS:
        yield row((f"… {len(found) - MOST_ROWS:,} more lines", "quiet"))


def fact(label: str, text: str, *, width: int = 12, tone: str = "") -> Iterator[Row]:
    """`label   text`, with the text in a column of its own."""
    found = clean(text).split("\n")
    for number, line in enumerate(found):
        head = label if number == 0 else ""
        yield row((f"{head:<{width - 1}} ", "label"), (line, tone), hang=" " * width)


def heading(text: str, more: str = "") -> Row:
    """A row above others; `more` stands behind it, less loud."""
    return row((text, "heading"), (f"  {more}" if more else "", "quiet"))


class Memo:
    """Rows that are made anew only when what they are made from is: a screen is drawn many times
    a second, and a diff may be a quarter of a megabyte."""

    def __init__(self) -> None:
        self._parts: tuple[object, ...] | None = None
        self._rows: list[Row] = []

    def rows(self, parts: tuple[object, ...], make: Callable[[], list[Row]]) -> list[Row]:
        """`parts` are what `make` reads: models by identity, for they never change, and words."""
        known = self._parts
        if known is None or len(known) != len(parts) or not all(map(_same, known, parts)):
            self._parts, self._rows = parts, make()
        return self._rows


def _same(one: object, other: object) -> bool:
    return one is other or (isinstance(one, str | int) and one == other)


@dataclass(frozen=True, slots=True)
class Folded:
    """One row of the screen: the pieces that are on it, and which logical row it belongs to."""

    spans: tuple[Span, ...]
    source: int
    tone: str


def fold(rows: Sequence[Row], width: int) -> list[Folded]:
    """Rows of at most `width` cells."""
    found: list[Folded] = []
    for number, one in enumerate(rows):
        for spans in _fold(one, max(1, width)):
            found.append(Folded(spans, number, one.tone))
    return found


def _fold(one: Row, width: int) -> Iterator[tuple[Span, ...]]:
    text = one.text
    if _fits(text, width):
        yield one.spans
        return
    hang = one.hang if cell_len(one.hang) * 2 < width else ""
    head = (Span(hang, one.tone),) if hang else ()
    for number, (start, end) in enumerate(_cuts(text, width, width - cell_len(hang))):
        yield (head if number else ()) + tuple(_slice(one.spans, start, end))


def _fits(text: str, width: int) -> bool:
    return len(text) <= width if text.isascii() else cell_len(text) <= width


def _cuts(text: str, width: int, rest: int) -> Iterator[tuple[int, int]]:
    """Where to cut: at a blank when one is near the edge, else in the middle of a word."""
    start = 0
    while not _fits(text[start:], width):
        end = start + _room(text[start : start + width], width)
        # The indent is no place to cut at, and one far to the left would leave a ragged edge.
        blank = text.rfind(" ", start, end + 1)
        if blank > start + (end - start) // 2 and text[start:blank].strip():
            yield start, blank
            start = blank + 1
        else:
            yield start, end
            start = end
        width = rest
    yield start, len(text)


def _room(text: str, width: int) -> int:
    """How many characters fit into `width` cells; at least one."""
    if text.isascii():
        return min(len(text), width)
    used = 0
    for index, character in enumerate(text):
        used += get_character_cell_size(character)
        if used > width:
            return max(1, index)
    return len(text)


def _slice(spans: Iterable[Span], start: int, end: int) -> Iterator[Span]:
    at = 0
    for span in spans:
        cut = span.text[max(0, start - at) : max(0, end - at)]
        at += len(span.text)
        if cut:
            yield Span(cut, span.tone)
        if at >= end:
            return
