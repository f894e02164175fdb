"""From `roll back` to committed, and to the first request on the stable path, while 200 sessions
stream text; beside one bare commit to the disk.

    .venv/bin/python -m tests.benchmarks.bench_rollback
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from app.agents.protocol import TextDelta
from app.domain import commands as cmd
from app.domain.path_name import PathName
from app.domain.session import ChunkKind
from app.engine.supervisor import Supervisor
from tests.benchmarks.bench_approvals import bare_commits
from tests.support.puppet import PuppetDriver
from tests.support.rollouts import Room, a_rollout_project
from tests.support.story import ADA

BUSY_SESSIONS = 200
ROLLBACKS = 30
_WORDS = "and then it looked at the next file, which was longer than the one before\n"


async def stream(driver: PuppetDriver) -> None:
    """Every session says a line twenty times a second."""
    while True:
        for puppet in driver.sessions:
            if not puppet.closed:
                puppet.events.put_nowait(TextDelta("i", ChunkKind.MESSAGE, _WORDS))
        await asyncio.sleep(0.05)


async def busy(room: Room, driver: PuppetDriver, count: int) -> None:
    for number in range(count):
        await room.ask(f"busy {number}")
    while sum(bool(p.prompts) for p in driver.sessions) < count:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def measure(folder: Path) -> tuple[list[float], list[float], list[int]]:
    driver = PuppetDriver()
    supervisor = await Supervisor.open(
        folder / "store", drivers={"scripted": driver}, max_parallel=2 * BUSY_SESSIONS
    )
    room = Room(supervisor, a_rollout_project(folder / "project"))
    await room.open()
    await busy(room, driver, BUSY_SESSIONS)
    talking = asyncio.create_task(stream(driver))
    committed, answered, frozen = list[float](), list[float](), list[int]()
    try:
        for round_ in range(ROLLBACKS):
            await room.promote("go")
            for number in range(10):
                await room.ask(f"round {round_} request {number}")
            await asyncio.sleep(0.3)
            begun = time.perf_counter()
            rollout = await room.roll_back("measure")
            committed.append(time.perf_counter() - begun)
            run_id = await room.ask(f"after {round_}")
            answered.append(time.perf_counter() - begun)
            assert (await supervisor.run(run_id)).run.path is PathName.STABLE
            frozen.append(len(rollout.rollbacks[-1].frozen))
            await room.tick_all()
            await supervisor.execute(cmd.ReopenCandidate(rollout_id=rollout.rollout_id, by=ADA))
    finally:
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
        await supervisor.close()
    return committed, answered, frozen


def tell(what: str, seconds: list[float], floor: float) -> None:
    ordered = sorted(seconds)
    median, p99 = statistics.median(ordered), ordered[int(0.99 * (len(ordered) - 1))]
    print(
        f"{what:42} median {median * 1000:7.1f} ms  p99 {p99 * 1000:7.1f} ms  "
        f"{median / floor:6.1f} times the floor"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        bare = bare_commits(Path(folder))
        floor = statistics.median(bare)
        committed, answered, frozen = asyncio.run(measure(Path(folder)))
    mean = statistics.mean(frozen)
    print(f"{BUSY_SESSIONS} busy sessions, {ROLLBACKS} rollbacks, {mean:.0f} runs frozen by each")
    tell("one bare commit (floor)", bare, floor)
    tell("roll back -> committed", committed, floor)
    tell("roll back -> first request on stable", answered, floor)


if __name__ == "__main__":
    main()
