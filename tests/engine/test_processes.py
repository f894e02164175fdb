"""Child processes: recorded before use, ended whole, found again after a crash."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from app.domain.base import ProcessId, RunId
from app.domain.errors import DriverError, StoreError
from app.domain.session import Process
from app.engine.capture import Keep
from app.engine.environment import child_environment
from app.engine.process_tree import EPOCH, PROCESS, STORE_ID
from app.engine.processes import ProcessRegistry
from tests.support.children import (
    PYTHON,
    Journal,
    alive,
    line,
    orphans,
    python,
    registry,
    store_of,
)
from tests.support.waiting import until

STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""
# Leaves group, session and parent, and so every tie but its environment.
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(60)
    os._exit(0)
os.wait()
time.sleep(float(sys.argv[1]))
"""
# A child in another session, without our environment: only descent tells.
STRANGER = """
import os, subprocess, sys, time
child = subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(60)"], env={}, start_new_session=True
)
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def store_id(tmp_path: Path) -> str:
    return store_of(tmp_path)


@pytest.fixture
async def journal() -> Journal:
    return Journal()


@pytest.fixture
async def processes(journal: Journal, store_id: str) -> AsyncIterator[ProcessRegistry]:
    async with registry(journal, store_id) as made:
        yield made


async def test_a_child_is_recorded_before_it_is_handed_out(
    processes: ProcessRegistry, journal: Journal
) -> None:
    journal.open.clear()
    spawning = asyncio.create_task(python(processes, "print(input())", run_id="run-1"))
    await asyncio.sleep(0.1)
    assert not spawning.done()
    journal.open.set()
    child = await spawning
    recorded = journal.started[0].process
    assert (recorded.pid, recorded.run_id, recorded.epoch) == (child.pid, "run-1", 1)
    assert recorded.started == psutil.Process(child.pid).create_time()
    child.stdin.write(b"hello\n")
    assert await line(child) == "hello"
    assert await child.wait() == 0
    await until(lambda: journal.ended)
    assert (journal.ended[0].how, journal.ended[0].returncode) == ("exited", 0)
    assert journal.ended[0].process_id == recorded.process_id


async def test_a_child_leads_its_own_session_and_carries_the_marks(
    processes: ProcessRegistry, store_id: str
) -> None:
    child = await python(processes, "input()")
    assert os.getsid(child.pid) == os.getpgid(child.pid) == child.pid
    environment = psutil.Process(child.pid).environ()
    assert environment.keys() - {"LC_CTYPE"} == {"PATH", STORE_ID, EPOCH, PROCESS}
    assert (environment[STORE_ID], environment[EPOCH]) == (store_id, "1")


async def test_a_child_that_cannot_be_recorded_is_ended(
    processes: ProcessRegistry, journal: Journal, store_id: str
) -> None:
    journal.refuse = StoreError("the disk is full")
    with pytest.raises(StoreError, match="the disk is full"):
        await python(processes, "import time; time.sleep(60)")
    assert orphans(store_id) == []
    assert journal.events == []


async def test_a_cancelled_spawn_leaves_no_child(
    processes: ProcessRegistry, journal: Journal, store_id: str
) -> None:
    journal.open.clear()
    spawning = asyncio.create_task(python(processes, "import time; time.sleep(60)"))
    await asyncio.sleep(0.1)
    spawning.cancel()
    journal.open.set()
    with pytest.raises(asyncio.CancelledError):
        await spawning
    await until(lambda: journal.ended)
    assert orphans(store_id) == []


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["no-such-program"], "no-such-program was not found on PATH"),
        (["/no/such/program"], "/no/such/program does not exist"),
        (["./text"], "not executable"),
        (["./interpreted"], "names an interpreter"),
        (["./garbage"], "not a program for this machine"),
        (["true", "a\0b"], "embedded null byte"),
        (["true", "x" * 3_000_000], "too long"),
    ],
)
async def test_what_cannot_start_is_said_in_one_sentence(
    processes: ProcessRegistry, journal: Journal, tmp_path: Path, argv: list[str], said: str
) -> None:
    (tmp_path / "text").write_text("words")
    for name, content in (("interpreted", b"#!/no/such/sh\n"), ("garbage", b"\x00\x01\x02")):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o755)
    with pytest.raises(DriverError, match=said) as caught:
        await processes.host(None).spawn(
            argv, cwd=str(tmp_path), env={"PATH": os.defpath}, purpose="agent x"
        )
    assert str(caught.value).startswith("agent x: ")
    assert len(str(caught.value).splitlines()) == 1
    assert journal.events == []


async def test_a_missing_folder_is_named(processes: ProcessRegistry) -> None:
    with pytest.raises(DriverError, match="the folder /no/where does not exist"):
        await processes.host(None).spawn(["true"], cwd="/no/where", env={}, purpose="agent x")


async def test_a_child_that_ignores_sigterm_is_ended(
    processes: ProcessRegistry, journal: Journal
) -> None:
    child = await python(processes, STUBBORN)
    assert await line(child) == "ready"
    begun = time.monotonic()
    await asyncio.gather(child.kill(), child.kill())
    assert 1.9 < time.monotonic() - begun < 5
    assert not alive(child.pid)
    assert await child.wait() == -signal.SIGKILL
    await child.kill()
    await until(lambda: journal.ended)
    assert [event.how for event in journal.ended] == ["killed"]


async def test_a_polite_child_is_given_time_to_say_goodbye(processes: ProcessRegistry) -> None:
    code = """
