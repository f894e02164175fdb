"""Rollouts through SIGKILL: what was acknowledged holds, and no answer slips past a rollback."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.domain import commands as cmd
from app.domain.events import Event, RunCreated
from app.domain.path_name import PathName
from app.domain.rollout_events import RolledBack, RolloutMoved
from app.engine.supervisor import Supervisor
from app.store.lock import StoreBusy
from tests.support.rollouts import Room, a_rollout_project
from tests.support.story import ADA
from tests.support.waiting import PATIENCE

KILLS = int(os.environ.get("LONGWATCH_KILLS", "6"))
SEED = int(os.environ.get("LONGWATCH_SEED", "7"))
# Promotes, asks, rolls back, ticks, opens again, for ever; says each rollback once it is told.
OPERATOR = """
import asyncio, sys
from pathlib import Path
from app.domain import commands as cmd
from app.engine.supervisor import Supervisor
from tests.support.rollouts import Room
from tests.support.story import ADA

async def main(store, project):
    supervisor = await Supervisor.open(Path(store), run=False, drivers={})
    room = Room(supervisor, Path(project))
    number = 0
    while True:
        rollout = await room.open()
        if rollout.closed:
            if rollout.rollback is not None:
                await room.tick_all()
            reopen = cmd.ReopenCandidate(rollout_id=rollout.rollout_id, by=ADA)
            await supervisor.execute(reopen)
        while (await room.state()).share < 100:
            await room.promote("go")
            await room.shadow(50)
        for _ in range(5):
            number += 1
            await room.ask(f"request {number}")
        rollout = await room.roll_back("again")
        print(rollout.version, flush=True)
        for _ in range(3):
            number += 1
            await room.ask(f"request {number}")

asyncio.run(main(*sys.argv[1:]))
"""


def test_a_rollback_that_was_told_holds_after_any_kill(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    project, store = a_rollout_project(tmp_path / "project"), tmp_path / "store"
    told = 0
    for _ in range(KILLS):
        told = max(told, *killed(store, project, rng.random() * 0.3))
        asyncio.run(check(store, project, told))


def killed(store: Path, project: Path, seconds: float) -> list[int]:
    """Let the operator work until a while after its first rollback; the versions that it told."""
    child = subprocess.Popen(
        [sys.executable, "-c", OPERATOR, str(store), str(project)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    assert child.stdout is not None
    first = child.stdout.readline()
    assert first, "the operator has not come to its first rollback"
    time.sleep(seconds)
    os.killpg(child.pid, signal.SIGKILL)
    lines = [first, *child.stdout.read().splitlines()]
    child.wait()
    child.stdout.close()
    return [int(line) for line in lines if line.strip()]


async def taken(store: Path) -> Supervisor:
    """A child that was about to become git holds the dead operator's lock for a moment."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await Supervisor.open(store, run=False, drivers={})
            except StoreBusy:
                await asyncio.sleep(0.05)


async def check(store: Path, project: Path, told: int) -> None:
    supervisor = await taken(store)
    try:
        report = await supervisor.verify()
        assert report.ok, report.problems
        rollout = await Room(supervisor, project).state()
        assert rollout.version >= told
        events: list[Event] = []
        while page := await supervisor.events(after=events[-1].seq if events else 0):
            events += page
        follow(events)
        request = cmd.RollBack(rollout_id=rollout.rollout_id, by=ADA)
        if not rollout.closed:
            await supervisor.execute(request)
    finally:
        await supervisor.close()


def follow(events: list[Event]) -> None:
    """Every run was admitted under the version that was current, on a path that was open."""
    version, share, rollbacks = 1, 0, 0
    for event in events:
        payload = event.payload
        fresh = getattr(payload, "version", None)
        version = fresh if isinstance(fresh, int) else version
        if isinstance(payload, RolloutMoved):
            share = payload.share
        elif isinstance(payload, RolledBack):
            share, rollbacks = 0, rollbacks + 1
        elif isinstance(payload, RunCreated):
            run = payload.run
            assert run.rollout_version == version
            if run.path is PathName.CANDIDATE and not run.shadow:
                assert share > 0
    assert rollbacks


@pytest.mark.parametrize("share", [50, 100])
async def test_a_run_frozen_before_a_kill_is_frozen_after_it(tmp_path: Path, share: int) -> None:
    project, store = a_rollout_project(tmp_path / "project"), tmp_path / "store"
    supervisor = await Supervisor.open(store, run=False, drivers={})
    room = Room(supervisor, project)
    await room.open()
    while (await room.state()).share < share:
        await room.promote("go")
    runs = [await room.ask(f"request {number}") for number in range(10)]
    await room.roll_back()
    await supervisor.close()
    again = await Supervisor.open(store, drivers={})  # this one runs what can go on
    try:
        states = [await again.run(run_id) for run_id in runs]
        ours = [state for state in states if state.run.path is PathName.CANDIDATE]
        assert ours and all(state.frozen for state in ours)
    finally:
        await again.close()
