"""The socket itself: who may speak, what happens to nonsense, to the slow and to the lost."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.base import RunId
from app.domain.commands import CancelRun
from app.domain.errors import Refused, StoreError
from app.domain.feed import Committed, Ended
from app.link import conversation, glance, limits, peer, remote, server, wire
from app.link.backlog import Backlog
from app.link.errors import LinkLost
from app.link.local import LocalClient
from app.link.remote import SocketClient
from tests.support.supervisor import PERSON, FakeSupervisor, an_event
from tests.support.waiting import PATIENCE, until


@asynccontextmanager
async def hosted(folder: Path) -> AsyncIterator[tuple[FakeSupervisor, Path]]:
    supervisor = await FakeSupervisor.open(folder / "store")
    local = LocalClient(supervisor)
    path = folder / "s.sock"
    await local.share(path)
    local.watch()
    try:
        yield supervisor, path
    finally:
        await local.close()


async def _talk(path: Path, *lines: bytes) -> list[dict[str, Any]]:
    """Send raw lines, return every reply after the hello: all that was said before the server hung
    up, or answered what was asked last."""
    reader, writer = await asyncio.open_unix_connection(str(path), limit=limits.REPLY_LIMIT)
    json.loads(await reader.readline())
    writer.writelines([*lines, b'{"id": 999, "call": "status"}\n'])
    replies = list[dict[str, Any]]()
    try:
        while (line := await reader.readline()) and (reply := json.loads(line))["id"] != 999:
            replies.append(reply)
    finally:
        writer.close()
        await writer.wait_closed()
    return replies


async def test_the_socket_is_for_its_owner_only(tmp_path: Path) -> None:
    async with hosted(tmp_path) as (_, path):
        mode = path.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert not path.exists()


async def test_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with hosted(tmp_path) as (_, path):
        monkeypatch.setattr(server, "peer_uid", lambda _: os.getuid() + 1)
        reader, writer = await asyncio.open_unix_connection(str(path))
        reply = wire.ReplyLine.model_validate_json(await reader.readline())
        assert reply.error is not None
        assert "may not use" in reply.error.message
        assert await reader.read() == b""
        writer.close()
        with pytest.raises(StoreError, match="not a supervisor"):
            await SocketClient.dial(path)


async def test_a_socket_of_another_user_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hosted(tmp_path) as (_, path):
        monkeypatch.setattr(remote, "peer_uid", lambda _: os.getuid() + 1)
        with pytest.raises(StoreError, match="belongs to user"):
            await SocketClient.dial(path)


async def test_the_kernel_says_who_is_there() -> None:
    one, two = socket.socketpair(socket.AF_UNIX)
    with one, two:
        assert peer.peer_uid(one) == os.getuid()


@pytest.mark.parametrize("mode", [0o777, 0o770])
async def test_a_folder_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    local = LocalClient(await FakeSupervisor.open(tmp_path / "store"))
    with pytest.raises(StoreError, match="not writable by others"):
        await local.share(folder / "s.sock")
    await local.close()


async def test_a_linked_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(StoreError, match="must be yours"):
        peer.check_folder(tmp_path / "link")


async def test_a_path_too_long_is_one_sentence(tmp_path: Path) -> None:
    local = LocalClient(await FakeSupervisor.open(tmp_path / "store"))
    with pytest.raises(StoreError, match="cannot be made"):
        await local.share(tmp_path / ("x" * 120))
    await local.close()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"\n", "not a request"),
        (b"GET / HTTP/1.1\n", "not a request"),
        (b"\xff\xfe\n", "not a request"),
        (b'{"call": "status"}\n', "id"),
        (b'{"id": 1, "call": "status", "more": 1}\n', "more"),
    ],
)
async def test_a_bad_line_gets_one_clear_error(tmp_path: Path, line: bytes, says: str) -> None:
    async with hosted(tmp_path) as (_, path):
        replies = await _talk(path, line, b'{"id": 2, "call": "status"}\n')
        assert len(replies) == 1
        assert replies[0]["id"] is None
        assert says in replies[0]["error"]["message"]
        assert "\n" not in replies[0]["error"]["message"]


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"id": 1, "call": "launch"}, "there is no call 'launch'"),
        ({"id": 1, "call": "run"}, "run: run_id: field required"),
        ({"id": 1, "call": "runs", "params": {"limit": "many"}}, "runs: limit"),
        ({"id": 1, "call": "execute", "params": {"command": {"do": "explode"}}}, "execute:"),
    ],
)
async def test_a_wrong_call_is_refused_and_the_next_answered(
    tmp_path: Path, request_: dict[str, Any], says: str
) -> None:
    async with hosted(tmp_path) as (supervisor, path):
        wrong, right = json.dumps(request_).encode(), b'{"id": 2, "call": "status"}'
        replies = {r["id"]: r for r in await _talk(path, wrong + b"\n", right + b"\n")}
        assert replies[1]["error"]["type"] == "Refused"
        assert says in replies[1]["error"]["message"]
        assert replies[2]["result"]["seq"] == 7
        assert supervisor.done == []


async def test_a_line_too_long_is_refused(tmp_path: Path) -> None:
    async with hosted(tmp_path) as (_, path):
        replies = await _talk(path, b'{"id": 1, "call": "' + b"x" * limits.REQUEST_LIMIT + b'"}\n')
        assert "may have" in replies[0]["error"]["message"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=200))
async def test_no_bytes_disturb_the_supervisor(tmp_path_factory: Any, junk: bytes) -> None:
    async with hosted(tmp_path_factory.mktemp("junk")) as (supervisor, path):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(junk)
        writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            await reader.read()
        writer.close()
        client = await SocketClient.dial(path)
        assert (await client.status()).seq == 7
        await client.close()
        assert supervisor.done == []


async def test_another_version_is_told_what_to_do(tmp_path: Path) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"protocol": 99, "longwatch": "9.0", "pid": 4, "new": true}\n')
        writer.close()

    path = tmp_path / "s.sock"
    async with await asyncio.start_unix_server(serve, str(path)):
        with pytest.raises(StoreError, match=r"process 4\) is Longwatch 9.0 and this is"):
            await SocketClient.dial(path)


async def test_who_says_nothing_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "HELLO_WAIT", 0.05)
    path = tmp_path / "s.sock"
    quiet = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await quiet.wait()
        writer.close()

    async with await asyncio.start_unix_server(serve, str(path)):
        with pytest.raises(StoreError, match=f"process {os.getpid()} listens here and does not"):
            await SocketClient.dial(path)
        quiet.set()


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[int]:
    """A process that listens at `s.sock`, and was stopped."""
    code = (
        "import os, signal, socket, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()\n"
        "os.kill(os.getpid(), signal.SIGSTOP)\n"
    )
    process = subprocess.Popen([sys.executable, "-S", "-c", code, str(tmp_path / "s.sock")])
    os.waitpid(process.pid, os.WUNTRACED)
    yield process.pid
    process.kill()
    process.wait()


async def test_a_process_that_is_stopped_is_named(
    tmp_path: Path, stopped: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "HELLO_WAIT", 0.05)
    monkeypatch.setattr(glance, "HELLO_WAIT", 0.05)
    says = f"process {stopped} is stopped .*: `kill -CONT {stopped}` lets it go on"
    with pytest.raises(StoreError, match=says):
        await SocketClient.dial(tmp_path / "s.sock")
    with pytest.raises(StoreError, match=says):
        glance.Glance(tmp_path / "s.sock")


async def test_a_path_that_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot connect to the supervisor \(AF_UNIX path too"):
        glance.Glance(tmp_path / ("s" * 120))


async def test_a_vanished_supervisor_fails_open_calls_and_ends_feeds(tmp_path: Path) -> None:
    async with hosted(tmp_path) as (supervisor, path):
        client = await SocketClient.dial(path)
        supervisor.hold.clear()
        call = asyncio.create_task(client.verify())
        feed: Any = client.feed()
        await anext(feed)
    with pytest.raises((LinkLost, StoreError)):
        await call
    assert isinstance(await anext(feed), Ended)
    with pytest.raises(LinkLost):
        await client.status()
    with pytest.raises(StopAsyncIteration):
        await anext(feed)
    again: Any = client.feed()
    assert isinstance(await anext(again), Ended)
    await again.aclose()
    await client.close()


async def test_a_supervisor_that_is_stopping_begins_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.link.server.GRACE", PATIENCE)
    async with hosted(tmp_path) as (supervisor, path):
        first, second = await SocketClient.dial(path), await SocketClient.dial(path)
        supervisor.hold.clear()
        call = asyncio.create_task(first.verify())
        await first.status()
        supervisor.stopped.set()
        await until(lambda: not path.exists())
        with pytest.raises(LinkLost, match="is stopping"):
            await second.execute(CancelRun(run_id=RunId("run-1"), by=PERSON))
        assert not second.changed
        assert supervisor.done == []
        supervisor.hold.set()
        assert (await call).ok  # what has begun is finished
        await first.close()
        await second.close()


async def test_a_slow_reader_is_dropped_and_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "FAREWELL", 0.2)
    monkeypatch.setattr(conversation, "Backlog", lambda: Backlog(max_lines=50, max_bytes=1 << 30))
    async with hosted(tmp_path) as (supervisor, path):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b'{"id": 1, "call": "feed"}\n')
        await reader.readline()
        await reader.readline()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        client = await SocketClient.dial(path)
        feed: Any = client.feed()
        await anext(feed)
        async with asyncio.timeout(PATIENCE):
            got = 0
            while len(supervisor.readers) == 2:
                supervisor.publish(Committed(events=(an_event(8),) * 200))
                got += isinstance(await anext(feed), Committed)  # the quick one misses nothing
        assert got > 50
        assert (await client.status()).seq == 7
        await feed.aclose()
        await client.close()
        writer.close()


async def test_a_reader_behind_its_backlog_hears_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "Backlog", lambda: Backlog(max_lines=1))
    async with hosted(tmp_path) as (supervisor, path):
        client = await SocketClient.dial(path)
        async with asyncio.timeout(PATIENCE), aclosing(client.feed()) as feed:  # type: ignore[type-var]
            await anext(feed)
            for seq in range(8, 30):
                supervisor.publish(Committed(events=(an_event(seq),)))
            items = [item async for item in feed]
        assert isinstance(items[-1], Ended)
        assert "too slow" in items[-1].why
        await client.close()


async def test_a_backlog_takes_one_line_of_any_length_but_no_second() -> None:
    backlog = Backlog(max_lines=2, max_bytes=10)
    assert backlog.put(b"x" * 100)
    assert not backlog.put(b"y")
    backlog.finish(b"bye", drop=True)
    assert await backlog.take() == b"bye"
    assert await backlog.take() == b""
    assert not backlog.put(b"z")


async def test_an_answer_too_long_for_a_line_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "REPLY_LIMIT", 1500)
    async with hosted(tmp_path) as (_, path):
        client = await SocketClient.dial(path)
        with pytest.raises(Refused, match="too long"):
            await client.runs()
        assert (await client.status()).seq == 7
        await client.close()
