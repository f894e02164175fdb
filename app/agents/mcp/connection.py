"""One MCP server: started or reached, its tools listed, its tools called."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2
import mcp_types as types
from mcp.client._transport import TransportStreams
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from app.agents import sandbox
from app.agents.attached import Attached
from app.agents.mcp.content import text_of
from app.agents.mcp.pipes import process_streams
from app.agents.protocol import McpLaunch, Process, SessionSpec
from app.domain.errors import DriverError
from app.domain.mcp import tool_name
from app.domain.text import clip, one_line, printable
from app.version import VERSION

T = TypeVar("T")
_PAGES = 50  # of one list of tools
_MOST = 256  # tools of one server
_WORDS = 8 * 1024  # characters of a tool's description
_SCHEMA = 64 * 1024  # characters of the schema of its arguments
_CLOSE_SECONDS = 5.0
_HINTS = (
    ("read_only_hint", True, "its server says that it only reads"),
    ("destructive_hint", True, "its server says that it can destroy"),
    ("open_world_hint", True, "its server says that it reaches beyond this machine"),
)

for _name in ("client", "mcp"):  # the SDK's loggers repeat a server's words, raw
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False


@dataclass(frozen=True, slots=True)
class Listed:
    """A tool as its server describes it; texts are printable."""

    server: str
    name: str
    description: str
    schema: Mapping[str, Any]
    hints: tuple[str, ...] = ()  # what the server says of it: never a reason to trust it

    @property
    def ours(self) -> str:
        """Its name in rules, lists and cards."""
        return tool_name(self.server, self.name)

    @property
    def definition(self) -> str:
        """All that the model is told of it, as text."""
        schema = json.dumps(self.schema, indent=1, sort_keys=True, ensure_ascii=False)
        return "\n".join([self.description, *self.hints, printable(schema)])

    @property
    def digest(self) -> str:
        """Of the definition: another one, another tool."""
        return hashlib.sha256(self.definition.encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Called:
    """What a call gave, in text; not ok: an error, in the server's words or ours."""

    text: str
    ok: bool


