"""Moving in, for a screen or a command: finding homes, looking, applying and undoing, in a thread,
so that nothing waits for a disk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import Protocol, TypeVar

from app.domain.errors import NotFound, Refused
from app.domain.migration import Installation, MigrationPlan
from app.domain.moving import Compared, MoveReport, Progress, Tell, Undone
from app.domain.text import one_line
from app.link.client import Client

T = TypeVar("T")
DEFAULT_TARGET = "~/longwatch"


def silent(progress: Progress) -> None:
    """Nobody is told."""


class Mover(Protocol):
    """What a screen sees of migrations. Errors are LongwatchError."""

    @property
    def default_target(self) -> str:
        """Where it goes to if nobody says otherwise; absolute."""

    async def found(self) -> tuple[Installation, ...]:
        """The homes of other systems on this machine, the likeliest first."""

    async def at(self, path: str) -> Installation:
        """The home in a folder that a person names. Raises NotFound."""

    async def look(self, home: Installation, target: str) -> tuple[Compared, MoveReport]:
        """What an apply would do, and what it would report. Writes nothing."""

    async def apply(
        self, home: Installation, target: str, *, client: Client | None, tell: Tell = silent
    ) -> MoveReport:
        """Do it. `tell` is called from other threads. Raises Refused while runs are at work in
        the target, as far as `client` knows of any."""

    def stop(self) -> None:
        """Let the apply that is under way end: before its files are in place, nothing of it
        stays."""

    async def look_back(self, target: str) -> Undone:
        """What an undo would do. Raises NotFound."""

    async def undo(self, target: str, *, client: Client | None, force: bool = False) -> Undone:
        """Take the newest migration back. Raises Refused when files were changed since, but for
        `force`."""


class LocalMover:
    """Moves in on this machine."""

    def __init__(
        self, environment: Mapping[str, str] | None = None, home: Path | None = None
    ) -> None:
        self._environment = os.environ if environment is None else environment
        self._home = home or Path.home()
        self._stopped = Event()

    @property
    def default_target(self) -> str:
        return str(self._home / DEFAULT_TARGET.removeprefix("~/"))

    async def found(self) -> tuple[Installation, ...]:
        from app.migrate.detect import detect

        return await _off_the_loop(lambda: detect(self._environment, self._home))

    async def at(self, path: str) -> Installation:
        from app.migrate.detect import openclaw_at, openfang_at

        folder = Path(path)
        home = await _off_the_loop(lambda: openclaw_at(folder) or openfang_at(folder))
        if home is None:
            raise NotFound(f"{one_line(path, 300)} is no home of OpenClaw or OpenFang")
        return home

    def _read(self, home: Installation) -> MigrationPlan:
        from app.migrate.systems import read_home

        return read_home(home.system, Path(home.path), self._environment)

    async def look(self, home: Installation, target: str) -> tuple[Compared, MoveReport]:
        def work() -> tuple[Compared, MoveReport]:
            from app.migrate.apply import look
            from app.migrate.report import make_report

            plan = self._read(home)
            compared = look(plan, Path(target))
            return compared, make_report(plan, compared, dry_run=True)

        return await _off_the_loop(work)

    async def apply(
        self, home: Installation, target: str, *, client: Client | None, tell: Tell = silent
    ) -> MoveReport:
        await refuse_at_work(client, target)
        self._stopped.clear()

        def work() -> MoveReport:
            from app.migrate.apply import apply

            tell(Progress("reading"))
            plan = self._read(home)
            return apply(plan, Path(target), tell=tell, canceled=self._stopped.is_set)

        return await _off_the_loop(work)

    def stop(self) -> None:
        self._stopped.set()

    async def look_back(self, target: str) -> Undone:
        from app.migrate.undo import look_back

        return await _off_the_loop(lambda: look_back(Path(target)))

    async def undo(self, target: str, *, client: Client | None, force: bool = False) -> Undone:
        from app.migrate.undo import undo

        await refuse_at_work(client, target)
        return await _off_the_loop(lambda: undo(Path(target), force=force))


async def _off_the_loop(work: Callable[[], T]) -> T:
    """In a thread; what the disk says no to is one sentence. Raises Refused."""
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        place = f"{one_line(str(error.filename), 300)}: " if error.filename else ""
        raise Refused(f"{place}{error.strerror or error}") from error


async def refuse_at_work(client: Client | None, target: str) -> None:
    """Raise Refused while a run that is not over works in the target."""
    if client is None:
        return
    place = await asyncio.to_thread(lambda: Path(target).expanduser().resolve())
    for run in await client.runs(10_000):
        if not run.state.terminal and Path(run.project) == place:
            title = one_line(run.request.title, 60)
            raise Refused(
                f"run {run.run_id} ({title}) works in {place}: let it end, cancel it, or stop its"
                " supervisor with `longwatch down` (its runs go on afterwards)"
            )
