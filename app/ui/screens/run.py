"""Run: the steps with their attempts, and of each its output, gates, diff, log and events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from app.domain.attention import AttentionItem, attention
from app.domain.base import RunId, SessionId
from app.domain.day_budget import of_project
from app.domain.errors import LongwatchError
from app.domain.events import Event
from app.domain.run import RunState
from app.domain.session import Chunk, Session
from app.ui.details import budget_rows, gate_rows, output_rows
from app.ui.diffrows import diff_rows
from app.ui.event_rows import EventRows
from app.ui.history_walk import WALKING_KEYS, WalksHistory
from app.ui.keys import beside
from app.ui.page import Memo, Row, row
from app.ui.part_actions import PartActions
from app.ui.reading import RunReading
from app.ui.rows import named_by
from app.ui.run_head import run_head
from app.ui.run_keys import LEADS, RUN_KEYS, TABS
from app.ui.screens.base import RoomScreen
from app.ui.steps import WHOLE, attempt_of, current, review_of, step_of, step_picks, telling
from app.ui.tail import Tail
from app.ui.theme import style
from app.ui.view import Changes
from app.ui.widgets.page import Page
from app.ui.widgets.queue import Pick, PickList
from app.ui.widgets.tabs import TabRow
from app.ui.widgets.tail import Pager, TailView
from app.ui.widgets.time_line import TimeLine

TICK = timedelta(seconds=5)
PAGE = 500  # chunks of older transcript read at once


class RunScreen(WalksHistory, PartActions, RoomScreen):
    """One run. The list on the left (or on top) chooses what the tabs are about."""

    CSS_PATH = [style("dialogs"), style("approvals"), style("run")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [*RUN_KEYS, *WALKING_KEYS]
    AUTO_FOCUS = ""

    def __init__(self, run_id: RunId) -> None:
        super().__init__()
        self.run_id = run_id
        self._state: RunState | None = None
        self._chosen: str | None = None  # None: whatever happens now
        self._happens: tuple[RunState, str] | None = None  # the row of what happens now
        self._picked_tab: str | None = None  # None: what tells most about the row
        self._ready = False
        self._reading = RunReading(run_id)
        self._nothing = Tail()
        self._memo = Memo()
        self._told = EventRows()
        self._opened: set[str] = set()  # steps all of whose branches are listed

    def body(self) -> ComposeResult:
        yield Static(markup=False, id="about")
        yield TimeLine(id="past")
        with Container(id="work"):
            yield PickList(id="steps", mark_cells=12)
            with Container(id="detail"):
                yield TabRow(TABS)
                yield Page(id="text")
                yield TailView(id="log")

    def on_mount(self) -> None:
        self._ready = True
        self.query_one(TailView).can_focus = False
        self.set_interval(TICK.total_seconds(), self._ticked)
        self._draw()
        self._read_events()

    # -- drawing

    def view_changed(self, changes: Changes) -> None:
        if not self._ready:
            return
        if self.run_id in changes.runs:
            self._draw()
            if self._tab == "events" or self._reading.history_is_old(self._state):
                self._read_events()
        if changes.runs or changes.status:
            self.draw_status()
        if self._tab == "log" and changes.sessions:
            self._draw_log()

    def _ticked(self) -> None:
        if self.is_current and self._state is not None and not self._state.run.state.terminal:
            self._draw()

    def _draw(self) -> None:
        self._state = self.walked_to or self.view.runs.get(self.run_id, self._state)
        state = self._state
        self.draw_status()
        if state is None:
            self.query_one("#about", Static).update(Content(f"run {self.run_id} is not known"))
            return
        past = self.until_now(self._reading.events)
        self.query_one("#about", Static).update(run_head(state, self.now(), past, self.moment))
        picks = self._picks(state)
        self.query_one("#steps", PickList).show(picks, self.chosen)
        self._draw_detail()
        self.refresh_bindings()
        self.tell_painted()

    def in_sight(self) -> Iterable[AttentionItem]:
        """What stands under the run's title, but not while an earlier moment is shown."""
        state = None if self.walked_to else self._state
        return named_by(attention(state, self.now())) if state else ()

    def _picks(self, state: RunState) -> list[Pick]:
        return step_picks(state, self.now(), self.chosen, self._opened)

    @property
    def chosen(self) -> str:
        """The row that the tabs are about; until somebody moves, what happens now."""
        if self._chosen is not None:
            return self._chosen
        if self._state is None:
            return WHOLE
        if self._happens is None or self._happens[0] is not self._state:
            self._happens = (self._state, current(self._state))
        return self._happens[1]

    @property
    def _tab(self) -> str:
        if self._picked_tab is not None or self._state is None:
            return self._picked_tab or "output"
        return telling(self._state, self.chosen)

    def _draw_detail(self) -> None:
        state, item = self._state, self.chosen
        if state is None:
            return
        self.set_class(self._tab == "log", "-log")
        if self._tab == "log":
            self._draw_tabs(state)
            self._draw_log()
            return
        rows = self._memo.rows(self._parts(state, item), lambda: self._rows(state, item))
        newest = self._tab == "events"
        self.query_one("#text", Page).show(rows, name=(item, self._tab), newest=newest)
        self._draw_tabs(state)

    def _draw_tabs(self, state: RunState) -> None:
        """Which tab is shown, of what, and which lines of it when there are more."""
        if self._tab == "log":
            place = "↑ more" if self.query_one("#log", TailView).above else ""
        else:
            place = self.query_one("#text", Page).place
        about = " · ".join(part for part in (place, self._subject(state)) if part)
        self.query_one(TabRow).show(self._tab, about)

    def on_tail_view_edged(self, message: TailView.Edged) -> None:
        if self._state is not None:
            self._draw_tabs(self._state)

    def on_page_scrolled(self, message: Page.Scrolled) -> None:
        if self._state is not None:
            self._draw_tabs(self._state)

    def _subject(self, state: RunState) -> str:
        review = review_of(state, self.chosen)
        attempt = attempt_of(state, self.chosen)
        if review is not None:
            return f"{review.step} {review.round}"
        if attempt is not None:
            return f"{attempt.unit} {attempt.attempt}"
        return self.chosen.partition(":")[2] if self.chosen != WHOLE else "whole run"

    def _parts(self, state: RunState, item: str) -> tuple[object, ...]:
        """What the rows are made from; a whole run's head has times, so it is always new."""
        reading, tab = self._reading, self._tab
        attempt = attempt_of(state, item)
        changing: object = None if item in state.attempts else state
        if tab == "diff":
            changing = reading.diff(state, attempt)
        elif tab == "events":
            changing = reading.events if reading.events or not reading.busy else None
            changing = (changing, self.past.at if self.past else None)
        online, session = self.client is not None, self._session()
        stuck = session.stuck if session is not None else None
        status = self.view.status if item == WHOLE else None
        budgets = status.budgets if status is not None else ()
        return (tab, item, attempt, review_of(state, item), changing, online, stuck, budgets)

    def _rows(self, state: RunState, item: str) -> list[Row]:
        match self._tab:
            case "gates":
                return gate_rows(state, item)
            case "diff":
                return self._diff_rows(state, item)
            case "events":
                attempt = attempt_of(state, item)
                about = (attempt.step, attempt.attempt) if attempt else ("", 0)
                rows = self._told.rows(self.until_now(self._reading.events), *about)
                nothing = "reading…" if self._reading.busy else "nothing yet"
                return rows or [row((nothing, "quiet"))]
        return [*output_rows(state, item, self.now()), *self._budgets(state, item)]

    def _budgets(self, state: RunState, item: str) -> list[Row]:
        """Under the whole run: what is left of the day's budgets that it counts to."""
        status = self.view.status
        if item != WHOLE or status is None:
            return []
        return budget_rows(of_project(status.budgets, state.run.project))

    def _diff_rows(self, state: RunState, item: str) -> list[Row]:
        attempt = attempt_of(state, item)
        if attempt is None and item != WHOLE:
            return [row(("not begun yet", "quiet"))]
        text = self._reading.diff(state, attempt)
        if text is None:
            self.run_worker(self._read_diff(), group="diff", exclusive=True)
            return [row(("reading…", "quiet"))]
        if isinstance(text, LongwatchError):
            return [row((str(text), "bad"))]
        return diff_rows(text) if text.strip() else [row(("no difference", "quiet"))]

    async def _read_diff(self) -> None:
        state, client = self._state, self.client
        if state is not None and client is not None:
            await self._reading.read_diff(client, state, attempt_of(state, self.chosen))
            self._draw_detail()

    def _read_events(self) -> None:
        if self.client is not None and not self._reading.busy:
            self.run_worker(self._events(), group="events")

    async def _events(self) -> None:
        if self.client is None:
            return
        try:
            await self._reading.read_events(self.client, self._state)
        except LongwatchError as error:
            self.notify(str(error), severity="error", markup=False)
        self._draw()

    # -- the transcript

    def _session(self) -> Session | None:
        """The session that a row is about: its own, or the run's that is or was last at work."""
        state = self._state
        if state is None:
            return None
        if self.chosen in state.attempts:
            session_id = state.attempts[self.chosen].session_id
            return state.sessions.get(session_id) if session_id else None
        review = review_of(state, self.chosen)
        if review is not None:
            return state.session_of(review.step)
        if step := step_of(state, self.chosen):
            return state.session_of(step)
        live = self.view.live_sessions(self.run_id) or list(state.sessions.values())
        return live[0] if live else None

    def _draw_log(self) -> None:
        session, log = self._session(), self.query_one("#log", TailView)
        if session is None:
            log.show(self._nothing, empty="no session took part in this")
            return
        tail, pager = self.view.tail(session.session_id), self._pager(session.session_id)
        log.show(tail, pager, empty="nothing said yet")
        log.fill()

    def _pager(self, session_id: SessionId) -> Pager:
        async def read(before: int) -> Sequence[Chunk]:
            if self.client is None:
                return ()
            try:
                return await self.client.transcript(self.run_id, session_id, before, PAGE)
            except LongwatchError as error:
                self.notify(str(error), severity="error", markup=False)
                return ()

        return read

    # -- what the actions are done to

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that lead to what waits are there while something of this run waits."""
        if action == "go" and self.past is None:
            state = self._state
            needs = attention(state, self.now()) if state is not None else []
            kinds = LEADS[str(parameters[0])]
            return any(item.kind in kinds for item in needs)
        return super().check_action(action, parameters)

    @property
    def selected(self) -> RunState | None:
        return self._state

    @property
    def journal(self) -> Sequence[Event]:
        return self._reading.events

    def session_to_steer(self) -> SessionId | None:
        session = self._session()
        if session is not None and session.turn_open:
            return session.session_id
        live = self.view.live_sessions(self.run_id)
        return live[0].session_id if live and live[0].turn_open else None

    # -- keys

    def action_tab(self, name: str) -> None:
        if name == "diff" and self._tab == "diff" and self._state is not None:
            self._reading.forget_diff()  # pressed again: read it anew
        self._picked_tab = name
        self._draw_detail()
        if name == "events":
            self._read_events()

    def on_tab_row_chosen(self, message: TabRow.Chosen) -> None:
        self.action_tab(message.name)

    def action_move(self, by: int) -> None:
        if self._state is None:
            return
        rows = [pick.item_id for pick in self._picks(self._state)]
        self._choose(beside(rows, self.chosen, by))

    async def on_pick_list_picked(self, message: PickList.Picked) -> None:
        self._choose(message.item_id)
        if message.twice:
            await self.action_full()

    def _choose(self, item: str) -> None:
        self._chosen = item
        self._draw()

    async def action_full(self) -> None:
        """Open what the row stands for: a step's folded branches, a run of its own; else give
        the whole screen to the text, or back."""
        state = self._state
        attempt = state.attempts.get(self.chosen) if state is not None else None
        if self.chosen.startswith("more:"):
            self._opened ^= {self.chosen.removeprefix("more:")}
            self._draw()
        elif attempt is not None and attempt.child is not None and not self.has_class("-full"):
            await self.room.open_run(attempt.child)
        else:
            self.toggle_class("-full")

    def redraw(self) -> None:
        state, chosen = self.walked_to, self._chosen
        there = chosen is None or state is None or self._is_there(state, chosen)
        if not there:
            self._chosen = None  # it was not there then: whatever happened
        self._draw()

    def _is_there(self, state: RunState, chosen: str) -> bool:
        return chosen in state.attempts or chosen in [p.item_id for p in self._picks(state)]

    async def action_back(self) -> None:
        if self.past is not None:
            self.leave_history()
        elif self.has_class("-full"):
            self.remove_class("-full")
        else:
            await super().action_back()

    def action_jump(self, direction: int) -> None:
        self.query_one("#text", Page).jump(direction)

    def action_pages(self, count: int) -> None:
        self._chosen = self.chosen  # who reads stays where they are when the run goes on
        if self._tab == "log":
            self.query_one("#log", TailView).action_pages(count)
        else:
            self.query_one("#text", Page).pages(count)

    def action_ends(self, direction: int) -> None:
        log = self.query_one("#log", TailView)
        if self._tab == "log":
            (log.action_follow if direction > 0 else log.action_oldest)()
        else:
            self.query_one("#text", Page).ends(direction)
