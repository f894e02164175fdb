"""Driving a room in tests: wait for what it has to show, and read what it drew."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from textual.app import App
from textual.pilot import Pilot

from app.ui.app import ControlRoom
from tests.support.waiting import PATIENCE
from tests.ui.fakes import FakeClient

QUIET = 0.15  # seconds in which a flush has told and the screen has drawn, if all goes well


async def rest(pilot: Pilot[None]) -> None:
    """Until all that came on the feed is told, and what it caused is laid out and drawn."""
    await pilot.pause(QUIET)
    while _has_to_tell(pilot.app):
        await pilot.pause(0.01)
    for _ in range(3):
        await pilot.pause()


def _has_to_tell(app: App[None]) -> bool:
    """Whether the bridge has something to take in, or a flush to come."""
    if not isinstance(app, ControlRoom) or not app.is_running or app.bridge.lost:
        return False
    client, flush = app.bridge.client, app.bridge._flush
    coming = isinstance(client, FakeClient) and client.coming
    return coming or (flush is not None and not flush.cancelled())


async def until_shown(pilot: Pilot[None], words: str) -> None:
    """For what the toolkit brings up when it comes to it, as a search does."""
    async with asyncio.timeout(PATIENCE):
        while words not in screen_text(cast(ControlRoom, pilot.app)):
            await pilot.pause(0.02)


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
