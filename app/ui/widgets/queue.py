"""A list to pick from: the queue of what waits for a person, or the attempts of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from app.ui.edges import edge
from app.ui.marks import Mark
from app.ui.page import clean
from app.ui.wrap import fit


@dataclass(frozen=True, slots=True)
class Pick:
    """One row: a mark for the eye, what it is about, and something short at the right."""

    item_id: str
    mark: Mark
    text: str
    right: str = ""
    sub: str = ""  # a second line, where there is room for one
    lead: str = ""  # before the mark: the branches of a tree
    quiet: bool = False


class PickList(Widget, can_focus=False):
    """Rows in the order given; who shows them says which one is chosen. A click picks."""

    class Picked(Message):
        """A row was clicked."""

        def __init__(self, item_id: str, twice: bool) -> None:
            super().__init__()
            self.item_id = item_id
            self.twice = twice

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "pick--quiet",
        "pick--need",
        "pick--bad",
        "pick--live",
        "pick--calm",
        "pick--done",
        "pick--chosen",
        "pick--edge",
    }
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, mark_cells: int = 10) -> None:
        super().__init__(id=id)
        self._picks: Sequence[Pick] = ()
        self._chosen: str | None = None
        self._offset = 0
        self._mark_cells = mark_cells

    def show(self, picks: Sequence[Pick], chosen: str | None) -> None:
        if picks == self._picks and chosen == self._chosen:
            return
        if len(picks) != len(self._picks):
            self.refresh(layout=True)
        self._picks, self._chosen = picks, chosen
        self._reveal()
        self.refresh()

    @property
    def _each(self) -> int:
        """Cells that one row is high."""
        return 2 if self.screen.has_class("-wide") and any(p.sub for p in self._picks) else 1

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._picks) * self._each

    @property
    def _room(self) -> int:
        """How many whole rows fit."""
        return max(1, self.size.height // self._each)

    def _reveal(self) -> None:
        room = self._room
        index = next((i for i, p in enumerate(self._picks) if p.item_id == self._chosen), 0)
        self._offset = min(self._offset, index, max(0, len(self._picks) - room))
        self._offset = max(self._offset, index - room + 1)

    def on_resize(self, event: events.Resize) -> None:
        self._reveal()
        self.refresh()

    @property
    def in_sight(self) -> list[str]:
        """The items whose rows are drawn now, from their first line to the last."""
        rows = self.size.height // self._each
        return [pick.item_id for pick in self._picks[self._offset : self._offset + rows]]

    # -- drawing

    def render_line(self, y: int) -> Strip:
        index, line = divmod(y, self._each)
        index += self._offset
        width, base = self.size.width, self.rich_style
        if not 0 <= index < len(self._picks):
            return Strip.blank(width, base)
        pick = self._picks[index]
        chosen = pick.item_id == self._chosen
        if chosen:
            base += Style(bgcolor=self._tone("chosen").bgcolor, bold=line == 0)
        more = self._edge(index) if line == self._each - 1 else ""
        draw = self._first if line == 0 else self._second
        parts = draw(pick, base, width, more)
        edge = Segment("▌" if chosen else " ", base + Style(color=self._tone("chosen").color))
        return Strip([edge, *parts]).adjust_cell_length(width, Style(bgcolor=base.bgcolor))

    def _edge(self, index: int) -> str:
        """What a row says of those that are out of sight."""
        room = self._room
        below = len(self._picks) - self._offset - room
        said = edge(index - self._offset, room, self._offset, max(0, below))
        return f" {said} " if said else ""

    def _first(self, pick: Pick, base: Style, width: int, more: str) -> list[Segment]:
        mark = f"{pick.mark.glyph} {pick.mark.word}".ljust(self._mark_cells)
        lead = f" {pick.lead}"
        right = f" {pick.right} "
        taken = cell_len(lead) + cell_len(mark) + cell_len(more) + cell_len(right)
        room = max(4, width - 1 - taken)
        text = self._foreground("quiet", base) if pick.quiet else base
        return [
            Segment(lead, self._foreground("quiet", base)),
            Segment(mark, self._foreground(pick.mark.tone, base)),
            Segment(fit(clean(pick.text), room), text),
            Segment(more, self._foreground("edge", base)),
            Segment(right, self._foreground("quiet", base)),
        ]

    def _second(self, pick: Pick, base: Style, width: int, more: str) -> list[Segment]:
        indent = " " * (1 + cell_len(pick.lead) + self._mark_cells)
        text = fit(clean(pick.sub), max(4, width - 2 - cell_len(indent) - cell_len(more)))
        return [
            Segment(indent + text, self._foreground("quiet", base)),
            Segment(more, self._foreground("edge", base)),
        ]

    def _tone(self, name: str) -> Style:
        return self.get_component_rich_style(f"pick--{name}", partial=True)

    def _foreground(self, name: str, base: Style) -> Style:
        tone = self._tone(name)
        return base + Style(color=tone.color, bold=tone.bold or base.bold)

    # -- mouse

    def on_click(self, event: events.Click) -> None:
        index = event.y // self._each + self._offset
        if 0 <= index < len(self._picks):
            self.post_message(self.Picked(self._picks[index].item_id, event.chain > 1))

    def _on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._scroll(-1)

    def _on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._scroll(1)

    def _scroll(self, by: int) -> None:
        self._offset = min(max(0, self._offset + by), max(0, len(self._picks) - self._room))
        self.refresh()
