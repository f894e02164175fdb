"""What the tests of drivers share: a process host that must end empty, and a scripted model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import psutil
import pytest

from app.agents.protocol import ProcessHost
from app.engine.processes import ProcessRegistry
from app.engine.system import RandomIds, SystemClock
from tests.agents.playing import Journal
from tests.support.model_server import ModelServer
from tests.support.waiting import PATIENCE


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that is slow because the machine is busy is not one that does not react."""
    for name in ("codex.session._REQUEST", "codex.session._INTERRUPT", "acp.session._CANCEL"):
        monkeypatch.setattr(f"app.agents.{name}_SECONDS", PATIENCE)


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
async def host(journal: Journal) -> AsyncIterator[ProcessHost]:
    """The engine's own process host; afterwards nothing that it started may be left."""
    ids = RandomIds()
    registry = ProcessRegistry(journal.record, SystemClock(), ids, 1, ids.new("store"))
    yield registry.host(None)
    left = [pid for pid in journal.pids if psutil.pid_exists(pid)]
    await registry.close()
    assert left == []


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server
