"""What is shown while the terminal is too small to work in."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widgets import Static

WIDTH, HEIGHT = 60, 15  # columns and rows in which every screen can be used


def fits(size: Size) -> bool:
    """Whether every screen can be used in it; where not, `SmallScreen` lies over them."""
    return size.width >= WIDTH and size.height >= HEIGHT


class SmallScreen(ModalScreen[None]):
    """One sentence. It goes away by itself when there is room, also if it was covered then."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "wait", "Back", id="small.back", show=False),
        Binding("q,ctrl+c", "app.leave", "Quit", id="small.quit", show=False),
    ]
    DEFAULT_CSS = """
    SmallScreen { background: $background; align: center middle; }
    SmallScreen Static { width: 1fr; text-align: center; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._left = False

    def compose(self) -> ComposeResult:
        yield Static(f"terminal too small (need {WIDTH}x{HEIGHT})", markup=False)

    def on_resize(self) -> None:
        self._leave_when_there_is_room()

    def on_screen_resume(self) -> None:
        self._leave_when_there_is_room()

    def _leave_when_there_is_room(self) -> None:
        if self.app.screen is self and fits(self.app.size) and not self._left:
            self._left = True
            self.dismiss()

    def action_wait(self) -> None:
        """Esc has nowhere to go: what is underneath does not fit."""
