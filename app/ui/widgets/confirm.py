"""A second look before something dangerous: another key than the one that led here confirms."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from app.ui.keys import SecondLook
from app.ui.page import Row
from app.ui.theme import style
from app.ui.widgets.page import Page


class AskSure(ModalScreen[bool]):
    """Says what would happen; `c` does it, once the dialog was on screen for half a second."""

    CSS_PATH = style("dialogs")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "sure", "Confirm", id="sure.confirm"),
        Binding("escape,n", "leave", "Back", id="sure.back", key_display="Esc"),
        Binding("pagedown,down,j", "scroll(1)", "Down", id="sure.down", show=False),
        Binding("pageup,up,k", "scroll(-1)", "Up", id="sure.up", show=False),
    ]

    def __init__(
        self,
        title: str,
        rows: Sequence[Row],
        *,
        yes: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._title, self._rows, self._yes = title, rows, yes
        self._look = SecondLook(monotonic)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog dialog-sure"):
            yield Static(self._title, markup=False, classes="dialog-title")
            yield Page()
            yield Static(self._hint(), markup=False, classes="dialog-hint")

    def on_mount(self) -> None:
        self._look.opened()
        self.query_one(Page).show(self._rows, name="")
        self._wake()

    def _hint(self) -> str:
        wait = "" if self._look.awake() else " (in a moment)"
        more = "" if not self.is_mounted or self.query_one(Page).at_end else "    PgDn  more"
        return f"c  {self._yes}{wait}    Esc  back{more}"

    def on_page_scrolled(self, message: Page.Scrolled) -> None:
        self.query_one(".dialog-hint", Static).update(self._hint())

    def _wake(self) -> None:
        self.query_one(".dialog-hint", Static).update(self._hint())
        if not self._look.awake():
            self.set_timer(self._look.seconds, self._wake)

    def action_sure(self) -> None:
        if self._look.awake():
            self.dismiss(True)

    def action_leave(self) -> None:
        self.dismiss(False)

    def action_scroll(self, by: int) -> None:
        self.query_one(Page).pages(by / 2)
