"""The list of runs, drawn line by line: only what is visible costs anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from app.domain.base import RunId
from app.ui.edges import edge
from app.ui.rows import RunRow
from app.ui.theme import WIDE
from app.ui.wrap import fit

_HEAD = 1  # rows of column names
_STATE, _STEP, _TRY, _TIME = 12, 12, 3, 5
_WITH_STEP = 58  # the width from which on there is room for the step


class RunList(Widget, can_focus=True):
    """Rows in the order given. The selection stays with its run when the order changes; until
    somebody has moved it, it stays with the first row, which is the one that needs a person."""

    class Selected(Message):
        """Another run is selected."""

        def __init__(self, run_id: RunId | None) -> None:
            super().__init__()
            self.run_id = run_id

    class Opened(Message):
        """A run is to be opened: Enter, or a click on the selected row."""

        def __init__(self, run_id: RunId) -> None:
            super().__init__()
            self.run_id = run_id

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "runs--head",
        "runs--quiet",
        "runs--need",
        "runs--bad",
        "runs--live",
        "runs--calm",
        "runs--done",
        "runs--cursor",
        "runs--cursor-blurred",
        "runs--edge",
    }
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: Sequence[RunRow] = ()
        self._moved = False
        self._offset = 0
        self.selected: RunId | None = None

    def show(self, rows: Sequence[RunRow]) -> None:
        """Draw these rows, keeping the selection where it can be kept."""
        if len(rows) != len(self._rows):
            self.refresh(layout=True)  # the list is as high as its rows where there is room
        self._rows = rows
        ids = [row.run_id for row in rows]
        keep = self._moved and self.selected in ids
        self._select(self.selected if keep else (ids[0] if ids else None))
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As high as its rows, but leaving room: for a pane below, or for the line below."""
        beside = viewport.width >= WIDE
        room = container.height - 6 if beside else viewport.height * 2 // 5
        return min(len(self._rows) + _HEAD, max(room, 4))

    @property
    def _index(self) -> int:
        for index, row in enumerate(self._rows):
            if row.run_id == self.selected:
                return index
        return 0

    def _select(self, run_id: RunId | None) -> None:
        if run_id != self.selected:
            self.selected = run_id
            self.post_message(self.Selected(run_id))
        self._reveal()

    def _reveal(self) -> None:
        room = max(1, self.size.height - _HEAD)
        index = self._index
        self._offset = min(self._offset, index, max(0, len(self._rows) - room))
        self._offset = max(self._offset, index - room + 1)

    @property
    def in_sight(self) -> list[RunId]:
        """The runs whose rows are drawn now."""
        room = max(0, self.size.height - _HEAD)
        return [row.run_id for row in self._rows[self._offset : self._offset + room]]

    def select(self, run_id: RunId) -> None:
        """Select a run by its id, as if somebody had moved there."""
        self._moved = True
        self._select(run_id)
        self.refresh()

    def move(self, by: int) -> None:
        """Move the selection by rows, stopping at both ends."""
        if self._rows:
            index = min(max(self._index + by, 0), len(self._rows) - 1)
            self.select(self._rows[index].run_id)

    def jump(self, direction: int) -> None:
        """To the first row (-1) or the last (1)."""
        self.move(direction * len(self._rows))

    # -- drawing

    def on_resize(self, event: events.Resize) -> None:
        self._reveal()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y < _HEAD:
            title = fit("run", _title_width(width))
            text = f"  {'state':<{_STATE}}{title}{_columns('step', 'try', 'time', width)}"
            style = self._style("head", self.rich_style)
            return self._strip([Segment(text, style)], width, self.rich_style)
        index = y - _HEAD + self._offset
        if not 0 <= index < len(self._rows):
            return Strip.blank(width, self.rich_style)
        return self._row(self._rows[index], width, self._edge(index))

    def _edge(self, index: int) -> str:
        """What a row says of those that are out of sight."""
        room = max(1, self.size.height - _HEAD)
        below = max(0, len(self._rows) - self._offset - room)
        return edge(index - self._offset, room, self._offset, below)

    def _row(self, row: RunRow, width: int, more: str) -> Strip:
        base, chosen = self.rich_style, row.run_id == self.selected
        if chosen:
            cursor = self._style("cursor" if self.has_focus else "cursor-blurred")
            base += Style(bgcolor=cursor.bgcolor, bold=True)
        mark = row.mark
        quiet = self._style("done" if mark.tone == "done" else "quiet", base)
        title = quiet if mark.tone == "done" else base
        room = _title_width(width) - (cell_len(more) + 1 if more else 0)
        segments = [
            Segment("▌ " if chosen else "  ", self._style("cursor", base)),
            Segment(f"{mark.glyph} {mark.word}".ljust(_STATE), self._style(mark.tone, base)),
            Segment(fit(row.title, room), title),
            Segment(f" {more}" if more else "", self._style("edge", base)),
            Segment(_columns(row.step, row.attempt, row.elapsed, width), quiet),
        ]
        return self._strip(segments, width, base)

    def _strip(self, segments: list[Segment], width: int, base: Style) -> Strip:
        return Strip(segments).adjust_cell_length(width, Style(bgcolor=base.bgcolor))

    def _style(self, name: str, base: Style | None = None) -> Style:
        """A component's colour; over `base` only its foreground, so that the cursor shows."""
        style = self.get_component_rich_style(f"runs--{name}", partial=True)
        return style if base is None else base + Style(color=style.color, bold=style.bold)

    # -- mouse

    def on_click(self, event: events.Click) -> None:
        index = event.y - _HEAD + self._offset
        if event.y >= _HEAD and 0 <= index < len(self._rows):
            run_id = self._rows[index].run_id
            if event.chain > 1:
                self.post_message(self.Opened(run_id))
            self.select(run_id)

    def _on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.move(-1)

    def _on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.move(1)


def _title_width(width: int) -> int:
    step = _STEP + 2 if width >= _WITH_STEP else 0
    return max(8, width - 2 - _STATE - step - (_TRY + 2) - (_TIME + 1) - 1)


def _columns(step: str, attempt: str, elapsed: str, width: int) -> str:
    """Step, attempt and time in cells, aligned for a list of this width."""
    text = f"  {fit(step, _STEP)}" if width >= _WITH_STEP else ""
    return f"{text}  {attempt:>{_TRY}} {elapsed:>{_TIME}} "
