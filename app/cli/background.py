"""Starting the supervisor in the background, in a session of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli.options import CHOOSE
from app.domain.errors import StoreError
from app.link.connect import attach
from app.store.paths import StorePaths

if TYPE_CHECKING:
    from app.link.remote import SocketClient

# Seconds in which a supervisor that does not listen yet must have done something: bringing a store
# of millions of events up to date takes minutes, and to end that is to begin it again later.
START_WAIT = 30.0
TELL_EVERY = 10.0


async def start_in_background(store: Path) -> SocketClient:
    """Start `longwatch up` detached and attach to it; its log is `supervisor.log` in the store.

    Raises StoreError with the child's own last words when it does not come up.
    """
    log = store / "supervisor.log"
    child, start = _start(store, log)
    return await _wait(store, child, log, start)


def _start(store: Path, log: Path) -> tuple[subprocess.Popen[bytes], int]:
    """The child, and how long its log was before it."""
    # A pipe that nobody reads must not be waited for.
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        store.mkdir(mode=0o700, parents=True, exist_ok=True)
        sink = os.open(log, flags, 0o600)
    except OSError as error:
        what = f"{log.name} " if store.is_dir() else ""
        raise StoreError(
            f"{store}: {what}cannot be written ({error.strerror}); {CHOOSE}"
        ) from error
    try:
        start = os.fstat(sink).st_size
        # -P: the current folder may hold a package of our name, which must not be taken for it
        command = [sys.executable, "-P", "-m", "app", "up", "--store", os.fspath(store)]
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
        )
    finally:
        os.close(sink)
    return child, start


async def _wait(store: Path, child: subprocess.Popen[bytes], log: Path, start: int) -> SocketClient:
    from app.store.schema import is_outdated  # what only reads or attaches needs no database

    now = asyncio.get_running_loop().time
    if is_outdated(StorePaths(store).database):
        click.echo("the store is of an older version: it is brought up to date first", err=True)
    begun = moved = now()
    told, used = begun, 0.0
    while True:
        client = await attach(store)
        if client is not None:
            return client
        if child.poll() is not None:
            raise StoreError(f"the supervisor did not start: {_last_words(log, start)}")
        if (more := _worked(child.pid)) > used:
            moved, used = now(), more
        if now() - moved > START_WAIT:
            break
        if now() - told > TELL_EVERY:
            told = now()
            seconds = f"{told - begun:.0f} s"
            click.echo(f"process {child.pid} is still starting, after {seconds}: {log}", err=True)
        await asyncio.sleep(0.05)
    child.terminate()
    child.wait()
    raise StoreError(f"the supervisor did nothing for {START_WAIT:.0f} s, nor listened; see {log}")


def _worked(pid: int) -> float:
    """Seconds for which a process has kept processors busy."""
    import psutil

    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _last_words(log: Path, start: int) -> str:
    said = log.read_bytes()[start:].decode(errors="replace").strip().splitlines()
    if said:
        return said[-1].removeprefix("longwatch: ")
    from app.store.place import is_full

    return f"the disk of {log.parent} is full" if is_full(log.parent) else f"see {log}"
