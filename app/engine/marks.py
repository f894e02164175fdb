"""The marks that every child and its descendants have in their environment, and a quick look for
them: a supervisor's start need not wait for the thorough one (`process_tree`)."""

from __future__ import annotations

import os
import sys

STORE_ID = "LONGWATCH_STORE_ID"
EPOCH = "LONGWATCH_EPOCH"
PROCESS = "LONGWATCH_PROCESS"

# How often the process table is read again for what has appeared since the last time.
LOOKS = 20


def may_be_marked(store_id: str) -> bool:
    """Whether any process may have the store's mark (blocking, some milliseconds).

    False is certain. True asks for the thorough look; so does whatever cannot be told here.
    """
    if sys.platform != "linux":
        return True
    mark, looked = os.fsencode(f"{STORE_ID}={store_id}"), set[str]()
    for _ in range(LOOKS):
        try:
            new = {one.name for one in os.scandir("/proc") if one.name.isdecimal()} - looked
        except OSError:
            return True
        if not new:
            return not looked  # a table without even this process tells nothing
        if any(mark in _environment(name) for name in new):
            return True
        looked |= new
    return True


def _environment(pid: str) -> bytes:
    """Empty when the process is gone, or another user's."""
    try:
        # Of hundreds of processes, at each start: a `Path` takes three times as long.
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return b""
