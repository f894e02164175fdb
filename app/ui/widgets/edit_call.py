"""The text of an agent's call, to be changed before it is allowed."""

from __future__ import annotations

from app.domain.approval import Approval
from app.domain.text import one_line
from app.ui.screens.dialogs import Submit
from app.ui.widgets.reason import AskReason


class EditCall(AskReason):
    """Starts from what the agent asks for; what is sent is asked about anew, not allowed yet."""

    def __init__(self, approval: Approval, submit: Submit) -> None:
        super().__init__(
            f"Change the call: {one_line(approval.call.title, 100)}",
            submit,
            draft=draft_of(approval),
            placeholder="What is to be done instead",
        )
        self._whole = approval.editable or ""

    def read(self, text: str) -> str:
        """As it stands, blanks and all; an editor leaves out the last line's end."""
        return f"{text}\n" if self._whole.endswith("\n") and not text.endswith("\n") else text


def draft_of(approval: Approval) -> str:
    """Where an unsent change of a call is kept."""
    return f"edit-{approval.approval_id}-{approval.revision}"
