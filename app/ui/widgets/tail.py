"""A pane's text: lines drawn straight from a bounded ring, never laid out again.

Stock logs change `virtual_size` with every line, which lays the whole screen out again. This
one has no virtual size at all: it draws the rows that are visible and nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from app.domain.session import Chunk, ChunkKind
from app.domain.text import printable, steady
from app.ui.tail import Tail, TailLine, older_lines
from app.ui.wrap import wrap

OLDER_LINES = 100_000  # how far back one pane reads at once; `End` lets it go
_CACHE = 4_000
_WHEEL = 3

# The glyph stands before an item's first row, the bar before all rows of what is quoted.
GLYPHS = {
    ChunkKind.PROMPT: ("❯ ", "  "),
    ChunkKind.MESSAGE: ("● ", "  "),
    ChunkKind.THOUGHT: ("∙ ", "  "),
    ChunkKind.TOOL: ("▸ ", "  "),
    ChunkKind.OUTPUT: ("│ ", "│ "),
    ChunkKind.NOTICE: ("◇ ", "  "),
    ChunkKind.ERROR: ("✗ ", "✗ "),
}
_GUTTER = 2

Pager = Callable[[int], Awaitable[Sequence[Chunk]]]
_NEWEST = 2**53  # before an ordinal that no session reaches


class TailView(Widget, can_focus=True):
    """Follows a tail; scrolled up, it holds still, says so, and pages older text in."""

    class Edged(Message):
        """There is older text above what is drawn now, or there is none any more."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"tail--{kind}" for kind in ChunkKind} | {
        "tail--paused",
        "tail--empty",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "rows(-1)", "Scroll up", id="tail.up", show=False),
        Binding("down", "rows(1)", "Scroll down", id="tail.down", show=False),
        Binding("pageup", "pages(-1)", "Page up", id="tail.page-up", show=False),
        Binding("pagedown", "pages(1)", "Page down", id="tail.page-down", show=False),
        Binding("home", "oldest", "To the oldest", id="tail.home", show=False),
        Binding("end", "follow", "Follow", id="tail.end", show=False),
    ]
    DEFAULT_CSS = """
    TailView { height: 1fr; }
    """
    ALLOW_SELECT = False

    following: reactive[bool] = reactive(True)

    def __init__(self, *, empty: str = "", id: str | None = None) -> None:
        super().__init__(id=id)
        self._tail = Tail()
        self._pager: Pager | None = None
        self._empty = empty
        self._filled: Tail | None = None  # the tail whose newest text was asked for
        self._held: list[TailLine] = []  # while not following: the text as it was, and older
        self._held_end = 0
        self._top = (0, 0)  # while not following: line of _held and row within it
        self._reading = False
        self._beginning = False  # the oldest line there is has been read
        self._to_beginning = False  # read on until it is
        self.above = False  # whether there is older text than what is drawn
        self._rows: dict[TailLine, list[str]] = {}
        self._rows_width = 0
        self._styles: dict[str, Style] = {}
        self._screenful: list[Strip] = []
        self._drawn = False

    def show(self, tail: Tail, pager: Pager | None = None, *, empty: str = "") -> None:
        """Show another tail, from its end. `pager` reads the chunks before an ordinal."""
        self._pager = pager
        self._empty = empty
        if tail is not self._tail:
            self._tail = tail
            self.action_follow()
        self.moved()

    def fill(self) -> None:
        """Read the newest text of a session that has said nothing since this screen came up."""
        if self._pager is None or self._tail.last_ordinal or self._filled is self._tail:
            return
        self._filled = self._tail
        self.run_worker(self._newest(self._tail, self._pager), group="newest", exclusive=True)

    async def _newest(self, tail: Tail, pager: Pager) -> None:
        for chunk in await pager(_NEWEST):
            tail.push(chunk)
        self.moved()

    def moved(self) -> None:
        """The tail has new lines: draw them, or count them while the pane holds still."""
        self._drawn = False
        self.refresh()

    # -- drawing

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles.clear()
        self._drawn = False

    def on_resize(self, event: events.Resize) -> None:
        self._drawn = False

    def render_line(self, y: int) -> Strip:
        if not self._drawn or len(self._screenful) != self.size.height:
            self._screenful = self._draw(self.size.width, self.size.height)
            self._drawn = True
        return self._screenful[y]

    def _draw(self, width: int, height: int) -> list[Strip]:
        if not self._tail.lines and self.following:
            self._edge(False)
            return self._draw_empty(width, height)
        blank = Strip.blank(width, self.rich_style)
        if self.following:
            strips = self._from_end(width, height)
            return strips + [blank] * (height - len(strips))
        room = max(1, height - 1)
        strips, below = self._from_top(width, room)
        strips += [blank] * (room - len(strips))
        return [*strips, self._draw_paused(width, below)][:height]

    def _edge(self, above: bool) -> None:
        if above != self.above:
            self.above = above
            self.post_message(self.Edged())

    def _draw_empty(self, width: int, height: int) -> list[Strip]:
        text = printable(self._empty)
        rows = wrap(text, max(1, width - _GUTTER)) if text else []
        style = self._style("tail--empty")
        strips = [self._strip(" " * _GUTTER + row, style, width) for row in rows[:height]]
        return strips + [Strip.blank(width, self.rich_style)] * (height - len(strips))

    def _draw_paused(self, width: int, below: int) -> Strip:
        new = max(0, self._tail.end - self._held_end)
        lines = below + new
        more = f" · ↓ {lines:,} line{'s' * (lines != 1)}" if lines else ""
        more += f", {new:,} new" if new else ""
        where = " · reading older text…" if self._reading else ""
        text = f" ‖ paused · End to follow{more}{where}"
        return self._strip(text, self._style("tail--paused"), width)

    def _from_end(self, width: int, room: int) -> list[Strip]:
        strips: list[Strip] = []
        left = len(self._tail.lines)
        for line in reversed(self._tail.lines):
            rows = self._line(line, width)
            strips.extend(reversed(rows))
            left -= 1
            if len(strips) >= room:
                break
        first = self._tail.lines[0]
        self._edge(left > 0 or len(strips) > room or not first.first or first.ordinal > 1)
        del strips[room:]
        strips.reverse()
        return strips

    def _from_top(self, width: int, room: int) -> tuple[list[Strip], int]:
        """What is drawn, and how many lines there are below it."""
        index, skip = self._top
        at_hand = not self._beginning and bool(self._held) and self._held[0].ordinal > 1
        self._edge(index > 0 or skip > 0 or at_hand)
        strips: list[Strip] = []
        while index < len(self._held) and len(strips) < room:
            strips.extend(self._line(self._held[index], width)[skip:])
            index, skip = index + 1, 0
        return strips[:room], len(self._held) - index + (len(strips) > room)

    def _line(self, line: TailLine, width: int) -> list[Strip]:
        style = self._style(f"tail--{line.kind}")
        first, rest = GLYPHS[line.kind]
        rows = self._wrapped(line)
        head = first if line.first else rest
        return [
            self._strip((head if number == 0 else rest) + row, style, width)
            for number, row in enumerate(rows)
        ]

    def _wrapped(self, line: TailLine) -> list[str]:
        width = max(1, self.size.width - _GUTTER)
        if width != self._rows_width or len(self._rows) > _CACHE:
            self._rows.clear()
            self._rows_width = width
        rows = self._rows.get(line)
        if rows is None:
            # Printable already when it was taken in; again here, so that nothing raw can slip by.
            text = steady(printable(line.text)).replace("\n", " ")
            rows = self._rows[line] = wrap(text, width)
        return rows

    def _strip(self, text: str, style: Style, width: int) -> Strip:
        return Strip([Segment(text, style)]).adjust_cell_length(width, self.rich_style)

    def _style(self, name: str) -> Style:
        style = self._styles.get(name)
        if style is None:
            style = self._styles[name] = self.get_component_rich_style(name)
        return style

    # -- moving

    def action_follow(self) -> None:
        self._held, self._held_end, self._beginning = [], 0, False
        self._to_beginning = False
        self.following = True
        self.moved()

    def _hold(self) -> None:
        """Freeze what is shown now, so that a reader's place does not run away."""
        if not self.following:
            return
        self._held = list(self._tail.lines)
        self._held_end = self._tail.end
        self._beginning = False
        self._top = self._last_top()
        self.following = False

    def _all_in_sight(self) -> bool:
        """Whether there is nothing above what is drawn, neither in the ring nor in the store."""
        lines = self._tail.lines
        if not lines:
            return True
        if len(lines) > self.size.height or lines[0].ordinal > 1:
            return False
        return sum(len(self._wrapped(line)) for line in lines) <= self.size.height

    def _last_top(self) -> tuple[int, int]:
        """The place at which the last rows just fill the pane."""
        missing = max(1, self.size.height - 1)
        for index in range(len(self._held) - 1, -1, -1):
            rows = len(self._wrapped(self._held[index]))
            if rows >= missing:
                return (index, rows - missing)
            missing -= rows
        return (0, 0)

    def action_pages(self, count: int) -> None:
        self.action_rows(count * max(1, self.size.height - 2))

    def action_rows(self, count: int) -> None:
        """Scroll by rows: up stops following, down past the end follows again."""
        if self.following and (count > 0 or self._all_in_sight()):
            return
        self._hold()
        self._to_beginning = False  # who moves on stays there
        if count < 0:
            self._up(-count)
        else:
            self._down(count)
        self.moved()

    def _up(self, count: int) -> None:
        index, row = self._top
        while count > row and index > 0:
            count -= row + 1
            index -= 1
            row = len(self._wrapped(self._held[index])) - 1
        self._top = (index, max(0, row - count))
        if index == 0 and row - count <= 0:
            self._read_older()

    def _down(self, count: int) -> None:
        end = self._last_top()
        index, row = self._top
        while count and (index, row) < end:
            row += 1
            if row >= len(self._wrapped(self._held[index])):
                index, row = index + 1, 0
            count -= 1
        self._top = (index, row)
        if (index, row) >= end:
            self.action_follow()

    def action_oldest(self) -> None:
        """To the oldest line there is: what is not at hand is read, page after page."""
        if not self._tail.lines:
            return
        self._hold()
        self._top = (0, 0)
        self._to_beginning = True
        self._read_older()
        self.moved()

    def _on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_rows(-_WHEEL)

    def _on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_rows(_WHEEL)

    # -- older text

    def _read_older(self) -> None:
        if self._pager is None or self._reading or self._beginning or not self._held:
            return
        if len(self._held) >= OLDER_LINES:
            return
        self._reading = True
        self.run_worker(self._older(self._tail, self._pager), group="older", exclusive=True)

    async def _older(self, tail: Tail, pager: Pager) -> None:
        try:
            while tail is self._tail and not self.following:
                chunks = await pager(self._held[0].ordinal + 1)
                if tail is not self._tail or self.following:
                    return
                self._prepend(older_lines(chunks, self._held))
                if not self._to_beginning or self._beginning or len(self._held) >= OLDER_LINES:
                    return
                self.moved()
        finally:
            self._reading = False
            self.moved()

    def _prepend(self, lines: list[TailLine]) -> None:
        if not lines:
            self._beginning = True
            return
        self._held[:0] = lines
        index, row = self._top
        self._top = (0, 0) if self._to_beginning else (index + len(lines), row)
