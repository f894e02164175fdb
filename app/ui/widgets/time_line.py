"""The time line of a run: where in its history one stands, and what happened there."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from app.domain.text import one_line
from app.ui.event_rows import clock, describe
from app.ui.past import Past
from app.ui.wrap import cut

_PAST, _TO_COME, _TURN, _STOP, _HERE = "━", "─", "┿", "╳", "●"
_KEYS = "← → event   < > turn   [ ] far   h now"


class TimeLine(Widget):
    """Two rows: a bar with the turning points of the run, and the event one stands at."""

    COMPONENT_CLASSES = {"time-line--here", "time-line--stop", "time-line--quiet"}  # noqa: RUF012
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._past: Past | None = None

    def show(self, past: Past | None) -> None:
        """Draw anew: the place or the events have changed. None: there is nothing to show."""
        self._past = past
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, base, past = self.size.width, self.rich_style, self._past
        if past is None or not past.events or y > 1:
            text = "reading the history…" if y == 0 else ""
            return Strip([Segment(f" {text}", base)]).adjust_cell_length(width, _ground(base))
        found = self._bar(past, width) if y == 0 else self._words(past, width)
        return Strip(found).adjust_cell_length(width, _ground(base))

    def _bar(self, past: Past, width: int) -> list[Segment]:
        base, here = self.rich_style, self.get_component_rich_style("time-line--here")
        stop, quiet = (
            self.get_component_rich_style("time-line--stop"),
            self.get_component_rich_style("time-line--quiet"),
        )
        marks = bar(past, max(1, width - 2))
        styles = {_HERE: here, _STOP: stop, _TO_COME: quiet}
        return [Segment(" ", base), *(Segment(mark, styles.get(mark, base)) for mark in marks)]

    def _words(self, past: Past, width: int) -> list[Segment]:
        base, here = self.rich_style, self.get_component_rich_style("time-line--here")
        quiet = self.get_component_rich_style("time-line--quiet")
        what, more = describe(past.event.payload)
        place = f"{past.at + 1:,} of {len(past):,}{'' if past.read_all else '+'}"
        head = f" {clock(past.event.at)}  {place}  "
        keys = f"  {_KEYS}" if width >= 110 else ""
        room = max(0, width - len(head) - cell_len(what) - len(keys) - 3)
        said = cut(one_line(more, 500), room)
        gap = " " * max(0, room - cell_len(said))
        return [
            Segment(head, quiet),
            Segment(what, here),
            Segment(f"  {said}{gap}", base),
            Segment(keys, quiet),
        ]


def _ground(base: Style) -> Style:
    return Style(bgcolor=base.bgcolor)


def bar(past: Past, cells: int) -> str:
    """The whole history in so many cells: what is past, what is to come, turns, stops, here."""
    last = max(1, len(past) - 1)

    def cell(index: int) -> int:
        return index * (cells - 1) // last

    here = cell(past.at)
    marks = [_PAST if n <= here else _TO_COME for n in range(cells)]
    for index in past.turns():
        marks[cell(index)] = _TURN
    for index in past.stops():
        marks[cell(index)] = _STOP
    marks[here] = _HERE
    return "".join(marks)
