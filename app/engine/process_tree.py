"""Whole trees of processes: found and ended, also what has left its group or its parent.

A tree is held together by three ties, and a process belongs if one of them holds: it descends
from the root, it is in the session that the root leads, or it inherited the root's mark in its
environment. Everything here that looks at the process table blocks for some milliseconds:
call it in a thread.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

from app.engine.marks import LOOKS

Marked = Callable[[Mapping[str, str]], bool]

# The kernel counts start times in ticks of 10 ms.
_TICK_SECONDS = 0.02
_STRIKE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Root:
    """A process by pid and start time (seconds since the epoch): a pid alone can be reused."""

    pid: int
    started: float


@dataclass(frozen=True, slots=True)
class _Seen:
    process: psutil.Process
    parent: int
    belongs: bool


def start_time(pid: int) -> float:
    """The kernel's start time, or 0.0 (which no process has) if it cannot be told any more."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0


def is_alive(root: Root) -> bool:
    """Whether exactly this process runs: same pid and same start time, and no zombie."""
    try:
        process = psutil.Process(root.pid)
        same = abs(process.create_time() - root.started) < _TICK_SECONDS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def spared() -> frozenset[int]:
    """This process and its ancestors: a supervisor may have been started by an agent's child."""
    me = psutil.Process()
    return frozenset({me.pid, *(parent.pid for parent in me.parents())})


def environment_of(process: psutil.Process) -> Mapping[str, str]:
    """What it was started with; empty when it may not be read."""
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def family(
    roots: Collection[Root], marked: Marked, spare: Collection[int] = (), *, freeze: bool = False
) -> list[psutil.Process]:
    """All living processes that belong to the roots or are marked, and their descendants.

    A root must be alive or have ended just now: later its session's number may be another's.
    With `freeze` each is stopped at sight, to be killed: then no fork can outrun the look.
    """
    started = {root.pid: root.started for root in roots}
    seen = dict[int, _Seen]()
    looked = set(spare)
    for _ in range(LOOKS):
        new = set(psutil.pids()) - looked
        for pid in sorted(new, reverse=True):  # the newest first: they may be forking already
            if (found := _look(pid, started, marked)) is not None:
                seen[pid] = found
                if freeze and found.belongs:
                    send([found.process], signal.SIGSTOP)
        looked |= new
        if not new:
            break
    children = defaultdict[int, list[int]](list)
    for pid, one in seen.items():
        children[one.parent].append(pid)
    chosen = set[int]()
    waiting = [pid for pid, one in seen.items() if one.belongs]
    while waiting:
        pid = waiting.pop()
        if pid not in chosen:
            chosen.add(pid)
            waiting += children[pid]
    return [seen[pid].process for pid in chosen]


def _look(pid: int, started: Mapping[int, float], marked: Marked) -> _Seen | None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            parent, created = process.ppid(), process.create_time()
    except psutil.Error:
        return None
    belongs = (
        (pid in started and abs(started[pid] - created) < _TICK_SECONDS)
        or _in_session(pid, created, started)
        or marked(environment_of(process))
    )
    return _Seen(process, parent, belongs)


def _in_session(pid: int, created: float, started: Mapping[int, float]) -> bool:
    try:
        leader = os.getsid(pid)
    except OSError:
        return False
    return leader != pid and leader in started and created >= started[leader] - _TICK_SECONDS


def living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; zombies do not."""
    return [process for process in processes if _lives(process)]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Signal each; psutil compares start times first, so a reused pid is never hit."""
    for process in processes:
        # Gone already, or another user's now: whoever survives is found by the next look.
        with suppress(psutil.Error):
            process.send_signal(number)


async def end(find: Callable[[], list[psutil.Process]]) -> list[psutil.Process]:
    """SIGKILL what `find` finds until it finds nothing: a fork may race each look.

    Returns who could not be ended within ten seconds: stuck in the kernel, or not ours to kill.
    """
    loop = asyncio.get_running_loop()
    deadline, pause = loop.time() + _STRIKE_SECONDS, 0.005
    while True:
        found = await asyncio.to_thread(_strike, find)
        if not found or loop.time() > deadline:
            return found
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.1)


def _strike(find: Callable[[], list[psutil.Process]]) -> list[psutil.Process]:
    found = find()
    send(found, signal.SIGKILL)
    return found
