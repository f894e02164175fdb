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

START_WAIT = 30.0  # seconds until a supervisor must listen; recovery of a long journal included


async def start_in_background(store: Path) -> SocketClient:
    """Start `longwatch up` detached and attach to it; its log is `supervisor.log` in the store.

    Raises StoreError with the child's own last words when it does not come up.
    """
    log = store / "supervisor.log"
    child, start = _start(store, log)
    return await _wait(store, child, log, start)


def _start(store: Path, log: Path) -> tuple[subprocess.Popen[bytes], int]:
    """The child, and how long its log was before it."""
    try:
        store.mkdir(mode=0o700, parents=True, exist_ok=True)
        sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{store}: cannot be written ({error.strerror}); {CHOOSE}") from error
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
    deadline = now() + START_WAIT
    while now() < deadline:
        client = await attach(store)
        if client is not None:
            return client
        if child.poll() is not None:
            raise StoreError(f"the supervisor did not start: {_last_words(log, start)}")
        await asyncio.sleep(0.05)
        if is_outdated(StorePaths(store).database):  # to end it now would be to begin again later
            deadline = now() + START_WAIT
    child.terminate()
    child.wait()
    raise StoreError(f"the supervisor did not listen within {START_WAIT:.0f} s; see {log}")


def _last_words(log: Path, start: int) -> str:
    said = log.read_bytes()[start:].decode(errors="replace").strip().splitlines()
    if said:
        return said[-1].removeprefix("longwatch: ")
    from app.store.room import is_full

    return f"the disk of {log.parent} is full" if is_full(log.parent) else f"see {log}"
