"""A store that cannot be written when a supervisor starts, or ends: neither waits for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.base import Clock
from app.domain.errors import StoreError
from app.engine.machine import Machine
from app.engine.supervisor import Supervisor
from app.store.journal import Journal
from app.store.paths import StorePaths
from app.store.verify import verify


def _refuse(journal: Journal) -> None:
    """From here on the database refuses, as one without room does."""
    assert journal._writer is not None
    journal._writer._connection.execute("PRAGMA query_only=1")


async def _refusing(paths: StorePaths, clock: Clock) -> Journal:
    journal = await Journal.open(paths, clock)
    _refuse(journal)
    return journal


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.store.journal._PATIENCE_SECONDS", 0.1)


async def test_a_start_that_cannot_be_written_says_so_and_lets_go(tmp_path: Path) -> None:
    says = f"{StorePaths(tmp_path).database}: the store cannot be written: "
    with pytest.raises(StoreError, match=says):
        await Supervisor.open(tmp_path, machine=Machine(journal=_refusing))
    await (await Supervisor.open(tmp_path)).close()
    assert (await verify(StorePaths(tmp_path))).ok


async def test_an_end_that_cannot_be_written_is_an_end(tmp_path: Path) -> None:
    supervisor = await Supervisor.open(tmp_path)
    _refuse(supervisor._journal)
    assert (await supervisor.verify()).ok
    with pytest.raises(StoreError, match="the store cannot be written: "):
        await supervisor.close()
    assert supervisor.stopped.is_set()
    await (await Supervisor.open(tmp_path)).close()
