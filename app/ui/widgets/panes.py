"""One to four live panes: a title line each, and under it what the session says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from app.domain import usage
from app.domain.base import RunId, SessionId
from app.domain.run import RunState
from app.domain.session import Continuity, Session
from app.domain.text import one_line
from app.ui.tail import Tail
from app.ui.widgets.tail import Pager, TailView
from app.ui.wrap import cut

MOST = 4


@dataclass(frozen=True, slots=True)
class PaneContent:
    """What one pane shows: a session of a run, or a run that has none yet."""

    run_id: RunId
    session_id: SessionId | None
    title: str
    about: str
    empty: str


def pane_content(state: RunState, session: Session | None) -> PaneContent:
    """What a pane shows of a session, or of a run in which nobody has spoken yet."""
    run = state.run
    title = one_line(run.request.title, 120)
    if session is None:
        return PaneContent(run.run_id, None, title, "", "no agent has spoken yet")
    about = [session.step, session.agent, str(session.state)]
    if session.continuity is not Continuity.FRESH:
        about.append(str(session.continuity))
    if session.fallback:
        about.append(f"on {session.fallback}")
    about += usage.words(session.usage)
    empty = "nothing said yet" if session.state.value != "opening" else "the agent is starting…"
    text = one_line(" · ".join(about), 120)
    return PaneContent(run.run_id, session.session_id, title, text, empty)


class PaneTitle(Widget):
    """Number, run, step, agent and state in one row."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"pane--number", "pane--about"}
    ALLOW_SELECT = False

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number
        self._texts = ("", "")
        self._pinned = False

    def show(self, title: str, about: str, pinned: bool) -> None:
        if (title, about) != self._texts or pinned != self._pinned:
            self._texts, self._pinned = (title, about), pinned
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        title, about = self._texts
        about = f"{about} · pinned" if self._pinned else about
        number = f" {self._number} "
        room = width - len(number) - 1
        about = cut(about, room * 2 // 3)
        title = cut(title, max(0, room - cell_len(about) - 2))
        gap = " " * max(1, room - cell_len(title) - cell_len(about))
        parts = [
            Segment(number, self.get_component_rich_style("pane--number")),
            Segment(title + gap, base),
            Segment(about + " ", self.get_component_rich_style("pane--about")),
        ]
        return Strip(parts).adjust_cell_length(width, base)


class Pane(Vertical):
    """A title line over a tail."""

    class Pinned(Message):
        """The title line was clicked."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self, number: int) -> None:
        super().__init__(id=f"pane-{number}")
        self.number = number
        self.content: PaneContent | None = None
        self._title = PaneTitle(number)
        self._pinned = False
        self.tail_view = TailView()

    def compose(self) -> ComposeResult:
        yield self._title
        yield self.tail_view

    def show(self, content: PaneContent, tail: Tail, pager: Pager | None, pinned: bool) -> None:
        same = self.content is not None and self.content.session_id == content.session_id
        if not same or self.content is None or self.content.empty != content.empty:
            self.tail_view.show(tail, pager, empty=content.empty)
            self.tail_view.fill()
        self.content, self._pinned = content, pinned
        self._draw_title()

    def _draw_title(self) -> None:
        if self.content is not None:
            more = "↑ more" if self.tail_view.above else ""
            about = " · ".join(part for part in (more, self.content.about) if part)
            self._title.show(self.content.title, about, self._pinned)

    def on_tail_view_edged(self, message: TailView.Edged) -> None:
        self._draw_title()

    def on_click(self, event: events.Click) -> None:
        if event.widget is self._title:
            self.post_message(self.Pinned(self.number))


class PaneGrid(Container):
    """Four panes at most; how many are on screen depends on the room and on what there is."""

    class Resized(Message):
        """There is room for more panes, or for fewer."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._room = 0
        self.panes = [Pane(number) for number in range(1, MOST + 1)]
        self.pins: dict[int, SessionId] = {}

    def compose(self) -> ComposeResult:
        yield from self.panes

    @property
    def room(self) -> int:
        """How many panes fit: each at least 72 columns and 12 rows."""
        columns, rows = self.size.width // 72, self.size.height // 12
        return min(MOST, max(1, columns) * max(1, min(2, rows)))

    def on_resize(self, event: events.Resize) -> None:
        if self.room != self._room:
            self._room = self.room
            self.post_message(self.Resized())

    def show(
        self,
        contents: Sequence[PaneContent],
        tail: Callable[[SessionId], Tail],
        pager: Callable[[PaneContent], Pager],
    ) -> None:
        """Show these, one pane each, in the order given."""
        shown = contents[: self.room]
        for pane, content in zip(self.panes, shown, strict=False):
            session = content.session_id
            pane.show(
                content,
                tail(session) if session else Tail(),
                pager(content) if session else None,
                pinned=session is not None and self.pins.get(pane.number) == session,
            )
        for pane in self.panes:
            pane.display = pane.number <= len(shown)
        self.styles.grid_size_columns = 2 if len(shown) > 2 else 1

    def moved(self, sessions: frozenset[SessionId]) -> None:
        """Draw the panes whose sessions have said something."""
        for pane in self.panes:
            content = pane.content
            if pane.display and content is not None and content.session_id in sessions:
                pane.tail_view.moved()

    def pin(self, number: int) -> str:
        """Keep a pane on what it shows, or let it go; says which, empty for no such pane."""
        pane = self.panes[number - 1]
        if not pane.display or pane.content is None or pane.content.session_id is None:
            return ""
        if self.pins.pop(number, None) is not None:
            return f"pane {number} follows the selection"
        self.pins[number] = pane.content.session_id
        return f"pane {number} stays on {pane.content.title}"
