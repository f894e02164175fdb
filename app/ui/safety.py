"""The last line of defence: nothing raw leaves for the terminal, whichever widget drew it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.app import App
from textual.color import Color
from textual.filter import LineFilter
from textual.notifications import SeverityLevel

from app.domain.text import printable


class OnlyPrintable(LineFilter):
    """Makes every drawn segment printable, in the width it had.

    Text is made harmless where it enters (`app.domain.text`); the toolkit's own widgets pass
    controls through to the terminal, so a text that slipped by must not get any further.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        if all(segment.text.isprintable() for segment in segments):
            return segments
        return [_safe(segment) for segment in segments]


def _safe(segment: Segment) -> Segment:
    text = segment.text
    if text.isprintable():
        return segment
    harmless = printable(text).replace("\n", " ").replace("\t", " ")
    return Segment(set_cell_size(harmless, cell_len(text)), segment.style)


_ONLY_PRINTABLE = OnlyPrintable()


class SafeApp(App[None]):
    """An application through which no text can reach the terminal raw, or as markup."""

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), _ONLY_PRINTABLE]

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """A toast; its text is never markup, whoever sends it."""
        text = printable(message)
        super().notify(text, title=title, severity=severity, timeout=timeout, markup=False)
