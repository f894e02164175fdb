"""One row that says which part of a run is shown, and the keys of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

Tab = tuple[str, str, str]  # name, key, label


class TabRow(Widget):
    """Tabs in one row; the chosen one stands in brackets. A click chooses."""

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    COMPONENT_CLASSES: ClassVar[set[str]] = {"tabs--chosen", "tabs--key"}
    DEFAULT_CSS = """
    TabRow { height: 1; background: $panel; color: #a3adb7; }
    TabRow .tabs--chosen { color: $foreground; text-style: bold; }
    TabRow .tabs--key { color: $accent; text-style: bold; }
    """
    ALLOW_SELECT = False

    def __init__(self, tabs: Sequence[Tab], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._tabs = tabs
        self._chosen = tabs[0][0]
        self._about = ""

    def show(self, chosen: str, about: str = "") -> None:
        """`about` stands at the right: what the tabs are about."""
        if (chosen, about) != (self._chosen, self._about):
            self._chosen, self._about = chosen, about
            self.refresh()

    def render_line(self, y: int) -> Strip:
        base, width = self.rich_style, self.size.width
        chosen = self.get_component_rich_style("tabs--chosen")
        key_style = self.get_component_rich_style("tabs--key")
        parts: list[Segment] = []
        for name, key, label in self._tabs:
            if name == self._chosen:
                parts.append(Segment(f"[{key} {label}]", chosen))
            else:
                parts += [Segment(f" {key}", key_style), Segment(f" {label} ", base)]
        room = width - Segment.get_line_length(parts) - 1
        if self._about and cell_len(self._about) + 2 <= room:
            parts.append(Segment(self._about.rjust(room) + " ", base))
        return Strip(parts).adjust_cell_length(width, base)

    def on_click(self, event: events.Click) -> None:
        left = 0
        for name, key, label in self._tabs:
            right = left + len(key) + len(label) + 3
            if left <= event.x < right:
                self.post_message(self.Chosen(name))
                return
            left = right
