"""Moving in on screen: homes, the tree of what would be made, doing it, undoing it, pictures."""

from __future__ import annotations

import asyncio

import pytest
from textual.pilot import Pilot

from app.domain.errors import LongwatchError, NotFound, Refused
from app.domain.migration import (
    Fate,
    Imported,
    Installation,
    ItemKind,
    KeyRecord,
    MigrationPlan,
    Skipped,
    Warned,
)
from app.domain.moving import Compared, FileState, MoveReport, Progress, Standing, Tell, Undone
from app.link.client import Client
from app.link.moving import silent
from app.migrate.report import make_report
from app.ui.app import ControlRoom
from app.ui.screens.dialogs import PromptArea
from app.ui.screens.moving import MovingScreen, Stage
from app.ui.widgets.page import Page
from app.ui.widgets.queue import PickList
from tests.ui import canned
from tests.ui.driving import press, rest, screen_text, settle
from tests.ui.fakes import FakeClient
from tests.ui.parts import ME, NOW
from tests.ui.pictures import SIZES, Compare, utc

__all__ = ["utc"]
pytestmark = pytest.mark.usefixtures("utc", "quick_look")
HOME = Installation(
    system="openclaw", path="/home/mara/.openclaw", detail="openclaw.json, 2 agent folders"
)
TARGET = "/home/mara/longwatch"
DIFF = """\
--- a/longwatch.toml
+++ b/longwatch.toml
@@ -1,3 +1,8 @@
 [[agent]]
 name = "coder"
 driver = "codex"
+
+# Moved in from openclaw by `longwatch migrate`.
+[[agent]]
+name = "scribe"
+model = "groq/llama"
"""


def a_plan() -> MigrationPlan:
    return MigrationPlan(
        system="openclaw",
        generation="present (openclaw.json)",
        source=HOME.path,
        imported=(
            Imported(kind=ItemKind.AGENT, name="scribe", destination="longwatch.toml"),
            Imported(
                kind=ItemKind.SESSION,
                name="scribe",
                destination=".longwatch/imported/scribe",
                detail="312 sessions, 41.0 MB",
            ),
        ),
        skipped=(
            Skipped(kind=ItemKind.CHANNEL, name="im\x1b[2Jessage", reason="it works on macOS only"),
        ),
        warnings=(
            Warned(
                where="openclaw.json: agents.list[0].tools",
                message="tool 'nope' is unknown: scribe does not get it",
            ),
        ),
        keys=(
            KeyRecord(file="openclaw.json", key="a", fate=Fate.MAPPED),
            KeyRecord(file="openclaw.json", key="b", fate=Fate.SECRET, to="TELEGRAM_BOT_TOKEN"),
            KeyRecord(file="openclaw.json", key="c", fate=Fate.REFUSED, reason="is not a text"),
        ),
        key_count=3,
        next_steps=("Run `longwatch workflow check`, then switch workflows on.",),
        secrets=("TELEGRAM_BOT_TOKEN",),
    )


def compared(*more: FileState) -> Compared:
    sessions = tuple(
        FileState(
            path=f".longwatch/imported/scribe/sessions/{n:03}.jsonl",
            standing=Standing.NEW,
            size=130_000,
            private=True,
        )
        for n in range(312)
    )
    files = (
        FileState(
            path="longwatch.toml",
            standing=Standing.CHANGED,
            size=900,
            diff=DIFF,
            note="put into what is there",
        ),
        FileState(path=".longwatch/workflows/scribe.toml", standing=Standing.NEW, size=120),
        FileState(
            path=".longwatch/secrets.env",
            standing=Standing.NEW,
            size=48,
            private=True,
            secret=True,
        ),
        FileState(
            path=".longwatch/agents/scribe/SOUL.md",
            standing=Standing.KEPT,
            size=2048,
            note="it was changed here since it was made: yours stays",
        ),
        *sessions,
        *more,
    )
    return Compared(
        system="openclaw",
        generation="present (openclaw.json)",
        source=HOME.path,
        target=TARGET,
        fresh=False,
        files=tuple(sorted(files, key=lambda file: file.path)),
        warnings=a_plan().warnings,
    )


