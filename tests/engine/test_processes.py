"""Child processes: recorded before use, ended on every way out."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from app.agents.protocol import Process as Handle
from app.domain.base import RunId
from app.domain.errors import DriverError, StoreError
from app.engine.child import Child
from app.engine.marks import EPOCH, PROCESS, STORE_ID
from app.engine.processes import ProcessRegistry
from tests.support.children import DAEMON, STUBBORN, Journal, alive, line, orphans, python, registry
from tests.support.waiting import PATIENCE, until


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
    child = await python(processes, "print('ready', flush=True); input()")
    await line(child)  # the kernel shows no environment while it loads the program
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


async def test_children_that_ignore_sigterm_or_are_stopped_are_ended(
    processes: ProcessRegistry, journal: Journal
) -> None:
    child, stopped = await python(processes, STUBBORN), await python(processes, STUBBORN)
    assert (await line(child), await line(stopped)) == ("ready", "ready")
    os.kill(stopped.pid, signal.SIGSTOP)
    begun = time.monotonic()
    await asyncio.gather(child.kill(), child.kill(), stopped.kill())
    assert time.monotonic() - begun > 1.9
    assert not alive(child.pid)
    assert not alive(stopped.pid)
    assert await child.wait() == -signal.SIGKILL
    await child.kill()
    await until(lambda: len(journal.ended) == 2)
    assert [event.how for event in journal.ended] == ["killed", "killed"]


async def patiently(child: Handle) -> None:
    """End it with all the time that it may want for that."""
    assert isinstance(child, Child)
    await child.kill(PATIENCE)


async def test_a_polite_child_is_given_time_to_say_goodbye(processes: ProcessRegistry) -> None:
    code = """
