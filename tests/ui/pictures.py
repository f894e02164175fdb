"""What pictures of the deciding screens have in common: time stands still, on the clock and off."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from textual.pilot import Pilot

from app.ui.screens.deciding import DecidingScreen
from app.ui.widgets.confirm import AskSure
from tests.ui.answering import Ticker, open_deciding, press, wait
from tests.ui.driving import rest, settle

Compare = Callable[..., bool]
Before = Callable[[Pilot[None]], Awaitable[None]]
SIZES = pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times of day are shown where the operator is: here that is Greenwich."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def on(
    name: str,
    *keys: str,
    deaf: bool = False,
    then: Callable[[Pilot[None], DecidingScreen, Ticker], Awaitable[None]] | None = None,
) -> Before:
    """Open Approvals or Reviews, wake its keys, press some, and let a dialog's keys wake."""

    async def run(pilot: Pilot[None]) -> None:
        ticker = Ticker()
        screen = await open_deciding(pilot, name, ticker)
        if not deaf:
            await wait(pilot, screen, ticker, 0.5)
        if keys:
            await press(pilot, *keys)
            ticker.move(0.5)
            if pilot.app.screen is screen:
                # Its own timer, which is real, would draw this sooner or later: now it is sure.
                screen.draw()
        if then is not None:
            await then(pilot, screen, ticker)
        if isinstance(sure := pilot.app.screen, AskSure):
            sure._wake()  # as its own timer would, which is real, sooner or later
        await rest(pilot)

    return run


def in_run(*keys: str) -> Before:
    """The run is open already: press some keys."""

    async def run(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await rest(pilot)
        if keys:
            await press(pilot, *keys)
        await rest(pilot)

    return run
