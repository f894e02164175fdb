"""The control room: what `longwatch` opens when it is given no command."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.options import chosen_store
from app.domain.errors import LongwatchError, StoreError

if TYPE_CHECKING:
    from app.link.client import Client


def watch(
    *,
    store: Path | None = None,
    screen: str = "watch",
    run_id: str | None = None,
    notice: str = "",
    project: Path | None = None,
) -> int:
    """Open the control room on a store (default: the chosen one); returns the exit code.

    `project` is the one that new runs are for and whose workflows are shown (default: where it is
    called)."""
    need_terminal()
    place = store or chosen_store()
    if store is None and not (place / "longwatch.db").exists():
        place, notice, project = _or_demo(place, notice, project)

    async def reach() -> Client:
        """Called once the first frame is on the terminal: the store's code loads behind it."""
        from app.link.connect import connect

        return await connect(place, host=True, run=True)

    async def reach_again() -> Client:
        """After a loss only attach: whoever stopped the host does not want it back at once."""
        from app.link.connect import attach

        client = await attach(place)
        if client is None:
            raise StoreError(
                "no supervisor runs: nothing goes on until `longwatch up --detach` or another "
                "`longwatch` starts one, and this window follows it"
            )
        return client

    from app.ui.launch import open_screen

    return open_screen(
        reach,
        screen=screen,
        run_id=run_id,
        notice=notice,
        reconnect=reach_again,
        project=project,
    )


def _or_demo(place: Path, notice: str, project: Path | None) -> tuple[Path, str, Path | None]:
    """Nothing has ever run here: a demonstration that was cut off is what can go on."""
    from app.cli.options import environment_store, named_store

    if named_store() is not None or environment_store() is not None:
        return place, notice, project
    from app.demo.place import interrupted

    found = interrupted()
    if found is None:
        return place, notice, project
    return found[0], "Going on with the demonstration that was interrupted.", found[1]


def need_terminal() -> None:
    """Refuse to draw where it cannot be read. Raises LongwatchError."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise LongwatchError(
            "the control room needs a terminal; in scripts use `longwatch up`, `longwatch runs` "
            "or `longwatch run --headless`"
        )
    if not sys.stderr.isatty():  # the toolkit draws there: the window would be empty, its keys not
        raise LongwatchError(
            "the control room draws on standard error, and that is redirected: start it without "
            "`2>`; LONGWATCH_DEBUG=1 shows where an error came from"
        )
    if os.environ.get("TERM") == "dumb":
        raise LongwatchError(
            "TERM=dumb: this terminal cannot show the control room; set TERM to what it is (such "
            "as xterm-256color), or use `longwatch runs` or `longwatch run --headless`"
        )
    if sys.stdout.encoding.lower().replace("-", "") != "utf8":
        raise LongwatchError(
            f"the locale's encoding is {sys.stdout.encoding} and the control room draws in UTF-8; "
            "set LC_ALL=C.UTF-8, or PYTHONUTF8=1 if the terminal shows UTF-8 all the same"
        )
