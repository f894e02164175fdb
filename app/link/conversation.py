"""One connection of the supervisor's socket: calls answered, or a feed streamed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from typing import Any

from pydantic import ValidationError

from app.domain.errors import Refused
from app.domain.feed import Ended, FeedItem
from app.link.backlog import Backlog
from app.link.client import Client
from app.link.errors import LinkLost
from app.link.failures import describe
from app.link.limits import REPLY_LIMIT, REQUEST_LIMIT
from app.link.wire import (
    CALLS,
    FEED,
    PROTOCOL,
    Call,
    FeedLine,
    Hello,
    ReplyLine,
    RequestLine,
    WireError,
)
from app.version import VERSION

MAX_OPEN_CALLS = 64
FAREWELL = 2.0  # seconds a reader has to take what is left for it
_FIRST = asyncio.FIRST_COMPLETED
_LOG = logging.getLogger(__name__)


class Conversation:
    """Serves one connection until it closes. Owns its calls: they end with it."""

    def __init__(
        self, client: Client, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._client, self._reader, self._writer = client, reader, writer
        self._backlog = Backlog()
        self._feeding = False
        self._stopping = False
        self.calls: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """The supervisor is about to go: calls that come now are not begun any more."""
        self._stopping = True

    def finish(self) -> None:
        """The supervisor is gone: no more calls; a feed ends by itself, as the source's does."""
        if not self._feeding:
            self._reader.feed_eof()

    async def run(self) -> None:
        """Serve until either end has had enough; never raises for what the peer does."""
        try:
            hello = Hello(protocol=PROTOCOL, longwatch=VERSION, pid=os.getpid())
            await self._send(hello.model_dump_json().encode() + b"\n")
            await self._serve()
        except ConnectionError:
            pass  # the peer went away: nothing to tell it, and nothing of ours is lost
        except Exception:
            _LOG.exception("a connection failed")
        finally:
            for call in self.calls:
                call.cancel()
            await asyncio.gather(*self.calls, return_exceptions=True)
            await self._hang_up()

    async def _hang_up(self) -> None:
        self._writer.close()
        try:
            async with asyncio.timeout(FAREWELL):
                await self._writer.wait_closed()
        except TimeoutError:
            self._writer.transport.abort()  # it does not even read its farewell
        except ConnectionError:
            pass  # it hung up first

    async def _serve(self) -> None:
        while (line := await self._next_line()) is not None:
            request = await self._parse(line)
            if request is None:
                return
            if request.call == FEED:
                await self._stream()
                return
            await self._begin(request)

    async def _next_line(self) -> bytes | None:
        """The next request, or None at the end of the conversation."""
        try:
            return await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            return None
        except asyncio.LimitOverrunError:
            await self._complain(f"a request may have {REQUEST_LIMIT} bytes, this has more")
            return None

    async def _parse(self, line: bytes) -> RequestLine | None:
        try:
            return RequestLine.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            await self._complain(
                "not a request: " + (f"{where}: " if where else "") + first["msg"].lower()
            )
            return None

    async def _complain(self, message: str) -> None:
        refusal = ReplyLine(id=None, error=WireError(type="Refused", message=message))
        await self._send(refusal.model_dump_json().encode() + b"\n")

    async def _begin(self, request: RequestLine) -> None:
        while len(self.calls) >= MAX_OPEN_CALLS:
            await asyncio.wait(self.calls, return_when=_FIRST)
        task = asyncio.create_task(self._answer(request), name=f"link call {request.call}")
        self.calls.add(task)
        task.add_done_callback(self.calls.discard)

    async def _answer(self, request: RequestLine) -> None:
        try:
            if self._stopping:
                raise LinkLost("the supervisor is stopping")
            body = b'"result":' + await self._carry_out(request)
            if len(body) > REPLY_LIMIT - 1024:
                raise Refused(f"the answer to {request.call!r} is too long: ask for less at a time")
        except Exception as error:
            body = b'"error":' + describe(error, request.call).model_dump_json().encode()
        with contextlib.suppress(ConnectionError):  # then the peer no longer wants the answer
            await self._send(b'{"id":%d,%s}\n' % (request.id, body))

    async def _carry_out(self, request: RequestLine) -> bytes:
        call: Call[Any, Any] | None = CALLS.get(request.call)
        if call is None:
            raise Refused(f"there is no call {request.call!r}; there are {', '.join(CALLS)}")
        try:
            params = call.params.model_validate(request.params)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise Refused(f"{request.call}: {where}: {first['msg'].lower()}") from None
        return call.result.dump_json(await call.serve(self._client, params))

    async def _send(self, line: bytes) -> None:
        self._writer.write(line)
        await self._writer.drain()

    async def _stream(self) -> None:
        """Write the feed until it ends, the reader falls too far behind, or it goes away."""
        self._feeding = True
        fill = asyncio.create_task(self._fill(self._client.feed()), name="link feed")
        gone = asyncio.create_task(self._until_gone(), name="link feed reader")
        write = asyncio.create_task(self._write(), name="link feed writer")
        tasks = (fill, gone, write)
        try:
            await asyncio.wait(tasks, return_when=_FIRST)
            if not gone.done():  # the feed is over: what is queued has a moment to get out
                await asyncio.wait((gone, write), timeout=FAREWELL, return_when=_FIRST)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_gone(self) -> None:
        while await self._reader.read(65536):
            pass  # nothing more is expected on this connection

    async def _fill(self, feed: AsyncIterator[FeedItem]) -> None:
        """Move the feed into the backlog as fast as it comes, so that the engine never waits."""
        ended = Ended(why="the feed ended")
        try:
            async for item in feed:
                if isinstance(item, Ended):
                    ended = item
                    break
                if not self._backlog.put(_encode(item)):
                    late = Ended(why="this reader was too slow and was dropped")
                    self._backlog.finish(_encode(late), drop=True)
                    break
        except Exception as error:
            ended = Ended(why=describe(error, FEED).message)
        finally:
            close = getattr(feed, "aclose", None)
            if close is not None:
                await close()
        self._backlog.finish(_encode(ended))

    async def _write(self) -> None:
        while lines := await self._backlog.take():
            await self._send(lines)


def _encode(item: FeedItem) -> bytes:
    return FeedLine(item=item).model_dump_json(by_alias=True).encode() + b"\n"
