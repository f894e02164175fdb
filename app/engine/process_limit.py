"""How many processes one child may become: a fork bomb is ended before it is everybody's trouble.

Two bounds. A child cannot make the user's processes more than they were at its start by some
thousands (RLIMIT_NPROC; the kernel does not hold root to it). And what one child and its
descendants are together is looked at as soon as the machine has some more processes than before,
and every few seconds anyway, since others' ends can hide that; too many, and all of them are ended.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

from app.domain.errors import ConfigError
from app.engine.marks import PROCESS

LIMIT_VARIABLE = "LONGWATCH_MAX_PROCESSES"
LOOK_SECONDS = 0.5
LOOKS = 10  # of these looks, the one that asks whose they are, however few more there are
_DEFAULT_LIMIT = 512
_TASKS = 8  # tasks per process: threads count for the kernel


def limit_of_a_child() -> int:
    """How many processes one child and its descendants may be at once. Raises ConfigError."""
    named = os.environ.get(LIMIT_VARIABLE, "").strip()
    if not named:
        return _DEFAULT_LIMIT
    if not named.isdecimal() or not 8 <= int(named) <= 1_000_000:
        raise ConfigError(
            f"{LIMIT_VARIABLE} = {named!r}: how many processes an agent may be at once is a whole "
            "number from 8 to 1000000"
        )
    return int(named)


def limit_tasks(pid: int, limit: int) -> None:
    """Hold a child that has just started to so many processes more than there are now, where the
    kernel can do that (Linux). It is a second line: a child that has ended meanwhile is no error.
    """
    if sys.platform != "linux":
        return
    import resource

    with suppress(OSError, ValueError, IndexError):
        tasks = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NPROC)
        wanted = tasks + limit * _TASKS
        if soft == resource.RLIM_INFINITY or wanted < soft:
            resource.prlimit(pid, resource.RLIMIT_NPROC, (wanted, hard))


def count_processes() -> int:
    """How many processes the machine has: a quick look."""
    import psutil  # here: it is loaded with the first child

    return len(psutil.pids())


def count_by_child(roots: dict[int, str]) -> Counter[str]:
    """How many processes belong to each child (blocking). `roots`: their pids and process ids."""
    import psutil

    found = Counter[str]()
    for pid in psutil.pids():
        name = ""
        with suppress(OSError):
            name = roots.get(os.getsid(pid), "")
        if not name:
            with suppress(psutil.Error, OSError):
                name = psutil.Process(pid).environ().get(PROCESS, "")
        if name:
            found[name] += 1
    return found
