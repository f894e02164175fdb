"""The most urgent thing that waits for a person, and the key that leads to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from app.domain.attention import AttentionItem, AttentionKind
from app.domain.base import RunId
from app.domain.text import one_line
from app.ui.marks import NEEDS
from app.ui.rows import duration
from app.ui.wrap import cut

LEADS = {
    AttentionKind.UNCERTAIN: ("a", "approvals"),
    AttentionKind.APPROVAL: ("a", "approvals"),
    AttentionKind.QUESTION: ("i", "questions"),
    AttentionKind.REVIEW: ("r", "reviews"),
    AttentionKind.STUCK: ("g", "go to it"),
    AttentionKind.BLOCKED: ("g", "go to it"),
    AttentionKind.ROLLOUT: ("o", "rollouts"),
}


# The screens on which things are answered; what is not here is answered on its run's.
SCREENS = {
    AttentionKind.UNCERTAIN: "approvals",
    AttentionKind.APPROVAL: "approvals",
    AttentionKind.QUESTION: "questions",
    AttentionKind.REVIEW: "reviews",
    AttentionKind.ROLLOUT: "rollouts",
}


class AttentionBar(Widget):
    """One row, loud while something waits and quiet otherwise; a click follows it."""

    class Followed(Message):
        """The bar was clicked."""

        def __init__(self, item: AttentionItem) -> None:
            super().__init__()
            self.item = item

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._item: AttentionItem | None = None  # what it names
        self._left, self._right = "", ""  # whether anything waits is not known yet

    @property
    def named(self) -> AttentionItem | None:
        """What the bar names, and what a click follows."""
        return self._item

    def show(
        self,
        items: Sequence[AttentionItem],
        now: datetime,
        titles: Mapping[RunId, str] | None = None,
    ) -> None:
        """`items` as `View.attention` orders them; `titles` of the runs they belong to."""
        loud = [item for item in items if not item.snoozed]
        self._item = loud[0] if loud else None
        self._left, self._right = _texts(items, loud, now)
        if self._item is not None and titles and (title := titles.get(self._item.run_id)):
            self._left += f" · {title}"
        self.set_class(self._item is not None and not _dangerous(self._item), "-need")
        self.set_class(self._item is not None and _dangerous(self._item), "-bad")
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, style = self.size.width, self.rich_style
        right = f"{self._right} "
        left = cut(one_line(self._left, width), max(0, width - cell_len(right) - 2))
        gap = " " * max(0, width - 1 - cell_len(left) - cell_len(right))
        return Strip([Segment(f" {left}{gap}{right}", style)]).adjust_cell_length(width, style)

    def on_click(self, event: events.Click) -> None:
        if self._item is not None:
            self.post_message(self.Followed(self._item))


def _dangerous(item: AttentionItem) -> bool:
    risky = item.risk is not None and item.risk.rank >= 2
    return risky or item.kind in (AttentionKind.UNCERTAIN, AttentionKind.BLOCKED)


def _texts(
    items: Sequence[AttentionItem], loud: Sequence[AttentionItem], now: datetime
) -> tuple[str, str]:
    put_off = len(items) - len(loud)
    if not loud:
        return f"nothing waits for you{f' ({put_off} put off)' if put_off else ''}", ""
    item = loud[0]
    mark = NEEDS[item.kind]
    risk = f" · {item.risk} risk" if item.risk else ""
    key, where = LEADS[item.kind]
    more = f"+{len(loud) - 1} more  " if len(loud) > 1 else ""
    left = f"{mark.glyph} {mark.word}{risk} · {duration(now - item.since)} · {item.title}"
    return left, f"{more}{key} {where}"
