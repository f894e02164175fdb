"""Driving a room in tests: wait for what it has to show, and read what it drew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

from textual.pilot import Pilot

from app.ui.app import ControlRoom

QUIET = 0.15  # seconds in which a flush has told and the screen has drawn


async def settle(pilot: Pilot[None]) -> None:
    """Until the first snapshot is on screen and nothing is under way."""
    room = cast(ControlRoom, pilot.app)
    await room.bridge.ready.wait()
    await pilot.pause(QUIET)


def pressing(*keys: str) -> Callable[[Pilot[None]], Awaitable[None]]:
    """For snapshots: settle, press these keys, settle."""

    async def run(pilot: Pilot[None]) -> None:
        await settle(pilot)
        if keys:
            await pilot.press(*keys)
            await pilot.pause(QUIET)

    return run


def screen_text(room: ControlRoom) -> str:
    """All rows of the screen as plain text."""
    width, height = room.size
    strips = room.screen._compositor.render_strips()
    return "\n".join("".join(s.text for s in strip)[:width].rstrip() for strip in strips[:height])
