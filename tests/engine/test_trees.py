"""Whole trees of processes: ended with all that left them, and found again after a crash."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from app.domain.base import ProcessId
from app.domain.session import Process
from app.engine.marks import PROCESS, may_be_marked
from app.engine.process_limit import LIMIT_VARIABLE
from app.engine.processes import ProcessRegistry
from tests.support.children import (
    DAEMON,
    PYTHON,
    STRANGER,
    STUBBORN,
    Journal,
    alive,
    line,
    orphans,
    python,
    registry,
    store_of,
)
from tests.support.waiting import until


@pytest.mark.parametrize("words", [(DAEMON, "60"), (STRANGER,)])
async def test_descendants_that_left_the_group_are_ended(
    processes: ProcessRegistry, words: tuple[str, ...]
) -> None:
    child = await python(processes, *words)
    descendant = int(await line(child))
    assert os.getsid(descendant) != child.pid
    await child.kill()
    assert not alive(descendant)


async def test_what_a_child_leaves_behind_at_its_own_end_is_ended(
    processes: ProcessRegistry, journal: Journal
) -> None:
    child = await python(processes, DAEMON, "0")
    daemon = int(await line(child))
    assert await child.wait() == 0
    await until(lambda: journal.ended)
    assert not alive(daemon)
    assert await child.stdout.read() == b""


async def test_a_fork_bomb_is_ended(processes: ProcessRegistry, store_id: str) -> None:
    code = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
end = time.monotonic() + 60  # it must not outlive a test that fails
while time.monotonic() < end:
    time.sleep(0.01)
    if os.fork() == 0:
        os.setsid()
    else:
        os._exit(0)
"""
    child = await python(processes, code)
    await line(child)
    await asyncio.sleep(0.2)
    await child.kill()
    assert orphans(store_id) == []


@pytest.mark.parametrize("masked", [False, True])
async def test_a_crowd_is_ended_though_others_become_fewer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, masked: bool
) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "8")
    monkeypatch.setattr("app.engine.processes.LOOK_SECONDS", 0.02)
    if masked:  # as many processes of others end as the crowd begins
        monkeypatch.setattr("app.engine.processes.count_processes", lambda: 1000)
    code = """
import os, time
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        break
time.sleep(60)
"""
    async with registry(Journal(), store_of(tmp_path)) as processes:
        child = await python(processes, code)
        assert await child.wait() != 0
        assert re.fullmatch(r"it was \d+ processes at once \(at most 8\)", child.why)
    assert orphans(store_of(tmp_path)) == []


SUPERVISOR = """
import asyncio, sys
from tests.support.children import Journal, python, line
from app.engine.marks import PROCESS
from app.engine.process_limit import LIMIT_VARIABLE
from app.engine.processes import ProcessRegistry
from app.engine.system import RandomIds, SystemClock

async def main():
    journal = Journal()
    made = ProcessRegistry(journal.record, SystemClock(), RandomIds(), 1, sys.argv[1])
    for code in sys.argv[2:]:
        child = await python(made, code, "60")
        print(await line(child), flush=True)
        print(journal.started[-1].process.model_dump_json(), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_killed_supervisors_children_are_reaped_at_the_next_start(
    journal: Journal, store_id: str, repository: Path
) -> None:
    first = subprocess.Popen(  # noqa: ASYNC220 -- its lines come at once
        [PYTHON, "-c", SUPERVISOR, store_id, DAEMON, STUBBORN],
        cwd=repository,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout is not None
    daemon = int(first.stdout.readline())
    recorded = [Process.model_validate_json(first.stdout.readline())]
    assert first.stdout.readline() == "ready\n"
    unrecorded = Process.model_validate_json(first.stdout.readline())
    first.kill()
    first.wait()
    first.stdout.close()
    assert {daemon, recorded[0].pid, unrecorded.pid} <= set(orphans(store_id))
    gone = recorded[0].model_copy(update={"process_id": ProcessId("p-gone"), "started": 12.5})
    async with registry(journal, store_id, epoch=2) as second:
        mine = await python(second, "input()")
        reaped = await second.reap_leftovers([*recorded, gone])
        assert alive(mine.pid)
        assert orphans(store_id) == [mine.pid]
    assert {process.process_id for process in reaped} == {
        recorded[0].process_id,
        unrecorded.process_id,
    }
    how = {event.process_id: event.how for event in journal.ended}
    assert (how[recorded[0].process_id], how[gone.process_id]) == ("reaped", "exited")


async def test_a_quick_look_tells_whether_anybody_has_the_mark(
    processes: ProcessRegistry, store_id: str
) -> None:
    assert not may_be_marked(store_id) or sys.platform != "linux"
    child = await python(processes, "print('ready', flush=True); input()")
    await line(child)
    assert may_be_marked(store_id)


async def test_a_reused_pid_is_never_killed(processes: ProcessRegistry, journal: Journal) -> None:
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)  # noqa: ASYNC220
    try:
        started = psutil.Process(other.pid).create_time()
        recorded = Process(
            process_id=ProcessId("p-old"), pid=other.pid, started=started - 5, purpose="", epoch=0
        )
        assert await processes.reap_leftovers([recorded]) == []
        assert other.poll() is None
        assert journal.ended[0].how == "exited"
    finally:
        other.kill()
        other.wait()


async def test_this_process_is_never_a_leftover(
    processes: ProcessRegistry, store_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = psutil.Process()
    recorded = Process(
        process_id=ProcessId("p-me"), pid=me.pid, started=me.create_time(), purpose="", epoch=0
    )
    assert await processes.reap_leftovers([recorded]) == []


async def test_another_stores_process_of_the_same_id_is_left_alone(
    processes: ProcessRegistry, store_id: str
) -> None:
    async with registry(Journal(), f"{store_id}-other") as others:
        mine = await python(processes, "print('ready', flush=True); input()")
        other = await python(others, DAEMON, "60")
        await line(mine)
        daemon = int(await line(other))
        assert {psutil.Process(pid).environ()[PROCESS] for pid in (mine.pid, daemon)} == {"p-1"}
        await mine.kill()
        assert alive(other.pid)
        assert alive(daemon)
