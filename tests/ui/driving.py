"""Driving a room in tests: wait for what it has to show, and read what it drew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

from textual.pilot import Pilot

from app.ui.app import ControlRoom

QUIET = 0.15  # seconds in which a flush has told and the screen has drawn


async def rest(pilot: Pilot[None]) -> None:
    """Until a flush has told, and what it caused is laid out and drawn."""
    await pilot.pause(QUIET)
    for _ in range(3):
        await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys, and let what they cause be drawn."""
    await pilot.press(*keys)
    await rest(pilot)


async def settle(pilot: Pilot[None]) -> None:
    """Until the first snapshot is on screen and nothing is under way."""
    room = cast(ControlRoom, pilot.app)
    await room.bridge.ready.wait()
    await rest(pilot)


def pressing(*keys: str) -> Callable[[Pilot[None]], Awaitable[None]]:
    """For snapshots: settle, press these keys, settle."""

    async def run(pilot: Pilot[None]) -> None:
        await settle(pilot)
        if keys:
            await pilot.press(*keys)
            await rest(pilot)

    return run


def screen_text(room: ControlRoom) -> str:
    """All rows of the screen as plain text."""
    width, height = room.size
    strips = room.screen._compositor.render_strips()
    return "\n".join("".join(s.text for s in strip)[:width].rstrip() for strip in strips[:height])
