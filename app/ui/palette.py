"""The command palette: every screen, every key of the screen on top, and every run by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.widgets import Input

from app.domain.errors import LongwatchError
from app.domain.text import one_line
from app.ui.keys import MOVES, described

if TYPE_CHECKING:
    from app.domain.run import Run
    from app.ui.app import ControlRoom
    from app.ui.marks import Mark

Deed = Callable[[], Awaitable[object]]
SCREENS = (
    ("watch", "Watch", "runs, and what their agents say"),
    ("approvals", "Approvals", "what agents ask to be allowed"),
    ("reviews", "Reviews", "what waits for your verdict"),
    ("questions", "Questions", "what workflows ask you"),
    ("rollouts", "Rollouts", "stable and candidate paths, and the evidence between them"),
    ("past", "Past sessions", "what agents said before they moved in"),
    ("workflows", "Workflows", "what the project declares, and why a request gets a workflow"),
    ("moving", "Moving in", "agents and history of OpenClaw or OpenFang, and the way back"),
)

# Keys that lead to a screen, which has an entry of its own, and those that move within one.
_ELSEWHERE = ("app.show(", "app.command_palette", "go(", "app.find_run", *MOVES)

OLDER_RUNS = 2_000  # of those that are over, the newest; they are read when a palette opens


class RoomPalette(CommandPalette):
    """The toolkit's, with a cursor that stands still: while nothing happens nothing is drawn."""

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False


class RunFinder(Provider):
    """Every run by its title, its id and how it stands, also those that no list holds any more.

    Text goes in as `Content`, which is never parsed as markup: titles come from anywhere.
    """

    lead = ""  # before a run's title

    @property
    def room(self) -> ControlRoom:
        return cast("ControlRoom", self.app)

    async def startup(self) -> None:
        self._older: Sequence[Run] = ()
        if (client := self.room.client) is not None:
            with suppress(LongwatchError):  # the banner says what is wrong; the others are found
                self._older = await client.runs(OLDER_RUNS)

    def _deeds(self) -> Iterator[tuple[str, str, Deed]]:
        from app.ui.marks import STATES
        from app.ui.rows import mark_of  # with the domain's models: not for the first frame

        view, now = self.room.view, self.room.now()
        for state in view.ordered_runs(now):
            yield self._run(state.run, mark_of(state, view.needs(state, now)))
        for run in self._older:
            if run.run_id not in view.runs:
                yield self._run(run, STATES[run.state])

    def _run(self, run: Run, mark: Mark) -> tuple[str, str, Deed]:
        title = f"{self.lead}{one_line(run.request.title, 60)}"
        about = f"{mark.glyph} {mark.word} · {run.run_id} · {one_line(run.workflow, 40)}"
        return title, about, partial(self.room.open_run, run.run_id)

    def _is_run(self, text: str) -> bool:
        return True

    async def discover(self) -> Hits:
        for text, about, deed in self._deeds():
            yield DiscoveryHit(Content(text), deed, text=text, help=Content(about))  # type: ignore[arg-type]

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for text, about, deed in self._deeds():
            score = matcher.match(text)
            if score <= 0 and self._is_run(text):
                score = matcher.match(about) / 2  # by its id or how it stands: after every name
            if score > 0:
                yield Hit(score, matcher.highlight(text), deed, text=text, help=about)


class RoomCommands(RunFinder):
    """Every screen, every key of the screen on top, and every run."""

    lead = "Open run "

    def _deeds(self) -> Iterator[tuple[str, str, Deed]]:
        for name, title, about in SCREENS:
            yield f"Go to {title}", about, partial(self.room.show, name)
        for entry in described(self.screen):
            if not entry.action.startswith(_ELSEWHERE):
                yield entry.label, f"key {entry.keys}", partial(self._act, entry.action)
        yield from super()._deeds()

    def _is_run(self, text: str) -> bool:
        return text.startswith(self.lead)

    async def _act(self, action: str) -> None:
        await self.room.run_action(action, default_namespace=self.screen)


def run_finder() -> RoomPalette:
    """A palette of nothing but runs."""
    ask = "Find a run by its title, id, state or workflow…"
    return RoomPalette([RunFinder], placeholder=ask, id="--find-run")
