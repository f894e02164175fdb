"""The SDK's streams over a child process of ours, bounded against floods and garbage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client._transport import TransportStreams
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from app.agents.protocol import Process

_GARBAGE = 200  # lines that are not the protocol
_FLOOD = 5_000  # messages in a row that nobody asked for


@asynccontextmanager
async def process_streams(
    process: Process, garbage: list[str], ended: Callable[[str], None]
) -> AsyncIterator[TransportStreams]:
    """Messages from and to the process. `ended` is told, once, that it is listened to no more,
    and why if it is our choice; a strange line is put into `garbage`."""
    put_in, take_in = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    put_out, take_out = anyio.create_memory_object_stream[SessionMessage](0)
    async with AsyncExitStack() as stack:
        for stream in (put_in, take_in, put_out, take_out):
            stack.push_async_callback(stream.aclose)
        async with anyio.create_task_group() as group:
            group.start_soon(_read, process, put_in, garbage, ended)
            group.start_soon(_write, process, take_out, put_in)
            try:
                yield take_in, put_out
            finally:
                group.cancel_scope.cancel()


async def _read(
    process: Process,
    put_in: MemoryObjectSendStream[SessionMessage | Exception],
    garbage: list[str],
    ended: Callable[[str], None],
) -> None:
    why = ""
    try:
        async with put_in:
            why = await _follow(process, put_in, garbage)
    finally:
        ended(why)


async def _follow(
    process: Process,
    put_in: MemoryObjectSendStream[SessionMessage | Exception],
    garbage: list[str],
) -> str:
    """Pass on what it says to its end; why it was cut off, if it was."""
    strange = unasked = 0
    while True:
        try:
            line = await process.stdout.readline()
        except ValueError:
            return "it sent a line longer than 16 MiB"
        except OSError:
            return ""
        if not line:
            return ""
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:
            strange += bool(line.strip())
            garbage[:] = garbage[:1] or [line[:200].decode(errors="replace")]
            if strange > _GARBAGE:
                return f"it sent {strange} lines that are not the protocol"
            continue
        unasked = unasked + 1 if hasattr(message, "method") else 0
        if unasked > _FLOOD:
            return f"it sent {unasked:,} messages that nobody asked for"
        try:
            await put_in.send(SessionMessage(message))
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            return ""


async def _write(
    process: Process,
    take_out: MemoryObjectReceiveStream[SessionMessage],
    put_in: MemoryObjectSendStream[SessionMessage | Exception],
) -> None:
    async with take_out:
        async for message in take_out:
            text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            try:
                process.stdin.write(text.encode(errors="surrogatepass") + b"\n")
                await process.stdin.drain()
            except (OSError, RuntimeError):
                # Whoever waits for an answer hears of the end instead.
                await put_in.aclose()
                return
