"""What the engine's tests share: a process registry, and a supervisor with puppets for agents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.engine.processes import ProcessRegistry
from app.engine.supervisor import Supervisor
from tests.support.children import Journal, registry, store_of
from tests.support.puppet import PuppetDriver
from tests.support.waiting import PATIENCE


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes long because the machine is busy is not given up."""
    monkeypatch.setattr("app.engine.processes._CLOSE_SECONDS", PATIENCE)
    monkeypatch.setattr("app.engine.process_tree._STRIKE_SECONDS", PATIENCE)


@pytest.fixture
def store_id(tmp_path: Path) -> str:
    return store_of(tmp_path)


@pytest.fixture
async def journal() -> Journal:
    return Journal()


@pytest.fixture
async def processes(journal: Journal, store_id: str) -> AsyncIterator[ProcessRegistry]:
    async with registry(journal, store_id) as made:
        yield made


@pytest.fixture
def driver() -> PuppetDriver:
    return PuppetDriver()


@pytest.fixture
async def supervisor(tmp_path: Path, driver: PuppetDriver) -> AsyncIterator[Supervisor]:
    made = await Supervisor.open(tmp_path / "store", drivers={"scripted": driver})
    yield made
    await made.close()
