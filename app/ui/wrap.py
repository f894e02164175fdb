"""Fold or cut a line to a width in terminal cells: a character may take two of them."""

from __future__ import annotations

from rich.cells import cell_len, get_character_cell_size, set_cell_size

TAB = 4


def wrap(text: str, width: int) -> list[str]:
    """Rows of at most `width` cells; at least one. `text` holds no newline."""
    if "\t" in text:
        text = text.expandtabs(TAB)
    if width < 1:
        return [text[:1]]
    rows: list[str] = []
    while not _fits(text, width):
        cut = _cut(text, width)
        space = text.rfind(" ", 0, cut + 1)
        # A blank far to the left is no good place: long words are cut rather than left alone.
        if space > cut // 2:
            rows.append(text[:space])
            text = text[space + 1 :]
        else:
            rows.append(text[:cut])
            text = text[cut:]
    rows.append(text)
    return rows


def cut(text: str, width: int) -> str:
    """At most `width` cells of a line; what does not fit ends in `…`."""
    if _fits(text, width):
        return text
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 0 else ""


def fit(text: str, width: int) -> str:
    """Exactly `width` cells, in one line."""
    return set_cell_size(cut(text.replace("\n", " "), width), width)


def _fits(text: str, width: int) -> bool:
    if len(text) * 2 <= width:
        return True
    return len(text) <= width if text.isascii() else cell_len(text) <= width


def _cut(text: str, width: int) -> int:
    """How many characters fit into `width` cells; at least one."""
    if text.isascii():
        return width
    used = 0
    for index, character in enumerate(text):
        used += get_character_cell_size(character)
        if used > width:
            return max(1, index)
    return len(text)
