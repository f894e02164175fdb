"""A store that cannot be written when a supervisor starts, or ends: neither waits for ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.domain.base import Clock
from app.domain.commands import CancelRun
from app.domain.errors import Refused, StoreError
from app.domain.task_state import TaskState
from app.engine.machine import Machine
from app.engine.supervisor import Supervisor
from app.store.journal import Journal
from app.store.paths import StorePaths
from app.store.verify import verify
from tests.support.puppet import PuppetDriver, a_project
from tests.support.runs import start, until
from tests.support.story import ADA


def _refuse(journal: Journal, *, refuse: bool = True) -> None:
    """From here on the database refuses, as one without room does."""
    assert journal._writer is not None
    journal._writer._connection.execute(f"PRAGMA query_only={int(refuse)}")


async def _refusing(paths: StorePaths, clock: Clock) -> Journal:
    journal = await Journal.open(paths, clock)
    _refuse(journal)
    return journal


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.store.journal._PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr("app.engine.recorded.PATIENCE", 0.1)


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


async def test_what_is_not_recorded_yet_is_not_said_to_be_done(tmp_path: Path) -> None:
    supervisor = await Supervisor.open(tmp_path / "store", drivers={"scripted": PuppetDriver()})
    run_id = await start(supervisor, a_project(tmp_path / "project"))
    cancel = CancelRun(run_id=run_id, by=ADA)
    _refuse(supervisor._journal)
    later = f"this is not recorded yet: it will be .*, if process {os.getpid()} is still there$"
    with pytest.raises(StoreError, match=later):
        await supervisor.execute(cancel)
    with pytest.raises(
        Refused, match=r"is canceled already; but the store cannot be written: .*, so"
    ):
        await supervisor.execute(cancel)
    assert (await supervisor.run(run_id)).run.state is not TaskState.CANCELED
    _refuse(supervisor._journal, refuse=False)
    await until(supervisor, run_id, lambda state: state.run.state is TaskState.CANCELED)
    await supervisor.close()


async def test_a_script_on_the_store_itself_records_nothing_later(tmp_path: Path) -> None:
    supervisor = await Supervisor.open(tmp_path / "store", run=False)
    run_id = await start(supervisor, a_project(tmp_path / "project"))
    _refuse(supervisor._journal)
    with pytest.raises(StoreError, match="this is not recorded: say it again once"):
        await supervisor.execute(CancelRun(run_id=run_id, by=ADA))
    await supervisor.close()
    supervisor = await Supervisor.open(tmp_path / "store", run=False)
    assert (await supervisor.run(run_id)).run.state is not TaskState.CANCELED
    await supervisor.close()
