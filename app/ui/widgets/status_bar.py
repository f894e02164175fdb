"""The top line: what there is, at one glance; and the banner for what is wrong with it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from app.domain.task_state import TaskState
from app.domain.text import one_line
from app.ui.wrap import cut

if TYPE_CHECKING:
    from app.ui.view import View


class StatusBar(Widget):
    """Name, counts by state, and the store's place; one row."""

    COMPONENT_CLASSES = {"status--name", "status--quiet"}  # noqa: RUF012
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._counts = "connecting…"
        self._place = ""

    def show(self, view: View, need: int, now: datetime) -> None:
        """`need` is how many things wait for a person."""
        counts, place = summary(view, need, now), _place_of(view)
        if (counts, place) != (self._counts, self._place):
            self._counts, self._place = counts, place
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        name = self.get_component_rich_style("status--name")
        quiet = self.get_component_rich_style("status--quiet")
        head = Segment(" Longwatch  ", name)
        counts = cut(self._counts, max(0, width - head.cell_length - 1))
        left = [head, Segment(counts, base)]
        used = Segment.get_line_length(left)
        room = width - used - 3
        place = self._place if cell_len(self._place) <= room else ""
        gap = " " * max(0, width - used - cell_len(place) - 1)
        return Strip([*left, Segment(gap, base), Segment(place, quiet)]).adjust_cell_length(
            width, _plain(base)
        )


def _plain(style: Style) -> Style:
    return Style(bgcolor=style.bgcolor)


def summary(view: View, need: int, now: datetime) -> str:
    """Counts in words, what needs a person first; nothing that is zero. A run that waits for a
    person is not at work, as in the list of runs."""
    if view.status is None:
        return "connecting…"
    from app.domain.day_budget import tightest  # the first frame is drawn without these models
    from app.ui.rows import is_paused

    paused = sum(is_paused(state) for state in view.runs.values())
    states = Counter(state.run.state for state in view.runs.values())
    states[TaskState.BLOCKED] -= paused
    states[TaskState.IN_PROGRESS] -= sum(
        state.run.state is TaskState.IN_PROGRESS
        and any(not item.snoozed for item in view.needs(state, now))
        for state in view.runs.values()
    )
    parts = [
        (need, "needs you" if need == 1 else "need you"),
        (states[TaskState.IN_PROGRESS], "at work"),
        (states[TaskState.PENDING], "queued"),
        (states[TaskState.BLOCKED], "blocked"),
        (paused, "paused"),
        (states[TaskState.FAILED], "failed"),
        (states[TaskState.DONE] + view.older_done, "done"),
    ]
    counts = " · ".join(f"{number} {word}" for number, word in parts if number) or "no runs"
    left = tightest(view.status.budgets)
    return f"{counts} · {left}" if left else counts


def _place_of(view: View) -> str:
    status = view.status
    return f"{status.store} on {status.host}" if status else ""


class Banner(Static):
    """One sentence about what is wrong with the whole room; hidden while nothing is."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", markup=False, id=id)
        self._text = ""

    def show(self, problem: str) -> None:
        if problem == self._text:
            return
        self._text = problem
        self.update(f"⚠ {one_line(problem, 300)}" if problem else "")
        self.set_class(bool(problem), "-shown")