BLOCKED = FileState(
    path=".longwatch/agents/scribe/USER.md",
    standing=Standing.IN_THE_WAY,
    note="something else is there, which no migration has made: move it away",
)
BACK = Undone(
    target=TARGET,
    system="openclaw",
    source=HOME.path,
    dry_run=True,
    removed=(".longwatch/imported", ".longwatch/secrets.env"),
    restored=("longwatch.toml",),
    changed=(),
)


class FakeMover:
    """`app.link.moving.Mover` over canned plans."""

    default_target = TARGET

    def __init__(self, *homes: Installation, back: Undone | None = None) -> None:
        self.homes, self.back = homes, back
        self.compared = compared()
        self.refuse: LongwatchError | None = None
        self.stands: Progress | None = None  # where an apply stays until it is stopped
        self.stopped = asyncio.Event()
        self.did: list[str] = []

    async def found(self) -> tuple[Installation, ...]:
        return self.homes

    async def at(self, path: str) -> Installation:
        if path == "/nowhere":
            raise NotFound("/nowhere is no home of OpenClaw or OpenFang")
        return Installation(system="openclaw", path=path)

    async def look(self, home: Installation, target: str) -> tuple[Compared, MoveReport]:
        self.did.append(f"look {home.path} {target}")
        if self.refuse is not None:
            raise self.refuse
        return self.compared, make_report(a_plan(), self.compared, dry_run=True)

    async def apply(
        self, home: Installation, target: str, *, client: Client | None, tell: Tell = silent
    ) -> MoveReport:
        self.did.append(f"apply {home.path} {target}")
        if self.stands is not None:
            tell(self.stands)
            await self.stopped.wait()
            raise Refused("stopped: nothing was changed")
        if self.refuse is not None:
            raise self.refuse
        self.back = BACK
        report = make_report(a_plan(), self.compared, dry_run=False)
        return report.model_copy(update={"report_file": ".longwatch/moved/openclaw-1.md"})

    def stop(self) -> None:
        self.stopped.set()

    async def look_back(self, target: str) -> Undone:
        if self.back is None:
            raise NotFound("there is nothing to undo")
        return self.back

    async def undo(self, target: str, *, client: Client | None, force: bool = False) -> Undone:
        self.did.append(f"undo {target} {force}")
        assert self.back is not None
        done, self.back = self.back.model_copy(update={"dry_run": False}), None
        return done


def room_with(mover: FakeMover) -> ControlRoom:
    async def connect() -> Client:
        return FakeClient(canned.running_run())

    return ControlRoom(connect, screen="moving", now=lambda: NOW, me=ME, mover=mover)


async def shown(pilot: Pilot[None], *keys: str) -> MovingScreen:
    await settle(pilot)
    await rest(pilot)
    for key in keys:
        await press(pilot, key)
    screen = pilot.app.screen_stack[-1]
    screen = screen if isinstance(screen, MovingScreen) else pilot.app.screen_stack[-2]
    assert isinstance(screen, MovingScreen)
    return screen


def reading(screen: MovingScreen) -> str:
    return "\n".join(row.text for row in screen.query_one("#text", Page).rows)


async def test_a_home_is_read_moved_in_and_taken_back() -> None:
    mover = FakeMover(HOME)
    room = room_with(mover)
    async with room.run_test(size=(100, 30)) as pilot:
        screen = await shown(pilot, "enter")
        text = reading(screen)
        assert text.index("Warnings") < text.index("Moves in") < text.index("Stays out")
        assert "im␛[2Jessage" in text and "\x1b" not in text
        await shown(pilot, "a", "c")
        assert screen._stage is Stage.DONE
        assert f"1. cd {TARGET} && longwatch" in reading(screen)
        await shown(pilot, "u", "c")
        assert "✓ Taken back." in reading(screen)
        assert mover.did == [
            f"look {HOME.path} {TARGET}",
            f"apply {HOME.path} {TARGET}",
            f"undo {TARGET} False",
        ]


async def test_every_row_of_the_tree_can_be_read() -> None:
    room = room_with(FakeMover(HOME))
    async with room.run_test(size=(100, 30)) as pilot:
        screen = await shown(pilot, "enter")
        texts = []
        for _ in range(12):
            await press(pilot, "j")
            texts.append(reading(screen))
        whole = "\n".join(texts)
        assert "312 files" in whole and "It holds secrets: its content is never shown." in whole
        assert 'name = "scribe"' in whole and "yours stays" in whole


