"""A control room over canned states: fixed clock, fixed person, nothing that moves by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from textual.notifications import Notification
from textual.pilot import Pilot

from app.domain.run import RunState
from app.domain.session import Chunk
from app.link.client import Client
from app.ui.app import ControlRoom
from app.ui.keys import DeafKeys
from tests.support.waiting import PATIENCE
from tests.ui.fakes import FakeClient
from tests.ui.parts import ME, NOW

MakeRoom = Callable[..., ControlRoom]


def room_over(
    client: FakeClient, *, screen: str = "watch", run_id: str | None = None
) -> ControlRoom:
    """A room that draws the same picture every time."""

    async def connect() -> Client:
        return client

    project = Path("/home/mara/uploader")
    return ControlRoom(
        connect, screen=screen, run_id=run_id, now=lambda: NOW, me=ME, project=project
    )


@pytest.fixture(autouse=True)
def _same_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures must not depend on the terminal that the tests are started in."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _patient_pilot(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first screen is a second of work: a busy machine may take a minute for it."""
    monkeypatch.setattr(Pilot._wait_for_screen, "__defaults__", (PATIENCE,))


@pytest.fixture(autouse=True)
def _lasting_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told for some seconds is still there when a slow machine comes to look at it."""
    monkeypatch.setattr(Notification, "has_expired", False)
    monkeypatch.setattr(Notification, "time_left", 600.0)


@pytest.fixture
def quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what comes after it: the key that confirms a grave answer is awake at once."""
    monkeypatch.setattr(DeafKeys, "seconds", 0.0)


@pytest.fixture
def make_room() -> MakeRoom:
    """`make_room(*runs, tails=..., problem=..., screen=..., run_id=...)`."""

    def make(
        *runs: RunState,
        tails: Sequence[Chunk] = (),
        problem: str = "",
        screen: str = "watch",
        run_id: str | None = None,
    ) -> ControlRoom:
        client = FakeClient(*runs, tails=tails, problem=problem)
        return room_over(client, screen=screen, run_id=run_id)

    return make
