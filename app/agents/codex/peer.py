"""The JSON-RPC peer: our requests and their replies over one pair of pipes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from app.agents.codex.models import Wire
from app.agents.codex.wire import (
    Garbage,
    Notification,
    Params,
    Reply,
    RpcError,
    ServerRequest,
    frame,
    parse,
)
from app.domain.errors import DriverError

_FAIR = 64  # messages between two chances for others to run
Incoming = Notification | ServerRequest


class ConnectionLost(DriverError):
    """The agent's process or its pipe is gone."""


class NoAnswer(DriverError):
    """The agent's process is there, and says nothing."""


class Peer:
    """Sends requests, matches replies, and hands everything else to `receive` in order."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        receive: Callable[[Incoming], Awaitable[None]],
    ) -> None:
        self._reader, self._writer, self._receive = reader, writer, receive
        self._waiting: dict[int | str, asyncio.Future[Params]] = {}
        self._next_id = 0
        self._lost: ConnectionLost | None = None
        self.garbage: Counter[str] = Counter()  # lines that are not protocol, by their start

    async def listen(self) -> str:
        """Read until the pipe ends; returns why, in words."""
        why = "it closed its output"
        taken = 0
        try:
            while line := await self._reader.readline():
                await self._take(line)
                taken += 1
                if taken % _FAIR == 0:  # buffered lines are read without ever giving way
                    await asyncio.sleep(0)
        except ValueError:  # StreamReader's way to say that a line passes its limit
            why = "it sent a line beyond the limit of 16 MiB"
        except OSError as error:
            why = f"its output cannot be read ({error})"
        finally:
            self._lose(ConnectionLost(f"codex is gone: {why}"))
        return why

    async def _take(self, line: bytes) -> None:
        message = parse(line)
        if isinstance(message, Garbage):
            if message.line and len(self.garbage) < 100:
                self.garbage[message.line[:80]] += 1
        elif isinstance(message, Reply):
            future = self._waiting.pop(message.request_id, None)
            if future is not None and not future.done():
                self._settle(future, message)
        else:
            await self._receive(message)

    @staticmethod
    def _settle(future: asyncio.Future[Params], reply: Reply) -> None:
        if reply.error is None:
            future.set_result(reply.result)
        else:
            future.set_exception(reply.error)

    def _lose(self, lost: ConnectionLost) -> None:
        self._lost = self._lost or lost
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(lost)
        self._waiting.clear()

    def call(self, method: str, params: Wire) -> asyncio.Future[Params]:
        """Send a request now; the future holds its result, RpcError or ConnectionLost."""
        future: asyncio.Future[Params] = asyncio.get_running_loop().create_future()
        if self._lost is not None:
            future.set_exception(self._lost)
            return future
        self._next_id += 1
        self._waiting[self._next_id] = future
        self.post({"id": self._next_id, "method": method, "params": dump(params)})
        return future

    async def request(self, method: str, params: Wire, *, within: float) -> Params:
        """Send a request and wait for its result, at most `within` seconds.

        Raises RpcError when it is refused, ConnectionLost, or NoAnswer.
        """
        future = self.call(method, params)
        try:
            async with asyncio.timeout(within):
                await self._drain()
                return await future
        except TimeoutError:
            raise NoAnswer(f"codex did not answer {method} within {within:g} s") from None
        finally:
            if not future.cancel() and not future.cancelled():
                future.exception()  # seen: what was raised above is the same or comes before it

    def post(self, message: Params) -> None:
        """Write a message without waiting. A broken pipe shows when reading ends."""
        if self._lost is None and not self._writer.is_closing():
            self._writer.write(frame(message))

    async def flush(self, *, within: float) -> None:
        """Wait until what was posted is with the kernel.

        Raises ConnectionLost, or DriverError when codex does not read.
        """
        try:
            async with asyncio.timeout(within):
                await self._drain()
        except TimeoutError:
            raise DriverError(f"codex has not read its input for {within:g} s") from None

    async def _drain(self) -> None:
        if self._lost is not None:
            raise self._lost
        try:
            await self._writer.drain()
        except OSError as error:
            raise ConnectionLost(f"codex is gone: {error}") from error

    def notify(self, method: str) -> None:
        self.post({"method": method})

    def reply(self, request_id: int | str, result: Wire) -> None:
        self.post({"id": request_id, "result": dump(result)})

    def refuse(self, request_id: int | str, code: int, message: str) -> None:
        self.post({"id": request_id, "error": {"code": code, "message": message}})


def dump(params: Wire) -> Params:
    """A message of ours as it goes on the wire; what is None is left out."""
    return params.model_dump(by_alias=True, exclude_none=True)


__all__ = ["ConnectionLost", "Incoming", "NoAnswer", "Peer", "RpcError"]
