"""What screens share that have a list which chooses, and a text about what is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Container
from textual.widgets import Static

from app.ui.screens.base import RoomScreen
from app.ui.widgets.page import Page
from app.ui.widgets.queue import PickList


class ReadingScreen(RoomScreen):
    """A screen with a text to read: `app.ui.keys.reading_keys` page through it."""

    AUTO_FOCUS = ""

    def pages_shown(self) -> Sequence[Page]:
        """What the keys page through; the first is the one that the others stand beside."""
        return [self.query_one("#text", Page)]

    def action_pages(self, count: int) -> None:
        for page in self.pages_shown():
            page.pages(count)

    def action_ends(self, direction: int) -> None:
        for page in self.pages_shown():
            page.ends(direction)

    def action_jump(self, direction: int) -> None:
        self.pages_shown()[0].jump(direction)


class ListScreen(ReadingScreen):
    """The list on the left (or on top) chooses what the text is about."""

    LIST: ClassVar[str]  # the list's id
    MARK_CELLS: ClassVar[int]

    def body(self) -> ComposeResult:
        with Container(id="work"):
            yield PickList(id=self.LIST, mark_cells=self.MARK_CELLS)
            with Container(id="detail"):
                yield from self.detail()

    def detail(self) -> ComposeResult:
        yield Static(markup=False, id="head")
        yield Page(id="text")

    def action_full(self) -> None:
        """Give the whole screen to the text, or back."""
        self.toggle_class("-full")

    async def action_back(self) -> None:
        if self.has_class("-full"):
            self.remove_class("-full")
        else:
            await super().action_back()
