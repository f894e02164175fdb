"""Messages between us and an ACP agent: one JSON object a line, over its pipes.

The SDK runs a task for each message that comes in. Updates and permission requests are taken out
before that, one after the other in the order they were sent, and as fast as they are read: an
agent that floods us stops at its pipe instead of filling memory.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]
Take = Callable[[Message], Awaitable[bool]]

_FAIR = 64  # messages between two chances for others to run
_OPEN_REQUESTS = 256  # of the agent at once; more are refused unread
_WRITE_SECONDS = 30.0
_KEPT = 100  # kinds of garbage and of unknown notifications that are counted


class LineTransport:
    """Implements `acp.Transport`. `take` sees each message of the agent that is not a reply
    first, and says whether it has dealt with it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, take: Take
    ) -> None:
        self._reader, self._writer, self._take = reader, writer, take
        self._open: set[int | str] = set()  # the agent's requests that the SDK works on
        self._taken = 0
        self.garbage: Counter[str] = Counter()  # lines that are not protocol, by their start
        self.ignored: Counter[str] = Counter()  # notifications without a meaning here
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def receive(self) -> Message | None:
        """The next message for the SDK; None once the pipe has ended, for good."""
        try:
            while line := await self._reader.readline():
                self._taken += 1
                if self._taken % _FAIR == 0:  # buffered lines are read without ever giving way
                    await asyncio.sleep(0)
                message = self._parse(line)
                if message is not None and await self._for_the_sdk(message):
                    return message
            self._end("it closed its output")
        except ValueError:  # StreamReader's way to say that a line passes its limit
            self._end("it sent a line beyond the limit of 16 MiB")
        except OSError as error:
            self._end(f"its output cannot be read ({error})")
        return None

    def _end(self, why: str) -> None:
        if not self.ended.done():
            self.ended.set_result(why)

    def _parse(self, line: bytes) -> Message | None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if isinstance(message, dict) and _well_formed(message):
            return message
        start = line[:80].decode(errors="replace").strip()
        if start and (start in self.garbage or len(self.garbage) < _KEPT):
            self.garbage[start] += 1
        return None

    async def _for_the_sdk(self, message: Message) -> bool:
        method = message.get("method")
        if method is None:
            return True
        if await self._take(message):
            return False
        if "id" not in message:
            if method in self.ignored or len(self.ignored) < _KEPT:
                self.ignored[method] += 1
            return False
        if len(self._open) >= _OPEN_REQUESTS:
            why = f"more than {_OPEN_REQUESTS} requests are open"
            await self.send(error_reply(message["id"], -32600, why))
            return False
        self._open.add(message["id"])
        return True

    async def send(self, message: Message) -> None:
        """Write a message. Raises ConnectionError for a request that cannot be sent; a reply
        that nobody reads any more is dropped."""
        if "method" not in message:
            self._open.discard(message["id"])
        try:
            if self._writer.is_closing():
                raise ConnectionError("its input is closed")
            text = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
            self._writer.write(text.encode(errors="replace") + b"\n")
            async with asyncio.timeout(_WRITE_SECONDS):
                await self._writer.drain()
        except TimeoutError:
            if "method" in message:
                raise ConnectionError(
                    f"it has not read its input for {_WRITE_SECONDS:g} s"
                ) from None
        except OSError:
            if "method" in message:
                raise

    async def close(self) -> None:
        """Nothing to do: the process's pipes belong to whoever started it."""


def reply(request_id: int | str, result: Message) -> Message:
    """An answer to a request of the agent."""
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def error_reply(request_id: int | str, code: int, why: str) -> Message:
    """A refusal of a request of the agent."""
    error = {"code": code, "message": why}
    return {"jsonrpc": "2.0", "id": request_id, "error": error}


def _well_formed(message: Message) -> bool:
    if "method" in message and not isinstance(message["method"], str):
        return False
    if "id" in message:
        return isinstance(message["id"], int | str)
    return "method" in message
