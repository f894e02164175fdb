"""Trees of processes: found by parentage, group and mark, and ended together. Blocking."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import psutil

MARKER_STORE = "LONGWATCH_STORE_ID"
MARKER_EPOCH = "LONGWATCH_EPOCH"
_SAME_SECONDS = 0.5  # the kernel's start time, as read twice, differs by rounding only


def same_process(pid: int, started: float) -> bool:
    """Whether `pid` still is the process that started then, and not a later one."""
    try:
        process = psutil.Process(pid)
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and abs(process.create_time() - started) < _SAME_SECONDS
    except psutil.Error:
        return False


def end_tree(pid: int, started: float, grace_seconds: float) -> None:
    """SIGTERM to the process, its group and its descendants; SIGKILL to what is left.

    `pid` must be the leader of its own group, as all our children are.
    """
    tree = _tree(pid, started)
    _signal_group(pid, started, signal.SIGTERM)
    for process in tree:
        _signal(process, signal.SIGTERM)
    _, left = psutil.wait_procs(tree, timeout=grace_seconds)
    # What was forked meanwhile is found by looking again; a fork bomb needs several rounds.
    for _ in range(20):
        left = [p for p in {*left, *_tree(pid, started), *_group(pid)} if _alive(p)]
        if not left:
            return
        for process in left:
            _signal(process, signal.SIGKILL)
        _signal_group(pid, started, signal.SIGKILL)
        psutil.wait_procs(left, timeout=0.2)


def marked_processes(store_id: str, before_epoch: int) -> Iterator[tuple[int, float]]:
    """Processes, with start times, that carry this store's mark of an earlier epoch."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid == os.getpid():
                continue
            environment = process.environ()
            epoch = environment.get(MARKER_EPOCH, "")
            ours = environment.get(MARKER_STORE) == store_id and epoch.isdigit()
            if ours and int(epoch) < before_epoch and _alive(process):
                yield process.pid, process.create_time()


def _tree(pid: int, started: float) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        if abs(root.create_time() - started) >= _SAME_SECONDS:
            return []
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def _group(pid: int) -> list[psutil.Process]:
    """Members of the process group, orphans included."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) == pid:
                found.append(process)
    return found


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.Error):
        process.send_signal(number)


def _signal_group(pid: int, started: float, number: signal.Signals) -> None:
    # The group may outlive its leader; its number is not reused while a member lives.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
