"""Putting together what every part of the engine shares."""

from __future__ import annotations

from collections.abc import Mapping

from app.agents.protocol import Driver
from app.domain import events as ev
from app.domain.base import Clock, IdSource
from app.engine.core import Core
from app.engine.machine import Machine
from app.store.journal import Draft, Journal
from app.store.paths import StorePaths


def make_core(
    journal: Journal,
    paths: StorePaths,
    clock: Clock,
    ids: IdSource,
    drivers: Mapping[str, Driver],
    machine: Machine,
) -> Core:
    """The core of a supervisor that has just opened its journal: a new epoch."""
    epoch = journal.projection.epoch + 1

    async def record(payload: ev.Payload) -> None:
        await journal.append([Draft(payload)])

    processes = machine.processes(record, clock, ids, epoch, store_id=paths.store_id)
    workspaces = machine.workspaces(paths.workspaces, processes)
    return Core(journal, paths, clock, ids, epoch, drivers, processes, workspaces)
