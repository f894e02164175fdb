"""SIGKILL at random instants of the headless demo, then the same command again to the end.

    LONGWATCH_KILLS=200 .venv/bin/pytest tests/crash

Every kill hits the real process at a random moment of its life; what follows must be the same
final result, with no step result twice, no risky call twice and no process left.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from app.demo import make_demo
from app.domain import events as ev
from app.domain.events import Event
from app.store.paths import StorePaths
from app.store.reader import Reader
from app.store.verify import verify
from tests.support.waiting import PATIENCE

KILLS = int(os.environ.get("LONGWATCH_KILLS", "4"))
SEED = int(os.environ.get("LONGWATCH_SEED", "1"))
SPEED = "40"

pytestmark = [pytest.mark.crash, pytest.mark.timeout(1200 + 20 * KILLS)]


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "app", "demo", "--headless", "--json"]
    arguments = ["--decide", "approve", "--speed", SPEED, "--keep", str(folder)]
    return subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder.parent
    )


def finish(process: subprocess.Popen[bytes]) -> dict[str, object]:
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err.decode()[-3000:]
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def children_of(store_id: str) -> list[str]:
    """Command lines of processes that carry the store's mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("LONGWATCH_STORE_ID") == store_id:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


async def events_of(paths: StorePaths) -> list[Event]:
    reader = Reader(paths.database)
    await reader.open()
    events = [event async for event in reader.stream()]
    await reader.close()
    return events


def check(folder: Path) -> list[str]:
    """The journal's own account: outputs in order, after all invariants were checked."""
    paths = StorePaths(folder / "store")
    report = asyncio.run(verify(paths))
    assert report.ok, report.problems
    events = asyncio.run(events_of(paths))
    outputs = [e.payload for e in events if isinstance(e.payload, ev.OutputProduced)]
    keys = [(p.step, p.attempt) for p in outputs]
    assert len(keys) == len(set(keys)), f"a step result stands twice: {keys}"
    finished = [e.payload.step for e in events if isinstance(e.payload, ev.StepFinished)]
    assert finished == ["plan", "plan", "plan-review", "implement"], finished
    assert children_of(paths.store_id) == []
    return [f"{p.step}/{p.attempt}: {p.output}" for p in outputs]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], float]:
    """What the demo comes to when nobody kills it, and how long it takes."""
    folder = tmp_path_factory.mktemp("undisturbed") / "demo"
    began = time.monotonic()
    finish(start(folder))
    return check(folder), time.monotonic() - began


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_demo_goes_on_to_the_same_end(
    number: int, tmp_path: Path, undisturbed: tuple[list[str], float]
) -> None:
    expected, duration = undisturbed
    chance = random.Random(SEED * 1000 + number)
    folder = tmp_path / "demo"
    # One to three kills in a row: also recovery itself is cut off.
    for _ in range(chance.randint(1, 3)):
        process = start(folder)
        time.sleep(chance.uniform(0.05, duration))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    result = finish(start(folder))
    run = result["run"]
    assert isinstance(run, dict) and run["state"] == "done"
    assert check(folder) == expected
    demo = make_demo(folder, speed=1.0)
    assert len(demo.pushed()) <= 1, "the risky call was made twice"
