"""A picture of a screen without a terminal."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from app.domain.errors import StoreError

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from app.link.client import Client

PATIENCE = 30.0  # seconds for the first snapshot
STILL = 3.0  # seconds at most until the picture is taken as it is


async def render_svg(
    client: Client, screen: str, size: tuple[int, int], *, run_id: str | None = None
) -> str:
    """The screen as SVG, `size` in columns and rows. The client stays the caller's.

    `screen` is watch, approvals, reviews or run (with `run_id`). Raises StoreError when the
    supervisor does not answer in time.
    """
    from app.ui.app import ControlRoom

    async def connect() -> Client:
        return client

    room = ControlRoom(connect, screen=screen, run_id=run_id, picture=True)
    async with room.run_test(size=size) as pilot:
        try:
            async with asyncio.timeout(PATIENCE):
                await room.bridge.ready.wait()
        except TimeoutError:
            raise StoreError(f"no snapshot from the supervisor in {PATIENCE:.0f} s") from None
        return await _still(pilot)


async def _still(pilot: Pilot[None]) -> str:
    """The picture once it no longer changes: what a screen reads for itself comes later."""
    before, picture = "", ""
    deadline = asyncio.get_running_loop().time() + STILL
    while asyncio.get_running_loop().time() < deadline:
        await pilot.pause(0.15)
        before, picture = picture, pilot.app.export_screenshot()
        if _words(picture) == _words(before):
            break
    return picture


def _words(svg: str) -> str:
    """A picture without the random name that each export gives its styles."""
    return re.sub(r"terminal-\d+-", "", svg)
