"""Opening the control room on this terminal."""

from __future__ import annotations

import asyncio
import select
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from app.domain.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from app.link.client import Client
    from app.ui.app import ControlRoom


def open_screen(
    connect: Callable[[], Awaitable[Client]],
    *,
    screen: str = "watch",
    run_id: str | None = None,
    notice: str = "",
    reconnect: Callable[[], Awaitable[Client]] | None = None,
    project: Path | None = None,
) -> int:
    """Run the control room until it is left; the process's exit code.

    `connect` is called once the first frame is on the terminal, so that start feels instant; if
    it raises LongwatchError its sentence goes to stderr and the code is 1. `reconnect` is used
    after a loss (default: `connect`). The client is closed at the end: the host's own client
    stops its supervisor in order, one that is attached only hangs up.
    """
    from app.ui.app import ControlRoom

    def room() -> ControlRoom:
        return ControlRoom(
            connect,
            reconnect=reconnect,
            screen=screen,
            run_id=run_id,
            notice=notice,
            project=project,
        )

    return asyncio.run(_open(room))


async def _open(make: Callable[[], ControlRoom]) -> int:
    room = make()
    loop = asyncio.get_running_loop()
    # A closed terminal or a kill leaves as `q` does, so that children are ended in order.
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, room.exit)
    try:
        await room.run_async()
    finally:
        if room.hosts and room.view.live_runs:
            _say("stopping in order; runs go on at the next start")
        await room.bridge.close()
    if room.failure:
        _say(printable(room.failure))
        return 1
    return room.return_code or 0


def _say(sentence: str) -> None:
    """On stderr. A terminal that is gone, or that takes nothing any more, must not keep what holds
    the store from ending."""
    with suppress(OSError):
        if not select.select([], [sys.stderr], [], 0.1)[1]:
            return
        sys.stderr.write(f"longwatch: {sentence}\n")
        sys.stderr.flush()
