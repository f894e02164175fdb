"""A process registry without a store, and a look at what its children left behind."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from app.agents.protocol import Process as Handle
from app.domain.events import Payload, ProcessEnded, ProcessStarted
from app.engine.marks import STORE_ID
from app.engine.process_tree import family
from app.engine.processes import ProcessRegistry
from app.engine.system import SystemClock

PYTHON = sys.executable
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
        if sys.argv[2:]:
            open(sys.argv[2], "w").close()  # for who cannot see what was printed
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


class CountingIds:
    """Ids in order: p-1, p-2, …"""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new(self, prefix: str) -> str:
        return f"{prefix}-{next(self._numbers)}"


@dataclass
class Journal:
    """Keeps what was recorded; can be slow, or refuse."""

    events: list[Payload] = field(default_factory=list)
    refuse: Exception | None = None
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    async def record(self, payload: Payload) -> None:
        await self.open.wait()
        if self.refuse is not None:
            raise self.refuse
        self.events.append(payload)

    @property
    def started(self) -> list[ProcessStarted]:
        return [event for event in self.events if isinstance(event, ProcessStarted)]

    @property
    def ended(self) -> list[ProcessEnded]:
        return [event for event in self.events if isinstance(event, ProcessEnded)]


def orphans(store_id: str) -> list[int]:
    """Pids of living processes that carry the store's mark."""
    found = family((), lambda environment: environment.get(STORE_ID) == store_id)
    return [process.pid for process in found]


def alive(pid: int) -> bool:
    """Whether this pid runs and is no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@asynccontextmanager
async def registry(
    journal: Journal, store_id: str, epoch: int = 1
) -> AsyncIterator[ProcessRegistry]:
    """A registry that is closed at the end, with no process of its store left."""
    made = ProcessRegistry(journal.record, SystemClock(), CountingIds(), epoch, store_id)
    try:
        yield made
    finally:
        await made.close()
        assert orphans(store_id) == []


async def python(
    registry: ProcessRegistry, code: str, *words: str, run_id: str | None = None
) -> Handle:
    """Start a Python program."""
    from app.domain.base import RunId

    host = registry.host(RunId(run_id) if run_id else None)
    return await host.spawn(
        [PYTHON, "-c", code, *words], cwd="/", env={"PATH": os.defpath}, purpose="test"
    )


async def line(process: Handle) -> str:
    """The next line that it prints."""
    return (await process.stdout.readline()).decode().strip()


def store_of(folder: Path) -> str:
    """A store id that no other test has."""
    return f"test-{folder}"
