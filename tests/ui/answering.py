"""Driving the screens on which an operator decides: a clock that is moved, a feed that is fed."""

from __future__ import annotations

from typing import cast

from textual.pilot import Pilot

from app.domain.base import RunId
from app.domain.events import Event, Payload
from app.domain.feed import Committed
from app.domain.run import RunState
from app.ui.app import ControlRoom
from app.ui.screens.deciding import DecidingScreen
from tests.ui.driving import rest, settle
from tests.ui.fakes import FakeClient
from tests.ui.parts import NOW


class Ticker:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds

    def move(self, seconds: float) -> None:
        self.seconds += seconds


async def open_deciding(pilot: Pilot[None], name: str, ticker: Ticker) -> DecidingScreen:
    """Show Approvals or Reviews on this clock; their keys are deaf then."""
    await settle(pilot)
    room = cast(ControlRoom, pilot.app)
    screen = cast(DecidingScreen, room.get_screen(name))
    screen.questions.monotonic = ticker
    await room.show(name)
    await rest(pilot)
    return screen


async def awake(pilot: Pilot[None], name: str, ticker: Ticker) -> DecidingScreen:
    """The same, after the half second."""
    screen = await open_deciding(pilot, name, ticker)
    await wait(pilot, screen, ticker, 0.5)
    return screen


async def wait(pilot: Pilot[None], screen: DecidingScreen, ticker: Ticker, seconds: float) -> None:
    """Let this much time pass on the clock, and the screen notice."""
    ticker.move(seconds)
    screen.draw()
    await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys, and let what they started come to its end."""
    await pilot.press(*keys)
    for _ in range(4):
        await pilot.pause()


class Feed:
    """Puts events on a client's feed, numbered as a journal would."""

    def __init__(self, client: FakeClient) -> None:
        self.client = client
        self.seq = client.snapshot().seq

    def event(self, run_id: RunId, payload: Payload) -> Event:
        self.seq += 1
        return Event(seq=self.seq, at=NOW, run_id=run_id, trace_id="trace", payload=payload)

    def push(self, state: RunState, *payloads: Payload) -> None:
        events = tuple(self.event(state.run.run_id, payload) for payload in payloads)
        self.client.push(Committed(events=events))
