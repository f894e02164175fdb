"""Tools of MCP servers for the built-in agent: offered, described for the gate, called."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_ai.tools import ToolDefinition

from app.agents.capped import TITLE_CAP, as_json
from app.agents.diffs import make_diff
from app.agents.mcp.connection import Connection, Listed
from app.agents.model.toolbox import Result, Unusable, middle_cut
from app.agents.protocol import SessionSpec
from app.domain.errors import DriverError
from app.domain.text import clip, one_line
from app.domain.tool_list import offers
from app.domain.toolcall import ToolCall, ToolKind

_FILE = "mcp_tools.json"  # what the tools were when this session first saw them
_SEEN = TypeAdapter(dict[str, str])
_NAME = 64  # characters of a tool's name that endpoints take
_NAMES = 500  # characters of the names of a server's tools that are told
_CHANGE = 2_000  # characters of a change that are shown
_CHANGED = "its server has changed it since this session first saw it"


@dataclass(frozen=True, slots=True)
class Calling:
    """A call of a server's tool that has been read and described, and not been made."""

    call: ToolCall
    tool: Listed
    arguments: dict[str, Any]


class Served:
    """The MCP servers of one session."""

    def __init__(self, spec: SessionSpec) -> None:
        self._spec = spec
        self._servers = {launch.server.name: Connection(launch, spec) for launch in spec.mcp}
        self._tools: dict[str, Listed] = {}  # by the name that the model calls
        self._seen: dict[str, str] = {}  # definitions, by our names
        self._others: set[str] = set()  # that are not what they were
        self._file = Path(spec.folder) / _FILE

    async def open(self) -> list[str]:
        """Start all servers; what the operator is to know. Raises DriverError when one fails: an
        agent does not begin without what it was given."""
        if not self._servers:
            return []
        self._seen = await asyncio.to_thread(self._load)
        opening = [asyncio.create_task(self._open(server)) for server in self._servers.values()]
        try:
            notes = [note for notes in await asyncio.gather(*opening) for note in notes]
        except BaseException:
            await asyncio.wait(opening)
            await self.close()
            raise
        await self._keep()
        return notes

    async def _open(self, server: Connection) -> list[str]:
        await server.open()
        tools = await server.tools()
        notes = self._take(server, tools)
        names = ", ".join(tool.name for tool in tools if offers(self._spec.agent, tool.ours))
        told = one_line(names, _NAMES) or "no tools"
        return [f"MCP server {server.server.name}: {told}", *notes]

    async def close(self) -> None:
        """End all of them."""
        closing = (server.close() for server in self._servers.values())
        await asyncio.gather(*closing, return_exceptions=True)

    async def refresh(self, *, begin: bool) -> list[str]:
        """Before a request: what has ended loses its tools, and is started anew at the beginning
        of a turn; what has changed is listed anew. What the operator is to know of it."""
        notes = list[str]()
        for server in self._servers.values():
            name = server.server.name
            try:
                if server.gone and begin:
                    await server.close()
                    notes.append(f"MCP server {name} had ended; it is started anew")
                    await server.open()
                elif server.gone:
                    notes += [f"MCP server {name} has ended"] * self._drop(server)
                    continue
                elif not server.changed:
                    continue
                notes += self._take(server, await server.tools())
            except DriverError as error:
                self._drop(server)
                notes.append(f"{error}; its tools are not offered")
        if notes:
            await self._keep()
        return notes

    # ---- what there is

    def definitions(self) -> list[ToolDefinition]:
        """As the model is told of them."""
        return [
            ToolDefinition(
                name=name,
                description=f"{tool.name} of the MCP server {tool.server}. {tool.description}",
                parameters_json_schema=dict(tool.schema),
            )
            for name, tool in self._tools.items()
        ]

    def __contains__(self, name: str) -> bool:
        return name in self._tools

    @property
    def names(self) -> Iterable[str]:
        return self._tools

    def _drop(self, server: Connection) -> bool:
        """Offer none of a server's tools any more; whether any was."""
        gone = [name for name, tool in self._tools.items() if tool.server == server.server.name]
        for name in gone:
            del self._tools[name]
        return bool(gone)

    def _take(self, server: Connection, tools: Iterable[Listed]) -> list[str]:
        """Offer a server's tools as they are now; what has changed, in words."""
        self._drop(server)
        notes = list[str]()
        for tool in tools:
            if not offers(self._spec.agent, tool.ours):
                continue
            before = self._seen.setdefault(tool.ours, tool.definition)
            if before != tool.definition:
                self._others.add(tool.ours)
                change = clip(make_diff(tool.name, before, tool.definition), _CHANGE)
                notes.append(f"{tool.ours} is not what it was: {_CHANGED}:\n{change}")
            self._tools[_offered(tool, self._tools)] = tool
        return notes

    def _load(self) -> dict[str, str]:
        try:
            return _SEEN.validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            raise DriverError(f"{self._file} cannot be read: {error}") from error

    async def _keep(self) -> None:
        await asyncio.to_thread(self._write, _SEEN.dump_json(self._seen))

    def _write(self, data: bytes) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(data)
        fresh.replace(self._file)

    # ---- calls

    def prepare(self, name: str, arguments: str, call_id: str) -> Calling:
        """Read a call and say what it is. Raises Unusable."""
        tool = self._tools[name]
        try:
            read = json.loads(arguments or "{}")
        except (ValueError, RecursionError) as error:
            raise Unusable(f"the arguments of {name} are no JSON: {error}") from error
        if not isinstance(read, dict):
            raise Unusable(f"the arguments of {name} must be a JSON object")
        notes = (_CHANGED,) if tool.ours in self._others else ()
        call = ToolCall(
            call_id=call_id,
            tool=tool.ours,
            kind=ToolKind.MCP,
            title=one_line(f"{tool.server}: {tool.name} {_brief(read)}", TITLE_CAP),
            cwd=self._spec.workspace,
            arguments=as_json(read),
            notes=(*notes, *tool.hints),
        )
        return Calling(call, tool, read)

    def editable(self, calling: Calling) -> str:
        """What a person may change of a call before allowing it: its arguments."""
        return json.dumps(calling.arguments, indent=2, ensure_ascii=False)

    async def run(self, calling: Calling) -> Result:
        """Make a call that was allowed, of the very tool that was shown."""
        tool = calling.tool
        server = self._servers[tool.server]
        try:
            now = {listed.name: listed for listed in await server.tools()}.get(tool.name)
        except DriverError as error:
            return Result(f"{error}; the call was not made", "failed")
        if now is None or now.digest != tool.digest:
            server.changed = True  # the next request offers it as it is now
            what = "is not what it was when you called it" if now else "is there no more"
            return Result(f"{tool.ours} {what}; the call was not made", "failed")
        called = await server.call(tool.name, calling.arguments)
        return Result(middle_cut(called.text), "success" if called.ok else "failed")


def _offered(tool: Listed, taken: Iterable[str]) -> str:
    """A name for a tool that every endpoint takes, and no other tool has."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", f"mcp__{tool.server}__{tool.name}")
    if len(name) > _NAME or name in taken:
        name = f"{name[: _NAME - 9]}_{hashlib.sha256(tool.ours.encode()).hexdigest()[:8]}"
    return name


def _brief(arguments: dict[str, Any]) -> str:
    """The arguments in a few words, for a title."""
    return ", ".join(f"{key}={json.dumps(v, ensure_ascii=False)}" for key, v in arguments.items())
