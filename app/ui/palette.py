"""The command palette: every screen, every key of the screen on top, and every run by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.widgets import Input

from app.domain.text import one_line
from app.ui.keys import described

if TYPE_CHECKING:
    from app.ui.app import ControlRoom

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
_ELSEWHERE = (
    *("app.show(", "app.command_palette", "go(", "back", "move(", "page", "ends(", "jump("),
    *("walk(", "turn(", "tail_end", "pin(", "choose("),
)

_RUN = "Open run "


class RoomPalette(CommandPalette):
    """The toolkit's, with a cursor that stands still: while nothing happens nothing is drawn."""

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False


class RoomCommands(Provider):
    """Text goes in as `Content`, which is never parsed as markup: titles come from anywhere."""

    @property
    def room(self) -> ControlRoom:
        return cast("ControlRoom", self.app)

    def _deeds(self) -> Iterator[tuple[str, str, Deed]]:
        from app.ui.rows import mark_of  # with the domain's models: not for the first frame

        for name, title, about in SCREENS:
            yield f"Go to {title}", about, partial(self.room.show, name)
        for entry in described(self.screen):
            if not entry.action.startswith(_ELSEWHERE):
                yield entry.label, f"key {entry.keys}", partial(self._act, entry.action)
        now = self.room.now()
        for state in self.room.view.ordered_runs(now):
            run = state.run
            title = f"{_RUN}{one_line(run.request.title, 60)}"
            word = mark_of(state, self.room.view.needs(state, now)).word
            yield title, f"{run.run_id} · {word}", partial(self.room.open_run, run.run_id)

    async def _act(self, action: str) -> None:
        await self.room.run_action(action, default_namespace=self.screen)

    async def discover(self) -> Hits:
        for text, about, deed in self._deeds():
            yield DiscoveryHit(Content(text), deed, text=text, help=Content(about))  # type: ignore[arg-type]

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for text, about, deed in self._deeds():
            score = matcher.match(text)
            if score <= 0 and text.startswith(_RUN):
                score = matcher.match(about) / 2  # by its id or how it stands: after every name
            if score > 0:
                yield Hit(score, matcher.highlight(text), deed, text=text, help=about)
