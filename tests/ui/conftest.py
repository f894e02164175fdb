"""A control room over canned states: fixed clock, fixed person, nothing that moves by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from app.domain.run import RunState
from app.domain.session import Chunk
from app.link.client import Client
from app.ui.app import ControlRoom
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