async def test_nothing_is_applied_when_something_is_in_the_way() -> None:
    mover = FakeMover(HOME)
    mover.compared = compared(BLOCKED)
    room = room_with(mover)
    async with room.run_test(size=(100, 30)) as pilot:
        screen = await shown(pilot, "enter", "a")
        assert screen.app.screen is screen and "until that is out of the way" in reading(screen)
        assert mover.did == [f"look {HOME.path} {TARGET}"]


async def test_an_apply_can_be_stopped_and_says_so() -> None:
    mover = FakeMover(HOME)
    mover.stands = Progress("copying", 30, 100, "a.jsonl")
    room = room_with(mover)
    async with room.run_test(size=(100, 30)) as pilot:
        screen = await shown(pilot, "enter", "a", "c")
        assert "30%" in reading(screen)
        await press(pilot, "escape")
        assert screen._stage is Stage.APPLYING
        await press(pilot, "x")
        assert "stopped: nothing was changed" in reading(screen)


async def test_another_folder_and_another_home_can_be_named() -> None:
    mover = FakeMover()
    room = room_with(mover)
    async with room.run_test(size=(100, 30)) as pilot:
        screen = await shown(pilot, "h")
        await press(pilot, *"/nowhere", "enter")
        assert mover.did == [] and room.screen is not screen
        room.screen.query_one(PromptArea).text = "/x/claw"
        await press(pilot, "enter")
        assert mover.did == [f"look /x/claw {TARGET}"]
        await press(pilot, "t")
        room.screen.query_one(PromptArea).text = "/y"
        await press(pilot, "enter")
        assert mover.did[-1] == "look /x/claw /y"
        await press(pilot, "escape")
        assert screen._stage is Stage.HOMES
        assert [pick.item_id for pick in screen.query_one("#files", PickList)._picks] == ["/x/claw"]


async def test_it_is_reached_by_key_from_the_first_screen() -> None:
    room = room_with(FakeMover())
    room._first = ("watch", None)
    async with room.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "m")
        assert "No home of OpenClaw or OpenFang was found" in screen_text(room)


def states(name: str) -> tuple[FakeMover, tuple[str, ...]]:
    mover = FakeMover(HOME, back=BACK if name in ("homes", "undo", "undone") else None)
    match name:
        case "nothing":
            return FakeMover(), ()
        case "homes":
            return mover, ()
        case "plan":
            return mover, ("enter",)
        case "difference":
            return mover, ("enter", "j")
        case "blocked":
            mover.compared = compared(BLOCKED)
            return mover, ("enter",)
        case "sure":
            return mover, ("enter", "a")
        case "applying":
            mover.stands = Progress(
                "copying", 14_200_000, 41_000_000, ".longwatch/imported/scribe/sessions/107.jsonl"
            )
            return mover, ("enter", "a", "c")
        case "done":
            return mover, ("enter", "a", "c")
        case "failed":
            mover.refuse = Refused(
                "run run-7f3a (Add retry to the uploader) works in /home/mara/longwatch: let it"
                " end, cancel it, or stop its supervisor with `longwatch down` (its runs go on"
                " afterwards)"
            )
            return mover, ("enter",)
        case "undo":
            mover.back = BACK.model_copy(update={"changed": (".longwatch/agents/scribe/SOUL.md",)})
            return mover, ("j", "u")
    return mover, ("j", "u", "c")


NAMES = (
    "nothing",
    "homes",
    "plan",
    "difference",
    "blocked",
    "sure",
    "applying",
    "done",
    "failed",
    "undo",
    "undone",
)


@SIZES
@pytest.mark.parametrize("name", NAMES)
def test_moving(snap_compare: Compare, name: str, size: tuple[int, int]) -> None:
    mover, keys = states(name)

    async def before(pilot: Pilot[None]) -> None:
        screen = await shown(pilot, *keys)
        while mover.stands is not None and "%" not in reading(screen):
            await rest(pilot)  # its clock has not come round yet
        await rest(pilot)

    assert snap_compare(room_with(mover), terminal_size=size, run_before=before)
