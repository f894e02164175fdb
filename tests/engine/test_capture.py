"""Short commands: their output bounded, counted and hashed, their tree gone."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import tracemalloc
from pathlib import Path

import pytest

from app.domain.errors import DriverError
from app.engine import capture as capture_module
from app.engine.capture import Captured, Keep
from app.engine.processes import ProcessRegistry
from tests.support.children import DAEMON, PYTHON, Journal, orphans
from tests.support.waiting import PATIENCE, Limits, until


@pytest.fixture
def said(tmp_path: Path) -> Path:
    """Touched by a command once it has printed all that it will."""
    return tmp_path / "said"


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Limits:
    return Limits(monkeypatch, capture_module)


async def capture(processes: ProcessRegistry, *argv: str, keep: Keep | None = None) -> Captured:
    return await processes.run_captured(
        argv,
        cwd="/",
        env={"PATH": os.defpath},
        purpose="test",
        timeout=PATIENCE,
        keep=keep or Keep(),
        recorded=False,
    )


async def test_captured_output_is_bounded_counted_and_hashed(
    processes: ProcessRegistry, journal: Journal
) -> None:
    code = "import sys; sys.stdout.write('0123456789' * 1_000_000); sys.stderr.write('oops')"
    done = await processes.run_captured(
        [PYTHON, "-c", code],
        cwd="/",
        env={},
        purpose="test",
        timeout=PATIENCE,
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
    processes: ProcessRegistry, store_id: str, said: Path, limits: Limits
) -> None:
    running = asyncio.create_task(capture(processes, PYTHON, "-c", DAEMON, "60", str(said)))
    await limits.run_out(said.exists)
    done = await running
    assert done.timed_out
    assert done.stdout.text.strip().isdecimal()
    assert orphans(store_id) == []


async def test_a_cancelled_captured_command_is_ended_as_a_tree(
    processes: ProcessRegistry, store_id: str
) -> None:
    argv = [PYTHON, "-c", DAEMON, "60"]
    running = asyncio.create_task(
        processes.run_captured(argv, cwd="/", env={}, purpose="t", timeout=PATIENCE, recorded=False)
    )
    await until(lambda: len(orphans(store_id)) >= 2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert orphans(store_id) == []


async def test_a_flood_is_held_in_little_memory(processes: ProcessRegistry) -> None:
    tracemalloc.start()
    try:
        done = await capture(
            processes, "head", "-c", "30000000", "/dev/zero", keep=Keep(head=10_000, tail=10_000)
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert done.stdout.size == 30_000_000
    assert peak < 3_000_000


async def test_bytes_are_kept_as_they_are(processes: ProcessRegistry) -> None:
    junk = bytes(range(256)) * 10
    code = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 10)"
    done = await capture(processes, PYTHON, "-c", code)
    assert (done.stdout.head, done.stdout.tail, done.stdout.cut) == (junk, b"", 0)
    assert "\ufffd" in done.stdout.text


@pytest.mark.parametrize("size", [9, 10, 11, 15, 16, 100])
async def test_head_and_tail_never_overlap(processes: ProcessRegistry, size: int) -> None:
    wanted = bytes(b"0123456789"[i % 10] for i in range(size))
    code = f"print(''.join('0123456789'[i % 10] for i in range({size})), end='')"
    keep = Keep(head=10, tail=5)
    output = (await capture(processes, PYTHON, "-c", code, keep=keep)).stdout
    assert output.head == wanted[:10]
    assert output.tail == wanted[10:][-5:]
    assert output.cut == max(size - 15, 0)


async def test_nothing_of_the_tail_is_kept_when_it_is_not_wanted(
    processes: ProcessRegistry,
) -> None:
    output = (await capture(processes, "printf", "abcdef", keep=Keep(head=4, tail=0))).stdout
    assert (output.head, output.tail, output.size) == (b"abcd", b"", 6)


async def test_what_was_printed_before_the_time_out_is_there(
    processes: ProcessRegistry, said: Path, limits: Limits
) -> None:
    script = f"echo half; echo why >&2; touch {said}; exec sleep 60"
    running = asyncio.create_task(capture(processes, "sh", "-c", script))
    await limits.run_out(said.exists)
    done = await running
    assert done.timed_out
    assert (done.stdout.text, done.stderr.text) == ("half\n", "why\n")
    assert done.returncode == -signal.SIGTERM


async def test_an_exit_code_and_a_signal_are_told_apart(processes: ProcessRegistry) -> None:
    assert (await capture(processes, "sh", "-c", "exit 143")).returncode == 143
    assert (await capture(processes, "sh", "-c", "kill -TERM $$")).returncode == -signal.SIGTERM


async def test_a_background_child_with_the_pipes_open_is_not_waited_for_beyond_the_time(
    processes: ProcessRegistry, store_id: str, said: Path, limits: Limits
) -> None:
    script = f"echo done; sleep 60 & touch {said}"
    running = asyncio.create_task(capture(processes, "sh", "-c", script))
    await limits.run_out(said.exists)
    done = await running
    assert done.stdout.text == "done\n"
    assert orphans(store_id) == []


async def test_a_command_that_cannot_start_says_so(
    processes: ProcessRegistry, journal: Journal
) -> None:
    with pytest.raises(DriverError, match="test: no-such was not found on PATH"):
        await capture(processes, "no-such")
    assert journal.events == []


async def test_cancelled_at_any_instant_nothing_is_left(
    processes: ProcessRegistry, store_id: str
) -> None:
    for turn in range(15):
        running = asyncio.create_task(capture(processes, "sh", "-c", "sleep 60; true"))
        await asyncio.sleep(turn * 0.002)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert orphans(store_id) == []
