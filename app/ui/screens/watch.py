"""Watch: what needs me, what is running, is anything wrong. The first screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.timer import Timer
from textual.widgets import Static

from app.domain.attention import AttentionItem
from app.domain.base import RunId, SessionId
from app.domain.errors import LongwatchError
from app.domain.run import RunState
from app.domain.session import Chunk
from app.domain.text import one_line
from app.ui.rows import explain, named_by, run_row
from app.ui.run_actions import RunActions
from app.ui.screens.base import RoomScreen
from app.ui.theme import style
from app.ui.view import Changes
from app.ui.watching import assign
from app.ui.widgets.attention_bar import AttentionBar
from app.ui.widgets.panes import Pane, PaneContent, PaneGrid, pane_content
from app.ui.widgets.run_list import RunList
from app.ui.widgets.tail import Pager

EMPTY = 'No runs yet. Start one: n, or `longwatch run "…"`'
TICK = timedelta(seconds=20)  # times are shown to the minute, and only while a run is open
PAGE = 500  # chunks of older transcript read at once


class WatchScreen(RunActions, RoomScreen):
    """The list of runs, live panes, and the bar that says what is most urgent."""

    CSS_PATH = style("watch")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", id="watch.open"),
        Binding("a", "go('approvals')", "Approvals", id="watch.approvals"),
        Binding("r", "go('reviews')", "Reviews", id="watch.reviews"),
        Binding("i", "go('questions')", "Questions", id="watch.questions", show=False),
        Binding("w", "app.show('workflows')", "Workflows", id="watch.workflows", show=False),
        Binding("o", "app.show('rollouts')", "Rollouts", id="watch.rollouts", show=False),
        Binding("p", "app.show('past')", "Past sessions", id="watch.past", show=False),
        Binding("m", "app.show('moving')", "Moving in", id="watch.moving", show=False),
        Binding("n", "new_run", "New run", id="watch.new"),
        Binding("slash", "app.find_run", "Find a run", id="watch.find", show=False),
        Binding("s", "say", "Say", id="watch.say"),
        Binding("t", "retry", "Retry", id="watch.retry"),
        Binding("x", "cancel", "Cancel", id="watch.cancel"),
        Binding("u", "pause", "Pause", id="watch.pause", show=False),
        Binding("u", "resume", "Go on", id="watch.resume"),
        Binding("u", "finish", "Finish in shadow", id="watch.finish"),
        Binding("K", "restart", "Start its agent anew", id="watch.restart", show=False),
        Binding("g", "follow", "Go to what is most urgent", id="watch.go", show=False),
        Binding("k,up", "move(-1)", "Run above", id="watch.up", show=False),
        Binding("j,down", "move(1)", "Run below", id="watch.down", show=False),
        Binding("pageup", "page(-1)", "Scroll the pane up", id="watch.page-up", show=False),
        Binding("pagedown", "page(1)", "Scroll the pane down", id="watch.page-down", show=False),
        Binding("home", "first", "First run", id="watch.first", show=False),
        # One key, as a paused pane says of itself whatever has the focus.
        Binding("end", "last", "Follow the paused pane, or last run", id="watch.end", show=False),
        Binding("1", "pin(1)", "Pin a pane", id="watch.pin-1", show=False, key_display="1-4"),
        *(Binding(str(n), f"pin({n})", id=f"watch.pin-{n}", show=False) for n in (2, 3, 4)),
    ]
    AUTO_FOCUS = "RunList"

    def __init__(self) -> None:
        super().__init__()
        self._items: Sequence[AttentionItem] = ()
        self._tick: Timer | None = None

    def body(self) -> ComposeResult:
        yield AttentionBar()
        yield Static(EMPTY, markup=False, id="empty")
        with Container(id="work"):
            with Container(id="side"):
                yield RunList()
                yield Static("", markup=False, id="explain")
            yield PaneGrid()

    def on_mount(self) -> None:
        self._tick = self.set_interval(TICK.total_seconds(), self._ticked, pause=True)

    # -- drawing

    def view_changed(self, changes: Changes) -> None:
        if changes.runs or changes.status:
            self._draw_runs()
        elif changes.sessions:
            self.query_one(PaneGrid).moved(changes.sessions)
            return
        if changes.sessions:
            self.query_one(PaneGrid).moved(changes.sessions)

    def _draw_runs(self) -> None:
        now = self.now()
        self._items = self.view.attention(now)
        runs = self.view.ordered_runs(now)
        self.set_class(not runs and self.view.status is not None, "-empty")
        self.draw_status(self._items)
        titles = {run_id: state.run.request.title for run_id, state in self.view.runs.items()}
        if self.view.status is not None:
            self.query_one(AttentionBar).show(self._items, now, titles)
        self.query_one(RunList).show([run_row(s, self.view.needs(s, now), now) for s in runs])
        if self._tick is not None:
            still = all(state.run.state.terminal for state in runs)
            (self._tick.pause if still else self._tick.resume)()
        self._draw_selected()

    def _draw_selected(self) -> None:
        state = self.selected
        text = ""
        if state is not None:
            text = explain(state, self.view.needs(state, self.now()), self.now())
        self.query_one("#explain", Static).update(one_line(text, 400))
        self._draw_panes()
        if self._items:
            self.tell_painted()
        self.refresh_bindings()

    def in_sight(self) -> Iterable[AttentionItem]:
        """What the bar names, and of each run in sight what its row does."""
        now = self.now()
        rows = (self.view.runs.get(run_id) for run_id in self.query_one(RunList).in_sight)
        found = [item for state in rows if state for item in named_by(self.view.needs(state, now))]
        return [item for item in (self.query_one(AttentionBar).named, *found) if item is not None]

    def _draw_panes(self) -> None:
        grid = self.query_one(PaneGrid)
        grid.pins = {n: s for n, s in grid.pins.items() if self._owner(s) is not None}
        selected = self.selected
        runs = self.view.ordered_runs(self.now())
        contents = [
            self._content(run_id, session_id)
            for run_id, session_id in assign(self.view, runs, selected, grid.pins, grid.room)
        ]
        grid.show(contents, self.view.tail, self._pager)

    def _content(self, run_id: RunId, session_id: SessionId | None) -> PaneContent:
        state = self.view.runs[run_id]
        session = state.sessions.get(session_id) if session_id else None
        return pane_content(state, session)

    def _owner(self, session_id: SessionId) -> RunId | None:
        return next(
            (r for r, state in self.view.runs.items() if session_id in state.sessions), None
        )

    def _pager(self, content: PaneContent) -> Pager:
        async def read(before: int) -> Sequence[Chunk]:
            client, session_id = self.client, content.session_id
            if client is None or session_id is None:
                return ()
            try:
                return await client.transcript(content.run_id, session_id, before, PAGE)
            except LongwatchError as error:
                self.notify(str(error), severity="error", markup=False)
                return ()

        return read

    def _ticked(self) -> None:
        if self.is_current:
            self._draw_runs()

    def on_pane_grid_resized(self, message: PaneGrid.Resized) -> None:
        self._draw_panes()

    # -- what is selected

    @property
    def selected(self) -> RunState | None:
        run_id = self.query_one(RunList).selected
        return self.view.runs.get(run_id) if run_id else None

    def session_to_steer(self) -> SessionId | None:
        """The focused pane's session if it is the selected run's, else the one at work."""
        state = self.selected
        if state is None:
            return None
        for pane in self.query_one(PaneGrid).panes:
            content = pane.content
            if pane.tail_view.has_focus and content and content.session_id in state.sessions:
                return content.session_id
        live = self.view.live_sessions(state.run.run_id)
        return live[0].session_id if live and live[0].turn_open else None

    def on_run_list_selected(self, message: RunList.Selected) -> None:
        self._draw_selected()

    async def on_run_list_opened(self, message: RunList.Opened) -> None:
        await self.room.open_run(message.run_id)

    async def on_attention_bar_followed(self, message: AttentionBar.Followed) -> None:
        await self.room.go_to(message.item)

    def on_pane_pinned(self, message: Pane.Pinned) -> None:
        self.action_pin(message.number)

    # -- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # This is where Esc leads.
        return action != "back" and super().check_action(action, parameters)

    def action_move(self, by: int) -> None:
        self.query_one(RunList).move(by)

    async def action_open(self) -> None:
        if (state := self.selected) is not None:
            await self.room.open_run(state.run.run_id)

    async def action_follow(self) -> None:
        if self._items:
            await self.room.go_to(self._items[0])
        else:
            self.refuse("nothing waits for you")

    def action_pin(self, number: int) -> None:
        said = self.query_one(PaneGrid).pin(number)
        self.notify(said or f"pane {number} shows no session", markup=False, timeout=3)
        self._draw_panes()

    def _first_pane(self) -> Pane:
        return self.query_one(PaneGrid).panes[0]

    def action_page(self, direction: int) -> None:
        self._first_pane().tail_view.action_pages(direction)

    def action_first(self) -> None:
        self.query_one(RunList).jump(-1)

    def action_last(self) -> None:
        paused = [p.tail_view for p in self.query_one(PaneGrid).panes if not p.tail_view.following]
        for view in paused:
            view.action_follow()
        if not paused:
            self.query_one(RunList).jump(1)