import os, signal, time
def leave(*_):
    os.write(1, b"bye\\n"); os._exit(7)
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True); time.sleep(60)
"""
    child = await python(processes, code)
    await line(child)
    reading = asyncio.create_task(child.stdout.read())
    await patiently(child)
    assert await reading == b"bye\n"
    assert await child.wait() == 7


async def test_killing_a_run_spares_the_others(processes: ProcessRegistry) -> None:
    mine = await python(processes, "input()", run_id="run-1")
    other = await python(processes, "input()", run_id="run-2")
    await processes.kill_run(RunId("run-1"))
    assert not alive(mine.pid)
    assert alive(other.pid)


async def test_of_two_who_end_a_child_the_less_patient_is_heeded(
    processes: ProcessRegistry,
) -> None:
    child = await python(processes, STUBBORN, run_id="run-1")
    await line(child)
    ending, begun = asyncio.create_task(patiently(child)), time.monotonic()
    await asyncio.sleep(0.1)
    processes.hurry_run(RunId("run-2"), 0)
    assert alive(child.pid)
    processes.hurry_run(RunId("run-1"), 0.1)
    await ending
    assert time.monotonic() - begun < PATIENCE / 2
    assert not alive(child.pid)


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


async def test_an_end_is_recorded_once(processes: ProcessRegistry, journal: Journal) -> None:
    child = await python(processes, "input()")
    await asyncio.gather(child.kill(), processes.kill_run(RunId("run-1")), child.kill())
    await processes.close()
    await child.kill()
    assert [(event.how, event.returncode) for event in journal.ended] == [
        ("killed", -signal.SIGTERM)
    ]


async def test_a_spawn_cancelled_at_any_instant_leaves_no_child(
    processes: ProcessRegistry, journal: Journal, store_id: str
) -> None:
    for turns in range(40):
        spawning = asyncio.create_task(
            processes.host(None).spawn(["sleep", "60"], cwd="/", env={}, purpose="t")
        )
        for _ in range(turns // 4):
            await asyncio.sleep(0.0005 * (turns % 4))
        spawning.cancel()
        with suppress(asyncio.CancelledError):
            await (await spawning).kill()
    await processes.close()
    assert orphans(store_id) == []
    assert len(journal.started) == len(journal.ended)


async def test_a_cancelled_kill_goes_on(processes: ProcessRegistry) -> None:
    child = await python(processes, STUBBORN)
    await line(child)
    killing = asyncio.create_task(child.kill())
    await asyncio.sleep(0.05)
    killing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await killing
    await until(lambda: not alive(child.pid))


async def test_a_hundred_commands_leave_no_descriptor_and_no_task(
    processes: ProcessRegistry, store_id: str
) -> None:
    async def one() -> None:
        done = await processes.run_captured(
            ["echo", "hello"], cwd="/", env={"PATH": os.defpath}, purpose="t", timeout=PATIENCE
        )
        assert done.stdout.text == "hello\n"

    await one()
    me, tasks = psutil.Process(), len(asyncio.all_tasks())
    descriptors = me.num_fds()
    for _ in range(10):
        await asyncio.gather(*(one() for _ in range(10)))
    await until(lambda: len(asyncio.all_tasks()) == tasks)
    assert me.num_fds() == descriptors
    assert orphans(store_id) == []


async def test_many_stubborn_children_are_closed_at_once_without_standing_still(
    journal: Journal, store_id: str
) -> None:
    argv = ["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 5; done"]
    longest = 0.0  # seconds of this process' work between two beats, whatever else is at work

    async def beat() -> None:
        nonlocal longest
        while True:
            before = time.process_time()
            await asyncio.sleep(0.01)
            longest = max(longest, time.process_time() - before)

    async with registry(journal, store_id) as processes:
        host = processes.host(None)
        children = [
            await host.spawn(argv, cwd="/", env={"PATH": os.defpath}, purpose="t")
            for _ in range(30)
        ]
        for child in children:
            await line(child)
        beating, begun = asyncio.create_task(beat()), time.monotonic()
        await processes.close()
        took = time.monotonic() - begun
        beating.cancel()
    assert took < 40, "30 times the 2 s of grace, one after the other"
    assert longest < 0.5
    assert len(journal.ended) == 30


@pytest.mark.parametrize("ends", [True, False])
async def test_unread_full_pipes_are_in_nobodys_way(
    processes: ProcessRegistry, journal: Journal, ends: bool
) -> None:
    code = """
import os, sys, time
for stream in (1, 2):
    os.set_blocking(stream, False)
    try:
        while True:
            os.write(stream, bytes(65536))
    except BlockingIOError:
        pass
    os.set_blocking(stream, True)
if sys.argv[1] == "True":
    os._exit(0)
os.write(1, bytes(1 << 30))
"""
    me = psutil.Process()
    descriptors = me.num_fds()
    child = await python(processes, code, str(ends))
    if ends:
        assert await child.wait() == 0
        await until(lambda: journal.ended)
    else:
        await asyncio.sleep(0.2)
    async with asyncio.timeout(PATIENCE):
        await child.kill()
    assert not alive(child.pid)
    await until(lambda: me.num_fds() == descriptors)


async def test_writing_to_a_child_that_does_not_read_ends_with_it(
    processes: ProcessRegistry,
) -> None:
    child = await python(processes, "import time; time.sleep(60)")
    child.stdin.write(bytes(4 * 1024 * 1024))
    writing = asyncio.create_task(child.stdin.drain())
    await asyncio.sleep(0.05)
    assert not writing.done()
    await child.kill()
    with pytest.raises(ConnectionError):
        await writing


async def test_a_child_closed_unread_leaves_no_descriptor(journal: Journal, store_id: str) -> None:
    me = psutil.Process()
    descriptors = me.num_fds()
    async with registry(journal, store_id) as processes:
        await processes.host(None).spawn(
            ["head", "-c", "40000000", "/dev/zero"], cwd="/", env={"PATH": os.defpath}, purpose="t"
        )
        await asyncio.sleep(0.3)
    await until(lambda: me.num_fds() == descriptors)
