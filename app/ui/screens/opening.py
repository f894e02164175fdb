"""The very first frame: the frame of the room, while the rest of the program is loaded."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from app.ui.widgets.status_bar import StatusBar


class OpeningScreen(Screen[None]):
    """Watch comes over it at once; nothing here may import the domain's models."""

    DEFAULT_CSS = """
    OpeningScreen Static { dock: bottom; height: 1; background: $surface; }
    """

    def compose(self) -> ComposeResult:
        yield StatusBar()
        yield Static("", markup=False)
