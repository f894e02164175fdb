"""What is shown while the terminal is too small to work in."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Static


class SmallScreen(ModalScreen[None]):
    """One sentence. It goes away by itself when there is room again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "wait", "Back", id="small.back", show=False)
    ]
    DEFAULT_CSS = """
    SmallScreen { background: $background; align: center middle; }
    SmallScreen Static { width: 1fr; text-align: center; }
    """

    def __init__(self, width: int, height: int) -> None:
        super().__init__()
        self._text = f"terminal too small (need {width}x{height})"

    def compose(self) -> ComposeResult:
        yield Static(self._text, markup=False)

    def action_wait(self) -> None:
        """Esc has nowhere to go: what is underneath does not fit."""
