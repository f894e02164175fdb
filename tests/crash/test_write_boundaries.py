"""SIGKILL before and after every single write of a real store: nothing acknowledged is lost.

Every boundary is tried with LONGWATCH_BOUNDARIES=all, a spread of them otherwise.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.domain.base import RunId
from app.store.journal import Draft, Journal
from app.store.paths import StorePaths
from app.store.verify import verify
from tests.support.story import FixedClock, two_runs

pytestmark = [pytest.mark.crash, pytest.mark.timeout(1200)]
SPREAD = 24


def play(store: Path, boundary: int, when: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "tests.support.dying_writer", str(store)]
    return subprocess.run([*program, str(boundary), when], capture_output=True, text=True)


async def check(store: Path, acknowledged: int) -> None:
    """What was acknowledged is there, no half of an append is, and the store goes on."""
    journal = await Journal.open(StorePaths(store), FixedClock())
    assert acknowledged <= journal.seq <= acknowledged + 1
    wanted = two_runs()
    events = await journal.reader.events()
    assert [(e.run_id, e.payload) for e in events] == wanted[: journal.seq]
    for run, payload in wanted[journal.seq :]:
        await journal.append([Draft(payload, run_id=RunId(run) if run else None)])
    await journal.close()
    report = await verify(StorePaths(store))
    assert report.ok, report.problems
    assert report.events == len(wanted)


def test_no_acknowledged_event_is_lost_at_any_write_boundary(tmp_path: Path) -> None:
    whole = play(tmp_path / "whole", 0, "before")
    count = int(whole.stdout.split()[-1])
    assert count > 3 * len(two_runs()), "every commit has several boundaries"
    every = os.environ.get("LONGWATCH_BOUNDARIES") == "all"
    step = 1 if every else max(1, count // SPREAD)
    for boundary in range(1, count + 1, step):
        for when in ("before", "after") if every else ("after" if boundary % 2 else "before",):
            store = tmp_path / f"{boundary}-{when}"
            done = play(store, boundary, when)
            assert done.returncode == -9, done.stderr
            acks = [line for line in done.stdout.splitlines() if line.startswith("ack ")]
            asyncio.run(check(store, int(acks[-1][4:]) if acks else 0))
