"""The Textual application: it puts screens together and holds no truth of its own.

The first frame is painted before the domain, the link and the screens are even imported: what
this module needs of them is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.events import Event, InputEvent, Resize
from textual.geometry import Size
from textual.screen import Screen

from app.domain.errors import LongwatchError
from app.link.person import operator
from app.ui.keys import GLOBAL_KEYS, KEY_NAMES
from app.ui.palette import RoomCommands, RoomPalette, run_finder
from app.ui.presence import Presence
from app.ui.safety import SafeApp
from app.ui.screens.opening import OpeningScreen
from app.ui.theme import PLAIN, THEME, WIDE, style

if TYPE_CHECKING:
    from textual.driver import Driver

    from app.domain.approval import Actor
    from app.domain.attention import AttentionItem
    from app.domain.base import RunId
    from app.link.client import Client
    from app.link.moving import Mover
    from app.ui.bridge import Bridge, Connect
    from app.ui.seen_reporter import SeenReporter
    from app.ui.view import Changes, View


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _watch() -> Screen[None]:
    from app.ui.screens.watch import WatchScreen

    return WatchScreen()


def _approvals() -> Screen[None]:
    from app.ui.screens.approvals import ApprovalsScreen

    return ApprovalsScreen()


def _reviews() -> Screen[None]:
    from app.ui.screens.reviews import ReviewsScreen

    return ReviewsScreen()


def _questions() -> Screen[None]:
    from app.ui.screens.questions import QuestionsScreen

    return QuestionsScreen()


def _rollouts() -> Screen[None]:
    from app.ui.screens.rollouts import RolloutsScreen

    return RolloutsScreen()


def _workflows() -> Screen[None]:
    from app.ui.screens.workflows import WorkflowsScreen

    return WorkflowsScreen()


def _past() -> Screen[None]:
    from app.ui.screens.past import PastScreen

    return PastScreen()


def _moving() -> Screen[None]:
    from app.ui.screens.moving import MovingScreen

    return MovingScreen()


class ControlRoom(SafeApp):
    """The control room over one supervisor."""

    TITLE = "Longwatch"
    CSS_PATH = style("app")
    BINDINGS: ClassVar[list[BindingType]] = GLOBAL_KEYS
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {RoomCommands}
    SCREENS: ClassVar[dict[str, Callable[[], Screen[None]]]] = {
        "watch": _watch,
        "approvals": _approvals,
        "reviews": _reviews,
        "questions": _questions,
        "workflows": _workflows,
        "rollouts": _rollouts,
        "past": _past,
        "moving": _moving,
    }
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012
    NOTIFICATION_TIMEOUT = 6

    def __init__(
        self,
        connect: Connect,
        *,
        reconnect: Connect | None = None,
        screen: str = "watch",
        run_id: str | None = None,
        notice: str = "",
        now: Callable[[], datetime] = _utc_now,
        me: Actor | None = None,
        project: Path | None = None,
        picture: bool = False,
        mover: Mover | None = None,
    ) -> None:
        super().__init__()
        self.now = now
        self.project = project or Path.cwd()
        self.drafts: dict[str, str] = {}  # typed and not sent, by dialog
        self.presence = Presence()
        self.failure = ""  # why the room closed, when it could not open
        self._me = me
        self._mover = mover
        self._connects = (connect, reconnect)
        self._first = (screen, run_id)
        self._notice = notice
        self._known: frozenset[tuple[str, str]] | None = None
        self.animation_level = "none"
        # A picture is not drawn by the terminal that it was asked for in.
        few = not picture and self.console.color_system in ("standard", "windows")
        theme = PLAIN if few else THEME
        self.register_theme(theme)
        self.theme = theme.name

    def get_driver_class(self) -> type[Driver]:
        """The toolkit's for this platform; the one for terminals never waits for them."""
        chosen = super().get_driver_class()
        if chosen.__name__ != "LinuxDriver":
            return chosen
        from app.ui.terminal import SteadyDriver

        return SteadyDriver

    def action_command_palette(self) -> None:
        if not isinstance(self.screen, RoomPalette):
            self.push_screen(RoomPalette(id="--command-palette"))

    def action_find_run(self) -> None:
        if not isinstance(self.screen, RoomPalette):
            self.push_screen(run_finder())

    @cached_property
    def view(self) -> View:
        from app.ui.view import View

        return View()

    @cached_property
    def bridge(self) -> Bridge:
        from app.ui.bridge import Bridge

        connect, reconnect = self._connects
        return Bridge(self.view, connect, reconnect=reconnect, changed=self._changed)

    @cached_property
    def me(self) -> Actor:
        """The person at the keyboard, as the journal will name them."""
        return self._me or operator()

    @cached_property
    def mover(self) -> Mover:
        """Moves in from other systems on this machine."""
        from app.link.moving import LocalMover

        return self._mover or LocalMover()

    @cached_property
    def seen(self) -> SeenReporter:
        """Tells the supervisor what was painted of what waits for a person."""
        from app.ui.seen_reporter import SeenReporter

        return SeenReporter(
            lambda: self.client,
            lambda: self.view.status.epoch if self.view.status else 0,
            lambda work: self.run_worker(work, group="seen"),
        )

    @property
    def client(self) -> Client | None:
        return self.bridge.client

    @property
    def hosts(self) -> bool:
        """Whether the supervisor lives in this process, so that runs stop with it."""
        return self.bridge.hosts

    @property
    def problem(self) -> str:
        """What is wrong with the whole room, as one sentence for the banner."""
        status = self.view.status
        return self.bridge.lost or (status.problem if status else "") or self.view.rollback

    def get_key_display(self, binding: Binding) -> str:
        return KEY_NAMES.get(binding.key) or super().get_key_display(binding)

    def get_default_screen(self) -> Screen[None]:
        return OpeningScreen()

    async def on_ready(self) -> None:
        """The first frame is on the terminal: now there is time for the rest, and to connect."""
        await self.push_screen("watch")
        self.run_worker(self._follow(), group="bridge", exclusive=True)
        screen, run_id = self._first
        if run_id is not None:
            self.run_worker(self._open_run_when_known(run_id), group="first")
        elif screen in self.SCREENS:
            await self.show(screen)
        self._check_size(self.size)

    async def _open_run_when_known(self, prefix: str) -> None:
        """Open the run that was asked for, also one so old that the snapshot has left it out."""
        await self.bridge.ready.wait()
        if self.client is None:
            return
        try:
            state = await self.client.run(cast("RunId", prefix))
        except LongwatchError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        self.view.recall(state)
        await self.open_run(state.run.run_id)

    async def _follow(self) -> None:
        try:
            if self._notice:
                self.notify(self._notice, markup=False, timeout=10)
            await self.bridge.run()
        except (LongwatchError, OSError) as error:
            self.failure = str(error)
            self.exit(return_code=1)

    # -- the feed

    def everything(self) -> Changes:
        """All there is, for a screen that draws itself from the start."""
        from app.ui.view import Changes

        view = self.view
        runs, tails = frozenset(view.runs), frozenset(view.tails)
        return Changes(runs, tails, rules=True, rollouts=True, status=True)

    def _changed(self, changes: Changes) -> None:
        if not self.is_running:
            return
        if changes.runs:
            self._ring()
        from app.ui.screens.base import RoomScreen

        screen = self.screen
        if isinstance(screen, RoomScreen):
            screen.view_changed(changes)

    def watch_app_focus(self, focus: bool) -> None:
        """Who turns to the terminal again sees what is on it."""
        if not self.is_running:
            return
        self.presence.focus(focus)
        if focus:
            self._tell_painted()

    async def on_event(self, event: Event) -> None:
        if isinstance(event, InputEvent):
            looked = self.presence.now()
            self.presence.touched()
            if not looked:
                self._tell_painted()
        await super().on_event(event)

    def _tell_painted(self) -> None:
        from app.ui.screens.base import RoomScreen

        if isinstance(self.screen, RoomScreen):
            self.screen.tell_painted()

    def _ring(self) -> None:
        """Ring the bell for what newly needs a person, not for what was there at the start."""
        items = self.view.attention(self.now())
        waiting = frozenset((str(i.kind), i.item_id) for i in items if not i.snoozed)
        if self._known is not None and waiting - self._known:
            self.bell()
        self._known = waiting

    # -- screens

    async def show(self, name: str, of: RunId | None = None) -> None:
        """Bring a named screen to the top, by going back to it when it is already open; with what
        waits of that run, if it is a screen to decide on and something does."""
        screen = self.get_screen(name)
        if screen not in self.screen_stack:
            await self.push_screen(screen)
        while self.screen is not screen:
            await self.pop_screen()
        if of is not None:
            from app.ui.screens.deciding import DecidingScreen

            if isinstance(screen, DecidingScreen):
                screen.look_at(of)

    async def go_to(self, item: AttentionItem) -> None:
        """To the screen on which what waits is answered."""
        from app.ui.widgets.attention_bar import SCREENS

        if (name := SCREENS.get(item.kind)) is not None:
            await self.show(name, item.run_id)
        elif item.run_id:
            await self.open_run(item.run_id)

    async def open_run(self, run_id: RunId) -> None:
        """Show one run, also one so old or so new that the feed has not brought it."""
        from app.ui.screens.run import RunScreen

        if run_id not in self.view.runs and self.client is not None:
            try:
                state = await self.client.run(run_id)
            except LongwatchError as error:
                self.notify(str(error), severity="error", markup=False)
                return
            self.view.recall(state)
        await self.push_screen(RunScreen(run_id))

    async def go_back(self) -> None:
        if self.screen is not self.get_screen("watch"):
            await self.pop_screen()

    async def action_show(self, name: str) -> None:
        await self.show(name)

    async def action_help(self) -> None:
        from app.ui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            await self.push_screen(HelpScreen(self.screen))

    def action_leave(self) -> None:
        """Quit; asks first when runs would stop with this window."""
        live = self.view.live_runs if self.hosts else 0
        if not live:
            self.exit()
            return
        from app.ui.screens.dialogs import Confirm

        text = (
            f"{live} run{'s' * (live != 1)} at work stop{'s' * (live == 1)} with this window, and "
            "go on where they stopped at the next start. Once it is closed, "
            "`longwatch up --detach` lets them go on without one."
        )
        if not isinstance(self.screen, Confirm):
            self.push_screen(Confirm("Quit?", text, yes="quit", no="stay"), self._leave)

    def _leave(self, sure: bool | None) -> None:
        if sure:
            self.exit()

    # -- a terminal that is too small

    def on_resize(self, event: Resize) -> None:
        self._check_size(event.size)

    def _check_size(self, size: Size) -> None:
        from app.ui.screens.small import SmallScreen, fits

        if not fits(size) and not isinstance(self.screen, OpeningScreen | SmallScreen):
            self.push_screen(SmallScreen())
