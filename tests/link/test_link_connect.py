"""Attach to the supervisor that runs, or become it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from app.domain.errors import StoreError
from app.link.connect import attach, connect, wait_released
from app.link.local import LocalClient
from app.link.remote import SocketClient
from app.store.lock import StoreBusy, StoreLock
from app.store.paths import StorePaths
from tests.support.supervisor import FakeSupervisor
from tests.support.waiting import PATIENCE


async def _connect(
    store: Path, *, host: bool = True, run: bool = True, patience: float = 5
) -> LocalClient | SocketClient:
    return await connect(store, host=host, run=run, opener=FakeSupervisor.open, patience=patience)


async def test_the_first_hosts_and_the_second_attaches(tmp_path: Path) -> None:
    first = await _connect(tmp_path / "s")
    second = await _connect(tmp_path / "s")
    assert (first.hosts, second.hosts) == (True, False)
    await second.close()
    assert (await first.status()).seq == 7
    await first.close()
    assert await attach(tmp_path / "s") is None


async def test_of_starts_at_once_one_hosts_and_all_others_attach(tmp_path: Path) -> None:
    clients = await asyncio.gather(*(_connect(tmp_path / "s") for _ in range(8)))
    assert sum(client.hosts for client in clients) == 1
    assert [(await client.status()).seq for client in clients] == [7] * 8
    for client in sorted(clients, key=lambda c: c.hosts):
        await client.close()


async def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    store = tmp_path / "s"
    store.mkdir(mode=0o700)
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(StorePaths(store).socket))
    dead.close()
    assert StorePaths(store).socket.exists()
    host = await _connect(store)
    assert host.hosts
    guest = await _connect(store)
    assert not guest.hosts
    await guest.close()
    await host.close()


async def test_a_script_command_takes_the_store_without_a_socket(tmp_path: Path) -> None:
    client = await _connect(tmp_path / "s", host=False, run=False)
    assert client.hosts
    assert not StorePaths(tmp_path / "s").socket.exists()
    await client.close()
    await (await _connect(tmp_path / "s")).close()  # and gives it back


async def test_a_start_waits_for_a_script_command(tmp_path: Path) -> None:
    script = await _connect(tmp_path / "s", host=False, run=False)
    start = asyncio.create_task(_connect(tmp_path / "s"))
    await asyncio.sleep(0.15)
    assert not start.done()
    await script.close()
    async with asyncio.timeout(PATIENCE):
        host = await start
    assert host.hosts
    await host.close()


async def test_a_holder_that_never_listens_is_named(tmp_path: Path) -> None:
    store = tmp_path / "s"
    store.mkdir()
    lock = StoreLock(StorePaths(store).lock)
    lock.acquire()
    with pytest.raises(StoreBusy, match="held by process"):
        await _connect(store, patience=0.2)
    with pytest.raises(StoreBusy):
        await wait_released(store, patience=0.1)
    lock.release()
    await wait_released(store)
    lock.acquire()  # waiting for it has not kept it
    lock.release()


async def test_a_socket_that_cannot_be_reached_is_one_sentence(tmp_path: Path) -> None:
    store = tmp_path / "s"
    store.mkdir()
    StorePaths(store).socket.write_text("not a socket")
    assert await attach(store) is None  # connection refused: like any stale file
    StorePaths(store).socket.unlink()
    StorePaths(store).socket.symlink_to(StorePaths(store).socket)
    with pytest.raises(StoreError, match="cannot connect to the supervisor"):
        await attach(store)


async def test_a_host_that_cannot_listen_gives_the_store_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "s"

    async def no_socket(self: LocalClient, path: Path) -> None:
        raise StoreError(f"{path}: no")

    monkeypatch.setattr(LocalClient, "share", no_socket)
    with pytest.raises(StoreError):
        await _connect(store)
    monkeypatch.undo()
    await (await _connect(store)).close()


async def test_closing_twice_and_stopping_while_closing_is_one_ending(tmp_path: Path) -> None:
    client = await _connect(tmp_path / "s")
    assert isinstance(client, LocalClient)
    await client.shutdown()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(client.close(), client.wait_stopped(), client.close())
    await client.close()
    assert await attach(tmp_path / "s") is None