class Connection:
    """Owns the server's process or connection. `open` first; calls may come from any task."""

    def __init__(self, launch: McpLaunch, spec: SessionSpec) -> None:
        self.server = launch.server
        self.changed = False  # it has said that its tools are others now
        self._launch, self._spec = launch, spec
        self._client: Client | None = None
        self._attached: Attached | None = None
        self._serving: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._broken = ""  # why we do not listen to it any more
        self._ended = False
        self._garbage: list[str] = []

    @property
    def gone(self) -> bool:
        """Whether it can be called no more."""
        return self._ended or self._serving is None or self._serving.done()

    # ---- the connection

    async def open(self) -> None:
        """Start or reach it. Raises DriverError with one sentence."""
        self._stop.clear()
        self._broken, self._ended = "", False
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._serving = asyncio.create_task(self._serve(ready), name=f"mcp {self.server.name}")
        try:
            await asyncio.wait([ready, self._serving], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.close()
            raise
        if ready.cancelled() or not ready.done():
            why = "was stopped"
        elif (error := ready.exception()) is None:
            return
        else:
            why = str(error)
        await self.close()
        raise self._error(why)

    async def _serve(self, ready: asyncio.Future[None]) -> None:
        """The whole life of the connection, in one task, as the SDK's scopes demand."""
        try:
            async with AsyncExitStack() as stack:
                await self._connect(stack)
                ready.set_result(None)
                await self._stop.wait()
        except asyncio.CancelledError:
            ready.cancel()
            raise
        except Exception as error:
            # Whatever goes wrong in the SDK's tasks is the end of this server, and of no other.
            if not _is_end(error):
                self._broken = self._broken or _words(error)
            if not ready.done():
                ready.set_exception(DriverError(await self._post_mortem()))
        finally:
            self._client = None

    async def _connect(self, stack: AsyncExitStack) -> None:
        within = self.server.start_seconds
        try:
            async with asyncio.timeout(within):
                client = Client(
                    self._transport(),
                    client_info=types.Implementation(name="longwatch", version=VERSION),
                    message_handler=self._heard,
                    read_timeout_seconds=within,
                    cache=None,
                )
                self._client = await stack.enter_async_context(client)
        except TimeoutError:
            raise DriverError(f"did not begin within {within:g} s (start_seconds)") from None

    @asynccontextmanager
    async def _transport(self) -> AsyncIterator[TransportStreams]:
        if self.server.url:
            timeout = httpx2.Timeout(self.server.start_seconds, read=self.server.call_seconds)
            headers = {"User-Agent": f"longwatch/{VERSION}", **self._launch.headers}
            async with (
                httpx2.AsyncClient(headers=headers, timeout=timeout) as http,
                streamable_http_client(self.server.url, http_client=http) as streams,
            ):
                yield streams
            return
        process = await self._spawn()
        self._attached = Attached("it", process, self._garbage)
        async with process_streams(process, self._garbage, self._end) as streams:
            yield streams

    async def _spawn(self) -> Process:
        spec, argv = self._spec, list(self.server.command)
        if spec.agent.sandbox == sandbox.NAME:
            argv = await asyncio.to_thread(
                lambda: sandbox.confined(
                    argv,
                    workspace=spec.workspace,
                    cwd=spec.workspace,
                    hidden=spec.hidden,
                    visible=spec.visible,
                )
            )
        purpose = f"MCP server {self.server.name} of session {spec.session_id}"
        return await spec.processes.spawn(
            argv, cwd=spec.workspace, env=self._launch.env, purpose=purpose
        )

    def _end(self, why: str) -> None:
        self._broken, self._ended = self._broken or why, True

    async def _heard(self, message: object) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self.changed = True

    async def _post_mortem(self) -> str:
        """What became of it, in words."""
        if self._broken:
            return f"{self._broken}{self._attached.strange_words() if self._attached else ''}"
        if self._attached is None:
            return "is gone"
        self._attached.stop_reading()
        return (await self._attached.post_mortem("its output ended")).message

    async def close(self) -> None:
        """End it, its process and all that this has started; safe to call twice."""
        self._stop.set()
        serving, attached = self._serving, self._attached
        self._attached = None
        try:
            if serving is not None:
                await asyncio.wait([serving], timeout=_CLOSE_SECONDS)
                serving.cancel()
                await asyncio.wait([serving], timeout=_CLOSE_SECONDS)
        finally:
            if attached is not None:
                attached.stop_reading()
                await attached.close()

    # ---- tools

    async def tools(self) -> list[Listed]:
        """Its tools as it describes them now. Raises DriverError."""
        self.changed = False
        found: list[Listed] = []
        cursor: str | None = None
        for _ in range(_PAGES):
            try:
                page = await self._ask(self._use().list_tools(cursor=cursor))
            except TimeoutError:
                within = self.server.start_seconds
                why = f"did not list its tools within {within:g} s (start_seconds)"
                raise self._error(why) from None
            found += [listed for tool in page.tools if (listed := self._listed(tool))]
            cursor = page.next_cursor
            if cursor is None or len(found) >= _MOST:
                break
        return found[:_MOST]

    def _listed(self, tool: types.Tool) -> Listed | None:
        """None for one whose name or schema is nothing that a model could be offered."""
        name = printable(tool.name)
        if name != tool.name or not name or len(name) > 128 or any(c in name for c in " /*\n\t"):
            return None
        if len(json.dumps(tool.input_schema)) > _SCHEMA:
            return None
        about = tool.annotations
        hints = [said for key, value, said in _HINTS if about and getattr(about, key) is value]
        description = clip(printable(tool.description or "").strip(), _WORDS)
        return Listed(self.server.name, name, description, tool.input_schema, tuple(hints))

    async def call(self, name: str, arguments: dict[str, Any]) -> Called:
        """Call a tool. What goes wrong is the result, for the model to read."""
        seconds = self.server.call_seconds
        try:
            calling = self._use().call_tool(name, arguments, read_timeout_seconds=seconds)
            async with asyncio.timeout(seconds + 1):
                result = await self._ask(calling)
        except TimeoutError:
            why = f"no answer within {seconds:g} s (call_seconds)"
            return Called(f"{why}; whether the call had an effect is not known", ok=False)
        except DriverError as error:
            return Called(str(error), ok=False)
        return Called(text_of(result), ok=not result.is_error)

    def _use(self) -> Client:
        if self._client is None or self.gone:
            raise self._error(f"is gone: {self._broken or 'it ended'}")
        return self._client

    async def _ask(self, asking: Awaitable[T]) -> T:
        """An answer of the server. Raises DriverError, or TimeoutError."""
        try:
            return await asking
        except MCPError as error:
            if error.code == types.REQUEST_TIMEOUT:
                raise TimeoutError from None
            if error.code != types.CONNECTION_CLOSED:
                raise self._error(_words(error)) from error
            self._broken = await self._post_mortem()
            await self.close()  # one that floods would go on
            raise self._error(f"is gone: {self._broken}") from error
        except Exception as error:
            # The SDK's and its libraries': all of them are this server's, for the model to read.
            raise self._error(f"its answer cannot be used: {_words(error)}") from error

    def _error(self, why: str) -> DriverError:
        return DriverError(f"MCP server {self.server.name}: {self._spec.clean(why)}")


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _is_end(error: BaseException) -> bool:
    """Whether it only says that the other side is gone: why, its process tells."""
    error = _first(error)
    return isinstance(error, MCPError) and error.code == types.CONNECTION_CLOSED


def _words(error: BaseException) -> str:
    """An error of the SDK in one line: of a group, the first that says something."""
    error = _first(error)
    return one_line(str(error) or type(error).__name__, 300)
