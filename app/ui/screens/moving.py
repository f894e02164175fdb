"""Moving in: homes of other systems, what would be made of one, and doing it, by key."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from app.domain.errors import LongwatchError, NotFound
from app.domain.migration import Installation
from app.domain.moving import Compared, MoveReport, Progress, Undone
from app.domain.text import one_line
from app.link.moving import Mover
from app.ui import moving_rows as rows
from app.ui.keys import beside, reading_keys
from app.ui.page import Row, row
from app.ui.screens.dialogs import AskText
from app.ui.screens.listing import ListScreen
from app.ui.theme import style
from app.ui.view import Changes
from app.ui.widgets.confirm import AskSure
from app.ui.widgets.page import Page
from app.ui.widgets.queue import Pick, PickList

_HINT = "Enter takes it · Esc back"
_FRAMES = 1 / 10  # seconds between two looks at how far it is


class Stage(StrEnum):
    """What the screen is about."""

    LOOKING = "looking"  # for homes, or into one
    HOMES = "homes"
    PLAN = "plan"
    APPLYING = "applying"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"


class MovingScreen(ListScreen):
    """The list chooses what the text is about: a home, or a file of what would be made."""

    CSS_PATH = [style("dialogs"), style("approvals"), style("moving")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Look", id="move.open"),
        Binding("a", "apply", "Move in", id="move.apply"),
        Binding("t", "target", "To another folder", id="move.target"),
        Binding("h", "home", "Another home", id="move.home"),
        Binding("u", "undo", "Undo", id="move.undo"),
        Binding("r", "reload", "Look again", id="move.reload"),
        Binding("x", "stop", "Stop", id="move.stop"),
        *reading_keys("move"),
    ]
    LIST = "files"
    MARK_CELLS = 10

    def __init__(self) -> None:
        super().__init__()
        self._stage = Stage.LOOKING
        self._homes: tuple[Installation, ...] = ()
        self._named: tuple[Installation, ...] = ()  # by the person, not found by us
        self._home: Installation | None = None
        self._target = ""
        self._plan: tuple[Compared, MoveReport] | None = None
        self._picks: list[Pick] = []
        self._chosen = ""
        self._past: Undone | None = None  # what could be taken back
        self._result: MoveReport | Undone | None = None
        self._problem = ""
        self._progress = Progress("reading")
        self._clock: Timer | None = None

    @property
    def mover(self) -> Mover:
        return self.room.mover

    def on_mount(self) -> None:
        self._target = self.mover.default_target
        self._clock = self.set_interval(_FRAMES, self._draw, pause=True)
        self._draw()
        self.run_worker(self._find(), group="moving", exclusive=True)

    # -- reading

    async def _find(self) -> None:
        """Look for homes, and for what can be taken back."""
        try:
            self._homes = await self.mover.found()
            self._past = await self._look_back()
        except LongwatchError as error:
            return self._fail(error)
        self._stage = Stage.HOMES
        return self._draw()

    async def _look_back(self) -> Undone | None:
        try:
            return await self.mover.look_back(self._target)
        except NotFound:
            return None

    async def _look(self, home: Installation) -> None:
        """Read a home; what would be made of it."""
        self._home, self._stage = home, Stage.LOOKING
        self._draw()
        try:
            self._plan = await self.mover.look(home, self._target)
        except LongwatchError as error:
            return self._fail(error)
        self._stage, self._chosen = Stage.PLAN, rows.SUMMARY
        return self._draw()

    def _fail(self, error: LongwatchError) -> None:
        self._stage, self._problem = Stage.FAILED, str(error)
        self._draw()

    # -- drawing

    def view_changed(self, changes: Changes) -> None:
        if not self.is_mounted:
            return
        self.draw_status()

    def _draw(self) -> None:
        # A worker may come back when the screen has been taken down.
        if not (self.is_mounted and self.children):
            return
        self._picks = self._rows_to_pick()
        if self._chosen not in [pick.item_id for pick in self._picks]:
            self._chosen = self._picks[0].item_id if self._picks else ""
        self.query_one("#files", PickList).show(self._picks, self._chosen)
        head = f"Moving in · to {one_line(self._target, 300)}"
        self.query_one("#head", Static).update(Content.styled(head, "#98a2ac"))
        name = (self._stage, self._chosen, self._home)
        self.query_one("#text", Page).show(self._text(), name=name)
        if self._clock is not None:
            (self._clock.resume if self._stage is Stage.APPLYING else self._clock.pause)()
        self.refresh_bindings()

    def _rows_to_pick(self) -> list[Pick]:
        match self._stage:
            case Stage.HOMES:
                return rows.home_picks((*self._homes, *self._named), self._past)
            case Stage.PLAN if self._plan is not None:
                return rows.plan_picks(self._plan[0])
        return []

    def _text(self) -> list[Row]:
        match self._stage:
            case Stage.LOOKING:
                what = f"reading {one_line(self._home.path, 200)}…" if self._home else "looking…"
                return [row((what, "quiet"))]
            case Stage.HOMES:
                return self._home_text()
            case Stage.PLAN if self._plan is not None:
                return rows.plan_rows(*self._plan, self._chosen)
            case Stage.APPLYING:
                return rows.progress_rows(self._progress, max(10, min(40, self.size.width - 20)))
            case Stage.DONE if isinstance(self._result, MoveReport):
                return rows.done_rows(self._result)
            case Stage.UNDONE if isinstance(self._result, Undone):
                return [row(("✓ Taken back.", "good")), *rows.undo_rows(self._result)]
        return rows.failed_rows(self._problem)

    def _home_text(self) -> list[Row]:
        if self._chosen == rows.UNDO and self._past is not None:
            return rows.undo_rows(self._past)
        home = self._chosen_home()
        return rows.nothing_rows() if home is None else rows.home_rows(home, self._target)

    def _chosen_home(self) -> Installation | None:
        homes = (*self._homes, *self._named)
        return next((home for home in homes if home.path == self._chosen), None)

    # -- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        at = self._stage
        match action:
            case "apply":
                plan = self._plan
                return at is Stage.PLAN and plan is not None and _can(plan[0])
            case "open":
                return at is Stage.PLAN or (at is Stage.HOMES and self._chosen_home() is not None)
            case "home":
                return at is Stage.HOMES
            case "undo":
                return at is Stage.DONE or (at is Stage.HOMES and self._past is not None)
            case "stop":
                return at is Stage.APPLYING
            case "reload" | "target":
                return at not in (Stage.APPLYING, Stage.LOOKING)
        return super().check_action(action, parameters)

    def action_open(self) -> None:
        """A home is read; in the tree the text gets the whole screen, or gives it back."""
        if self._stage is Stage.PLAN:
            self.toggle_class("-full")
            return
        home = self._chosen_home()
        if home is not None:
            self.run_worker(self._look(home), group="moving", exclusive=True)

    def action_move(self, by: int) -> None:
        ids = [pick.item_id for pick in self._picks]
        if ids:
            self._chosen = beside(ids, self._chosen, by)
            self._draw()

    def on_pick_list_picked(self, message: PickList.Picked) -> None:
        self._chosen = message.item_id
        self._draw()
        if message.twice and self._stage is Stage.HOMES:
            self.action_open()

    def action_reload(self) -> None:
        """Look again: into the home that was opened, or for homes."""
        home = self._home if self._stage in (Stage.PLAN, Stage.FAILED) else None
        work = self._look(home) if home is not None else self._find()
        self.run_worker(work, group="moving", exclusive=True)

    def action_target(self) -> None:
        async def take(text: str) -> bool:
            self._target = str(_place(text))
            self._past = await self._look_back()
            if self._stage in (Stage.PLAN, Stage.FAILED):
                self.action_reload()
            self._draw()
            return True

        self.room.drafts.setdefault("move-target", self._target)
        title = "To which folder? One that is new, or a repository."
        self.app.push_screen(AskText(title, _HINT, take, draft="move-target"))

    def action_home(self) -> None:
        async def take(text: str) -> bool:
            try:
                home = await self.mover.at(str(_place(text)))
            except LongwatchError as error:
                self.notify(str(error), severity="error", markup=False)
                return False
            self._named = (*self._named, home)
            self._chosen = home.path
            self.run_worker(self._look(home), group="moving", exclusive=True)
            return True

        title = "Where is the home of OpenClaw or OpenFang?"
        self.app.push_screen(AskText(title, _HINT, take, draft="move-home"))

    def action_apply(self) -> None:
        if self._plan is None or self._home is None:
            return
        compared, report = self._plan
        number = len(compared.changes)
        said = [
            row(f"{number:,} files are made or changed in"),
            row((one_line(report.target, 300), "strong")),
            row(("What was there is kept; u takes all of it back.", "quiet")),
        ]
        if report.warnings:
            said.append(row((f"{len(report.warnings)} to be warned of: read them first.", "need")))
        self.app.push_screen(AskSure("Move in?", said, yes="move in"), self._applied_if)

    def _applied_if(self, sure: bool | None) -> None:
        if sure and self._home is not None:
            self.run_worker(self._apply(self._home), group="moving", exclusive=True)

    async def _apply(self, home: Installation) -> None:
        self.remove_class("-full")
        self._stage, self._progress = Stage.APPLYING, Progress("reading")
        self._draw()
        try:
            self._result = await self.mover.apply(
                home, self._target, client=self.client, tell=self._tell
            )
        except LongwatchError as error:
            return self._fail(error)
        self._stage = Stage.DONE
        return self._draw()

    def _tell(self, progress: Progress) -> None:
        """Called from other threads: the clock draws it."""
        self._progress = progress

    def action_stop(self) -> None:
        self.mover.stop()

    def action_undo(self) -> None:
        self.run_worker(self._ask_undo(), group="moving", exclusive=True)

    async def _ask_undo(self) -> None:
        try:
            found = await self.mover.look_back(self._target)
        except LongwatchError as error:
            return self._fail(error)
        yes = "take it back and keep these aside" if found.changed else "take it back"

        def then(sure: bool | None) -> None:
            if sure:
                work = self._undo(force=bool(found.changed))
                self.run_worker(work, group="moving", exclusive=True)

        await self.app.push_screen(AskSure("Take it back?", rows.undo_rows(found), yes=yes), then)
        return None

    async def _undo(self, *, force: bool) -> None:
        try:
            self._result = await self.mover.undo(self._target, client=self.client, force=force)
            self._past = await self._look_back()
        except LongwatchError as error:
            return self._fail(error)
        self._stage = Stage.UNDONE
        return self._draw()

    async def action_back(self) -> None:
        """From the text to the tree, from the tree to the homes, and then to where one was."""
        if self._stage is Stage.APPLYING:
            self.notify("it is under way: x stops it", markup=False)
        elif self.has_class("-full"):
            self.remove_class("-full")
        elif self._stage in (Stage.PLAN, Stage.DONE, Stage.FAILED, Stage.UNDONE):
            self._home, self._plan, self._stage = None, None, Stage.LOOKING
            self.run_worker(self._find(), group="moving", exclusive=True)
        else:
            await super().action_back()


def _place(text: str) -> Path:
    """A folder as a person names it."""
    return Path(text).expanduser().absolute()


def _can(compared: Compared) -> bool:
    return bool(compared.changes) and not compared.in_the_way
