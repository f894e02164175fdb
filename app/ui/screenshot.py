"""A picture of a screen without a terminal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.domain.errors import StoreError

if TYPE_CHECKING:
    from app.link.client import Client

PATIENCE = 30.0  # seconds for the first snapshot


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

    room = ControlRoom(connect, screen=screen, run_id=run_id)
    async with room.run_test(size=size) as pilot:
        try:
            async with asyncio.timeout(PATIENCE):
                await room.bridge.ready.wait()
        except TimeoutError:
            raise StoreError(f"no snapshot from the supervisor in {PATIENCE:.0f} s") from None
        await pilot.pause(0.2)  # the flush that the snapshot causes, and the drawing after it
        return room.export_screenshot()
