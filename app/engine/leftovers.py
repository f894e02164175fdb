"""What a supervisor that was killed has left running: found, ended, named."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

import psutil

from app.domain.base import ProcessId
from app.domain.session import Process
from app.engine import marks
from app.engine import process_tree as tree
from app.engine.process_tree import Marked, Root

_log = logging.getLogger(__name__)


async def end_leftovers(
    recorded: Sequence[Process], marked: Marked, store_id: str
) -> list[Process]:
    """End the trees of `recorded` processes that still run, and everything marked.

    `marked` says which of those with the store's mark are meant. Returns those that were found
    running and are ended: the recorded ones as recorded, and one entry for each other child that
    has left processes behind. This process and its ancestors are never ended.
    """
    spare, found = await asyncio.to_thread(_look, recorded, marked, store_id)
    if not found:
        return []

    def find() -> list[psutil.Process]:
        # Looked for anew each time, so that a root's number that was reused is not a root.
        alive = {Root(p.pid, p.started) for p in recorded}
        alive = {root for root in alive if root.pid not in spare and tree.is_alive(root)}
        again = {one.pid: one for one in tree.family(alive, marked, spare, freeze=True)}
        return [*(again | {one.pid: one for one in tree.living(known)}).values()]

    known = [one for _, processes in found.values() for one in processes]
    survivors = {one.pid for one in await tree.end(find)}
    for pid in survivors:
        _log.error("process %d, left by an earlier start, cannot be ended", pid)
    return [
        process
        for process, processes in found.values()
        if survivors.isdisjoint(one.pid for one in processes)
    ]


Found = dict[ProcessId, tuple[Process, list[psutil.Process]]]


def _look(
    recorded: Sequence[Process], marked: Marked, store_id: str
) -> tuple[frozenset[int], Found]:
    """Blocking. Who must not be ended; and what runs, by the child whose tree it is."""
    found: Found = {}
    any_marked, spare = marks.may_be_marked(store_id), tree.spared()
    roots = {p.process_id: Root(p.pid, p.started) for p in recorded if p.pid not in spare}
    for process in recorded:
        root = roots.get(process.process_id)
        if root is not None and tree.is_alive(root):
            found[process.process_id] = (process, tree.family([root], _nobody, spare))
    names = {process.process_id: process for process in recorded}
    for one in tree.family((), marked, spare) if any_marked else ():
        environment = tree.environment_of(one)
        process_id = ProcessId(environment.get(marks.PROCESS, f"unrecorded-{one.pid}"))
        process = names.get(process_id) or _unrecorded(process_id, one, environment)
        found.setdefault(process_id, (process, []))[1].append(one)
    return spare, found


def _nobody(_environment: Mapping[str, str]) -> bool:
    return False


def _unrecorded(
    process_id: ProcessId, process: psutil.Process, environment: Mapping[str, str]
) -> Process:
    epoch = environment.get(marks.EPOCH, "0")
    return Process(
        process_id=process_id,
        pid=process.pid,
        started=tree.start_time(process.pid),
        purpose="left by a child that was not recorded",
        epoch=int(epoch) if epoch.isdecimal() else 0,
    )
