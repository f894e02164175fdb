"""A reason for an agent to read: typed here, or in the editor of one's choice."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from app.ui.editor import EditorError, edit
from app.ui.screens.dialogs import AskText, PromptArea, Submit

KEYS = "Enter sends · Ctrl+J new line · Ctrl+E editor · Esc back, text kept"


class AskReason(AskText):
    """Asks why. The text stays as a draft of its question until it was taken."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+e", "editor", "Editor", id="dialog.editor", priority=True),
    ]

    def __init__(
        self,
        title: str,
        submit: Submit,
        *,
        draft: str,
        placeholder: str,
        may_be_empty: bool = False,
    ) -> None:
        super().__init__(title, KEYS, submit, draft=draft, may_be_empty=may_be_empty)
        self._placeholder = placeholder

    def on_mount(self) -> None:
        self.query_one(PromptArea).placeholder = self._placeholder

    def action_editor(self) -> None:
        self.run_worker(self._edit(), group="editor", exclusive=True)

    async def _edit(self) -> None:
        area = self.query_one(PromptArea)
        try:
            text = await edit(self.app, area.text)
        except EditorError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        area.text = text
        area.move_cursor(area.document.end)
