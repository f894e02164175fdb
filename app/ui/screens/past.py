"""Past sessions: what agents said before they moved in; found by words, read, and taken up."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from app.domain.commands import StartRun
from app.domain.errors import LongwatchError
from app.domain.past import PastEntry, PastHit, PastList
from app.domain.past_ref import PastId, PastRef
from app.domain.request import Request
from app.domain.text import one_line
from app.ui.keys import beside, reading_keys
from app.ui.page import Row, row
from app.ui.past_rows import (
    BEFORE,
    HITS,
    PAGE,
    PastReading,
    PastSearching,
    empty_rows,
    hit_picks,
    reading_rows,
    session_picks,
)
from app.ui.screens.dialogs import AskText
from app.ui.screens.listing import ListScreen
from app.ui.theme import style
from app.ui.typed import split_options, whole_paths
from app.ui.view import Changes
from app.ui.widgets.page import Page
from app.ui.widgets.queue import Pick, PickList

Wanted = tuple[str, PastEntry | None]
_LISTED = 1_000  # sessions at once; a search reaches all
_TAKES_UP = "Enter starts it · last line `workflow: NAME` for another one · Esc back"


class PastScreen(ListScreen):
    """The list on the left (or on top): sessions, or the places that a search has found."""

    CSS_PATH = [style("dialogs"), style("approvals"), style("past")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "full", "Full", id="past.full"),
        Binding("slash", "search", "Search", id="past.search"),
        Binding("m", "more", "Search on", id="past.more"),
        Binding("c", "take_up", "Take up", id="past.take-up"),
        Binding("r", "reload", "Look again", id="past.reload"),
        *reading_keys("past"),
    ]
    LIST = "past"
    MARK_CELLS = 13

    def __init__(self) -> None:
        super().__init__()
        self._list: PastList | None = None
        self._problem = ""
        self._searching: PastSearching | None = None
        self._chosen = ""  # the row
        self._wanted: Wanted | None = None  # what it stands for: a session, and a place in it
        self._reading: PastReading | None = None

    def on_mount(self) -> None:
        self.action_reload()

    # -- reading

    def view_changed(self, changes: Changes) -> None:
        if not self.is_mounted:
            return
        self.draw_status()
        if self._list is None and not self._problem:
            self.action_reload()

    def action_reload(self) -> None:
        """Look at the project's files again; a search is made anew."""
        if self.client is None:
            return
        self._wanted = None
        self.run_worker(self._look(), group="past-list", exclusive=True)
        if self._searching is not None:
            self._begin_search(self._searching.text)

    async def _look(self) -> None:
        if self.client is None:
            return
        try:
            self._list = await self.client.past_sessions(str(self.room.project), _LISTED)
            self._problem = ""
        except LongwatchError as error:
            self._list, self._problem = None, str(error)
        self._choose(self._chosen)

    def _begin_search(self, text: str) -> None:
        self._searching = PastSearching(text, total=self._list.total if self._list else 0)
        self._choose("")
        self.run_worker(self._search(self._searching), group="past-search", exclusive=True)

    async def _search(self, search: PastSearching) -> None:
        """A part after the other, until there is enough to look at."""
        most = len(search.hits) + HITS
        search.busy = True
        while self.client is not None and len(search.hits) < most:
            try:
                part = await self.client.past_search(
                    str(self.room.project), search.text, search.next, HITS
                )
            except LongwatchError as error:
                self.notify(str(error), severity="error", markup=False)
                break
            search.hits += part.hits
            search.next, search.searched, search.total = part.next, part.searched, part.total
            if self._searching is not search:
                return
            self._choose(self._chosen)
            if part.next is None:
                break
        search.busy = False
        self._choose(self._chosen)

    async def _read(self, reading: PastReading, line: int) -> None:
        if self.client is None:
            return
        project = str(self.room.project)
        try:
            reading.take(await self.client.past_page(project, reading.past_id, line, PAGE))
        except LongwatchError as error:
            reading.problem = str(error)
        if self._reading is not reading:
            return
        self._draw()
        if reading.hit is not None and line == reading.first:
            self.query_one("#text", Page).jump(1)

    def on_page_scrolled(self, message: Page.Scrolled) -> None:
        """At the end of what is read the next page is."""
        reading = self._reading
        if reading is None or reading.next is None or not self.query_one("#text", Page).at_end:
            return
        line, reading.next = reading.next, None
        self.run_worker(self._read(reading, line), group="past-page", exclusive=True)

    # -- choosing and drawing

    @property
    def _picks(self) -> list[Pick]:
        if self._searching is not None:
            return hit_picks(self._searching.hits)
        return session_picks(self._list, self.now()) if self._list is not None else []

    def _hit(self) -> PastHit | None:
        if self._searching is None or not self._chosen.isdecimal():
            return None
        return self._searching.hits[int(self._chosen)]

    def _choose(self, item_id: str) -> None:
        """Open that row, or the first if it is not there; nothing when it is open already."""
        picks = self._picks
        ids = [pick.item_id for pick in picks]
        self._chosen = item_id if item_id in ids else (ids[0] if ids else "")
        hit = self._hit()
        past_id = hit.past_id if hit else self._chosen if self._searching is None else ""
        wanted = (past_id, hit.entry if hit else None)
        if wanted != self._wanted:
            self._wanted, self._reading = wanted, None
            first = max(1, hit.entry.line - BEFORE) if hit else 1
            if past_id:
                self._open(PastReading(PastId(past_id), first, hit.entry if hit else None))
        self._draw()

    def _open(self, reading: PastReading) -> None:
        self._reading = reading
        self.run_worker(self._read(reading, reading.first), group="past-page", exclusive=True)

    def _draw(self) -> None:
        self.query_one("#past", PickList).show(self._picks, self._chosen)
        self.query_one("#head", Static).update(Content.styled(self._head(), "#98a2ac"))
        reading, page = self._reading, self.query_one("#text", Page)
        name = (reading.past_id, reading.first) if reading is not None else self._problem
        page.show(self._rows(), name=name)
        self.refresh_bindings()

    def _head(self) -> str:
        if self._searching is not None:
            return self._searching.says
        if self._list is None:
            return one_line(str(self.room.project), 200)
        shown, total = len(self._list.sessions), self._list.total
        what = f"{total:,} past session{'s' * (total != 1)}"
        return what if shown == total else f"the newest {shown:,} of {what}; / searches all"

    def _rows(self) -> list[Row]:
        if self._reading is not None:
            return reading_rows(self._reading)
        if self._problem:
            return [row((self._problem, "bad"))]
        if self._list is None:
            return [row(("looking…", "quiet"))]
        if self._searching is not None:
            words = "searching…" if self._searching.busy else "nothing has all of these words"
            return [row((words, "quiet"))]
        return empty_rows(self._list)

    # -- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "take_up":
                return self._reading is not None
            case "search":
                return self._list is not None and bool(self._list.sessions)
            case "more":
                search = self._searching
                return search is not None and not search.busy and search.next is not None
        return super().check_action(action, parameters)

    def action_move(self, by: int) -> None:
        ids = [pick.item_id for pick in self._picks]
        if ids:
            self._choose(beside(ids, self._chosen, by))

    def on_pick_list_picked(self, message: PickList.Picked) -> None:
        self._choose(message.item_id)

    def action_search(self) -> None:
        async def search(text: str) -> bool:
            self._begin_search(text)
            return True

        self.room.drafts.setdefault("past-search", self._searching.text if self._searching else "")
        title = "Search past sessions for entries that have all of these words:"
        hint = "Enter searches · Esc back"
        self.app.push_screen(AskText(title, hint, search, draft="past-search"))

    def action_more(self) -> None:
        if self._searching is not None:
            self.run_worker(self._search(self._searching), group="past-search", exclusive=True)

    def action_take_up(self) -> None:
        reading = self._reading
        if reading is None:
            return
        past = PastRef(past_id=reading.past_id)

        async def start(text: str) -> bool:
            text, options = split_options(text, ("workflow", "attach"))
            text = text or "Go on where we left off."
            request = Request(text=text, user=self.me.name, channel="screen", past=past)
            named = options["workflow"][-1] if options["workflow"] else None
            project = str(self.room.project)
            files = whole_paths(options["attach"], self.room.project)
            command = StartRun(request=request, project=project, workflow=named, attach=files)
            done = await self.send(command)
            if done is not None and done.run_id is not None:
                # Once this dialog is gone: it must not wait under the run.
                self.app.call_later(self.room.open_run, done.run_id)
            return done is not None

        what = one_line(reading.session.title if reading.session else reading.past_id, 50)
        title = f"A run that goes on with “{what}”: what is said next?"
        draft = f"take-up-{reading.past_id}"
        self.app.push_screen(AskText(title, _TAKES_UP, start, draft=draft, may_be_empty=True))

    async def action_back(self) -> None:
        if not self.has_class("-full") and self._searching is not None:
            self._searching = None
            self.workers.cancel_group(self, "past-search")
            self._choose("")
        else:
            await super().action_back()

    def action_ends(self, direction: int) -> None:
        """To the end of what is read; or to the session's first line, also when it is not."""
        reading = self._reading
        if direction < 0 and reading is not None and reading.first > 1:
            self._open(PastReading(reading.past_id, 1))
            self._draw()
        else:
            super().action_ends(direction)
