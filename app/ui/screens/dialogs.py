"""Small questions over a screen: a text to type, or yes and no. Typed text is never lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from app.ui.theme import style

if TYPE_CHECKING:
    from app.ui.app import ControlRoom

Submit = Callable[[str], Awaitable[bool]]


class PromptArea(TextArea):
    """A text area in which Enter sends and Ctrl+J makes a new line, as in agents' own prompts."""

    class Sent(Message):
        """Enter was pressed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+j,shift+enter,alt+enter", "new_line", "New line", id="text.new-line"),
    ]

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Sent())
            return
        await super()._on_key(event)

    def action_new_line(self) -> None:
        self.insert("\n")


class AskText(ModalScreen[None]):
    """Asks for a text and hands it to `submit`, which says whether it was taken.

    What is typed is kept as a draft under `draft` until it was taken: Esc, an error or a lost
    connection lose nothing.
    """

    CSS_PATH = style("dialogs")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss_draft", "Back (keeps the text)", id="dialog.back"),
    ]

    def __init__(
        self, title: str, hint: str, submit: Submit, *, draft: str, may_be_empty: bool = False
    ) -> None:
        super().__init__()
        self._title, self._hint, self._submit = title, hint, submit
        self._draft, self._may_be_empty = draft, may_be_empty
        self._busy = False

    @property
    def _drafts(self) -> dict[str, str]:
        return cast("ControlRoom", self.app).drafts

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._title, markup=False, classes="dialog-title")
            area = PromptArea(self._drafts.get(self._draft, ""), compact=True, soft_wrap=True)
            area.cursor_blink = False
            yield area
            yield Static(self._hint, markup=False, classes="dialog-hint")

    def on_mount(self) -> None:
        area = self.query_one(PromptArea)
        area.move_cursor(area.document.end)
        area.focus()

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        self._drafts[self._draft] = event.text_area.text

    async def on_prompt_area_sent(self) -> None:
        text = self.read(self.query_one(PromptArea).text)
        if self._busy or (not text.strip() and not self._may_be_empty):
            return
        self._busy = True
        self.run_worker(self._send(text), group="send")

    def read(self, text: str) -> str:
        """What is sent of what was typed."""
        return text.strip()

    async def _send(self, text: str) -> None:
        try:
            taken = await self._submit(text)
        finally:
            self._busy = False
        if taken:
            self._drafts.pop(self._draft, None)
            if self.app.screen is self:
                self.dismiss()

    def action_dismiss_draft(self) -> None:
        self.dismiss()


class Confirm(ModalScreen[bool]):
    """A question with two answers; Esc is the careful one."""

    CSS_PATH = style("dialogs")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", id="confirm.yes"),
        Binding("n,escape", "answer(False)", "No", id="confirm.no"),
    ]

    def __init__(self, title: str, text: str, *, yes: str, no: str) -> None:
        super().__init__()
        self._title, self._text = title, text
        self._keys = f"y  {yes}    n, Esc  {no}"

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._title, markup=False, classes="dialog-title")
            yield Static(self._text, markup=False, classes="dialog-text")
            yield Static(self._keys, markup=False, classes="dialog-hint")

    def action_answer(self, sure: bool) -> None:
        self.dismiss(sure)
