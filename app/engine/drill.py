"""A rollback rehearsed: on a copy of the store, without agents, and timed."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from app.domain.approval import Actor
from app.domain.base import RolloutId, RunId
from app.domain.path_name import PathName
from app.domain.request import Request
from app.domain.rollout import DrillReport, Rollout
from app.engine.admission import admit_request
from app.engine.approvals import Approvals
from app.engine.core import Core
from app.engine.past_sessions import PastSessions
from app.engine.redaction import Redaction
from app.engine.rollouts import Rollouts
from app.engine.runs import Runs
from app.engine.sessions import SessionKeeper
from app.engine.shadowing import Shadowing
from app.engine.slots import Slots
from app.store.journal import Journal
from app.store.paths import StorePaths
from app.store.schema import open_for_reading

_REQUESTS = 100  # admitted after the rollback


async def drill(core: Core, rollout_id: RolloutId, by: Actor) -> DrillReport:
    """Rehearse the rollback of a rollout on a copy of `core`'s store, which is removed again.

    Raises Refused when there is nothing to roll back, StoreError when it cannot be copied.
    """
    with tempfile.TemporaryDirectory(prefix="longwatch-drill-") as folder:
        paths = StorePaths(Path(folder))
        await asyncio.to_thread(_copy, core.paths, paths)
        journal = await Journal.open(paths, core.clock)
        try:
            copy = Core(
                journal,
                paths,
                core.clock,
                core.ids,
                core.epoch,
                core.drivers,
                core.processes,
                core.workspaces,
            )
            return await _rehearse(copy, rollout_id, by)
        finally:
            await journal.close()


def _copy(source: StorePaths, target: StorePaths) -> None:
    """As SQLite copies a database that is written meanwhile."""
    target.root.mkdir(parents=True, exist_ok=True)
    with (
        closing(open_for_reading(source.database)) as live,
        closing(sqlite3.connect(target.database)) as copy,
    ):
        live.backup(copy)


class _NoRuns(Runs):
    """Nothing runs on a copy, and what runs on the store itself is none of its business."""

    async def halt(self, run_id: RunId) -> None:
        return


async def _rehearse(core: Core, rollout_id: RolloutId, by: Actor) -> DrillReport:
    clean = Redaction((), core.variables).clean
    runs = _NoRuns(
        core,
        SessionKeeper(core, clean, PastSessions(core.workspaces.repository, clean)),
        Approvals(core, clean),
        Slots(1),
        active=False,
    )
    rollouts = Rollouts(core, runs, Shadowing(core, runs, clean), lambda recipe: None)
    before = core.journal.projection.rollouts[rollout_id]
    begun = core.clock.monotonic()
    await rollouts.roll_back(rollout_id, "a drill", by)
    committed = core.clock.monotonic()
    after = core.journal.projection.rollouts[rollout_id]
    stable = 0
    first = committed
    for number in range(_REQUESTS):
        stable += await _request(core, after, number)
        if number == 0:
            first = core.clock.monotonic()
    await rollouts.close()
    return DrillReport(
        name=before.name,
        from_share=before.share,
        shadow=before.shadow,
        frozen=len(after.rollbacks[-1].frozen),
        committed_ms=round((committed - begun) * 1000, 3),
        first_request_ms=round((first - begun) * 1000, 3),
        requests=_REQUESTS,
        on_stable=stable,
    )


async def _request(core: Core, rollout: Rollout, number: int) -> bool:
    request = Request(text=f"drill {number}", user="drill", channel="drill")
    admitted = admit_request(core, rollout, request, None)
    await core.journal.append(admitted.drafts)
    return admitted.run.path is PathName.STABLE and admitted.shadow is None
