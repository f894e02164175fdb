"""Reaching a store's supervisor: attach to the one that runs, or become it."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from app.domain.errors import StoreError
from app.link.local import Hosted, LocalClient
from app.link.words import cannot_connect
from app.store.lock import Owner, StoreBusy, StoreLock, is_held, read_owner
from app.store.paths import StorePaths

if TYPE_CHECKING:
    from app.link.remote import SocketClient

PATIENCE = 10.0  # seconds to wait for a holder that does not listen (it starts, stops, or is
# a script command that holds the store for an instant)
_RETRY = 0.05


class StoreDeaf(StoreBusy):
    """Another process holds the store and lets nobody attach."""

    def __init__(self, store: Path, owner: Owner | None) -> None:
        super().__init__(StorePaths(store).lock, owner)
        who = f"process {owner.pid} on {owner.host}" if owner else "another process"
        self.args = (
            f"{store}: the store is held by {who}, which does not answer at "
            f"{StorePaths(store).socket}; wait until it is done, or stop it, and try again",
        )


class Opener(Protocol):
    """`Supervisor.open`."""

    async def __call__(self, store: Path, *, run: bool = True) -> Hosted: ...


async def connect(
    store: Path,
    *,
    host: bool,
    run: bool = True,
    opener: Opener | None = None,
    patience: float = PATIENCE,
) -> LocalClient | SocketClient:
    """A client of the store at `store`.

    Attaches to the supervisor that runs. With none running, takes the store in this process:
    with `host`, shared over the socket so that others attach; `run=False` starts no agents,
    for a script command that wants to read or to leave a decision in the journal. Of two that
    start at once one wins and the other attaches. Raises StoreError (StoreBusy when the
    holder does not let anybody attach within `patience` seconds).
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while True:
        attached = await attach(store)
        if attached is not None:
            return attached
        try:
            return await _take(store, host=host, run=run, opener=opener)
        except StoreBusy as busy:
            if loop.time() >= deadline:
                raise StoreDeaf(store, busy.owner) from None
            await asyncio.sleep(_RETRY)


async def attach(store: Path) -> SocketClient | None:
    """A client of the supervisor that runs on this store, or None when none listens."""
    path = StorePaths(store).socket
    try:
        connected = await _connected(path)
        from app.link.remote import SocketClient  # all that can be said: once somebody listens

        return await SocketClient.dial(path, connected)
    except (FileNotFoundError, NotADirectoryError, ConnectionError):
        return None
    except OSError as error:
        raise StoreError(f"{path}: {cannot_connect(error)}") from error


async def _connected(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, os.fspath(path))
    except BaseException:
        made.close()
        raise
    return made


def deaf_holder(store: Path) -> StoreDeaf | None:
    """What to tell of a store that is held although nobody listens; None when it is free."""
    lock = StorePaths(store).lock
    return StoreDeaf(store, read_owner(lock)) if is_held(lock) else None


async def wait_released(store: Path, patience: float = 30.0) -> None:
    """Until nobody holds the store any more; StoreBusy when that takes too long."""
    lock = StoreLock(StorePaths(store).lock)
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        try:
            lock.acquire()
        except StoreBusy:
            if asyncio.get_running_loop().time() >= deadline:
                raise
            await asyncio.sleep(_RETRY)
        else:
            lock.release()
            return


async def _take(store: Path, *, host: bool, run: bool, opener: Opener | None) -> LocalClient:
    if opener is None:
        from app.engine.supervisor import Supervisor

        opener = Supervisor.open
    client = LocalClient(await opener(store, run=run))
    try:
        if host:
            await client.share(StorePaths(store).socket)
    except BaseException:
        await client.close()
        raise
    client.watch()
    return client