import signal, sys, time
def leave(*_):
    print("bye", flush=True); sys.exit(7)
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True); time.sleep(60)
"""
    child = await python(processes, code)
    await line(child)
    reading = asyncio.create_task(child.stdout.read())
    await child.kill()
    assert await reading == b"bye\n"
    assert await child.wait() == 7


async def test_a_stopped_child_is_ended(processes: ProcessRegistry) -> None:
    child = await python(processes, STUBBORN)
    await line(child)
    os.kill(child.pid, signal.SIGSTOP)
    await child.kill()
    assert not alive(child.pid)


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
while True:
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


async def test_killing_a_run_spares_the_others(processes: ProcessRegistry) -> None:
    mine = await python(processes, "input()", run_id="run-1")
    other = await python(processes, "input()", run_id="run-2")
    await processes.kill_run(RunId("run-1"))
    assert not alive(mine.pid)
    assert alive(other.pid)


async def test_close_ends_all_and_starts_nothing_more(journal: Journal, store_id: str) -> None:
    async with registry(journal, store_id) as processes:
        children = [await python(processes, DAEMON, "60") for _ in range(3)]
        daemons = [int(await line(child)) for child in children]
        await processes.close()
        assert not any(map(alive, daemons))
        assert len(journal.ended) == 3
        with pytest.raises(DriverError, match="Longwatch is stopping"):
            await python(processes, "input()")


async def test_a_failing_journal_does_not_stop_the_killing(
    processes: ProcessRegistry, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    child = await python(processes, "input()")
    journal.refuse = StoreError("the disk is full")
    await child.kill()
    assert not alive(child.pid)
    await until(lambda: "the disk is full" in caplog.text)


SUPERVISOR = """
import asyncio, sys
from tests.support.children import Journal, python, line
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


async def test_captured_output_is_bounded_counted_and_hashed(
    processes: ProcessRegistry, journal: Journal
) -> None:
    import hashlib

    code = "import sys; sys.stdout.write('0123456789' * 1_000_000); sys.stderr.write('oops')"
    done = await processes.run_captured(
        [PYTHON, "-c", code],
        cwd="/",
        env={},
        purpose="test",
        timeout=30,
        keep=Keep(head=12, tail=7),
        recorded=False,
    )
    assert (done.stdout.head, done.stdout.tail) == (b"012345678901", b"3456789")
    assert (done.stdout.size, done.stdout.cut) == (10_000_000, 10_000_000 - 19)
    assert done.stdout.digest == hashlib.sha256(b"0123456789" * 1_000_000).digest()
    assert done.stderr.text == "oops"
    assert (done.returncode, done.timed_out) == (0, False)
    assert journal.events == []


async def test_a_captured_command_out_of_time_is_ended_as_a_tree(
    processes: ProcessRegistry, store_id: str
) -> None:
    done = await processes.run_captured(
        [PYTHON, "-c", DAEMON, "60"], cwd="/", env={}, purpose="test", timeout=0.5
    )
    assert done.timed_out
    assert done.stdout.text.strip().isdecimal()
    assert orphans(store_id) == []


async def test_a_cancelled_captured_command_is_ended_as_a_tree(
    processes: ProcessRegistry, store_id: str
) -> None:
    argv = [PYTHON, "-c", DAEMON, "60"]
    running = asyncio.create_task(
        processes.run_captured(argv, cwd="/", env={}, purpose="t", timeout=60, recorded=False)
    )
    await until(lambda: len(orphans(store_id)) >= 2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert orphans(store_id) == []


def test_the_environment_is_minimal() -> None:
    base = {
        "PATH": "/bin",
        "HOME": "/home/a",
        "LC_TIME": "C",
        "TERM": "xterm",
        "OPENAI_API_KEY": "secret",
        "AWS_SECRET": "secret",
        "GIT_DIR": "/elsewhere",
    }
    assert child_environment((), base=base) == {
        "PATH": "/bin",
        "HOME": "/home/a",
        "LC_TIME": "C",
        "TERM": "dumb",
    }
    named = child_environment(("OPENAI_API_KEY", "NOT_SET"), base=base)
    assert named["OPENAI_API_KEY"] == "secret"
    assert "NOT_SET" not in named
    assert child_environment((), base={})["PATH"] == os.defpath
