"""A page of rows, drawn line by line: any length costs what is visible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from app.ui.page import Folded, Row, fold

TONES = {
    *("quiet", "label", "heading", "strong", "code", "quote", "command", "need", "bad", "good"),
    *("file", "file-mark", "hunk", "add", "remove", "add-word", "remove-word"),
}


class Page(ScrollView, can_focus=False):
    """Shows rows, folded to its width. The screen's keys scroll it; so does the wheel.

    Where the sheet gives it a border at the top, that says which lines are in sight when not all
    are.
    """

    class Scrolled(Message):
        """Another part of the rows is in sight, or there are others."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"page--{tone}" for tone in TONES}
    DEFAULT_CSS = """
    Page {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-gutter: stable;
        border-title-align: right;
        border-title-color: $quiet;
    }
    """
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows: Sequence[Row] = ()
        self._about: object = None
        self._newest = False
        self._folded: list[Folded] = []
        self._width = 0
        self._told = ""  # which lines are in sight, as the border says it
        self._styles: dict[str, Style] = {}

    def show(self, rows: Sequence[Row], *, name: object, newest: bool = False) -> None:
        """Draw these rows; from the top when `name` says that they are about something else.

        `newest`: from the end instead, and along with it while nobody has scrolled away.
        """
        if rows == self.rows and name == self._about:
            return
        changed, at_end = name != self._about, self.at_end
        self.rows, self._about, self._newest = rows, name, newest
        self._fold()
        if newest and (changed or at_end):
            self.ends(1)
        elif changed:
            self.ends(-1)
        self._tell_place(moved=False)
        self.refresh()

    @property
    def at_end(self) -> bool:
        """Whether the last row is in sight."""
        return self.scroll_offset.y + self.size.height >= len(self._folded)

    @property
    def place(self) -> str:
        """Which lines are in sight, of how many; nothing when all are."""
        total, first, height = len(self._folded), self.scroll_offset.y, self.size.height
        if total <= height or height < 1:
            return ""
        return f"lines {first + 1:,}-{min(first + height, total):,} of {total:,}"

    def _tell_place(self, *, moved: bool = True) -> None:
        place = self.place
        if place != self._told:
            self._told = self.border_title = place
        elif not moved:
            return
        self.post_message(self.Scrolled())

    def _fold(self) -> None:
        self._width = self.scrollable_content_region.width
        self._folded = fold(self.rows, self._width) if self._width else []
        self.virtual_size = Size(self._width, len(self._folded))

    def on_resize(self, event: events.Resize) -> None:
        if self.scrollable_content_region.width != self._width:
            at_end = self._newest and self.at_end
            self._fold()
            if at_end:
                self.ends(1)
            self.refresh()
        self._tell_place()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As high as its rows, where the sheet leaves the height to it."""
        return len(fold(self.rows, max(1, width - 1)))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._tell_place()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles.clear()

    # -- drawing

    def render_line(self, y: int) -> Strip:
        number, width = y + self.scroll_offset.y, self.size.width
        base = self.rich_style
        if not 0 <= number < len(self._folded):
            return Strip.blank(width, base)
        one = self._folded[number]
        whole = base + self._style(one.tone)
        segments = [Segment(span.text, whole + self._style(span.tone)) for span in one.spans]
        return Strip(segments).adjust_cell_length(width, Style(bgcolor=whole.bgcolor))

    def _style(self, tone: str) -> Style:
        if not tone:
            return Style.null()
        style = self._styles.get(tone)
        if style is None:
            style = self.get_component_rich_style(f"page--{tone}", partial=True)
            self._styles[tone] = style
        return style

    # -- moving

    @property
    def anchors(self) -> list[int]:
        """The rows of the screen at which a file begins."""
        found: list[int] = []
        last = -1
        for number, one in enumerate(self._folded):
            if one.source != last and self.rows[one.source].anchor:
                found.append(number)
            last = one.source
        return found

    def jump(self, direction: int) -> None:
        """To the next file below (1) or above (-1) the first visible row."""
        here = self.scroll_offset.y
        if direction > 0:
            target = next((at for at in self.anchors if at > here), None)
        else:
            target = next((at for at in reversed(self.anchors) if at < here), 0)
        if target is not None:
            self.scroll_to(y=target, animate=False, force=True)

    def pages(self, count: float) -> None:
        """Scroll by so many heights of the page."""
        by = int(count * max(1, self.size.height - 2)) or (1 if count > 0 else -1)
        self.scroll_to(y=self.scroll_offset.y + by, animate=False, force=True)

    def ends(self, direction: int) -> None:
        """To the first row (-1) or the last (1)."""
        y = len(self._folded) if direction > 0 else 0
        self.scroll_to(y=y, animate=False, force=True)

    def _on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_to(y=self.scroll_offset.y - 3, animate=False, force=True)

    def _on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_to(y=self.scroll_offset.y + 3, animate=False, force=True)
