"""Doing what the model calls: described first, for the approval gate; run only afterwards."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from app.agents.capped import TITLE_CAP, as_json
from app.agents.diffs import edit_title
from app.agents.finishing import to_the_end
from app.agents.model import reading
from app.agents.model import tools as t
from app.agents.model.conversation import Outcome
from app.agents.model.fetching import fetch
from app.agents.protocol import SessionSpec
from app.agents.terminals import Terminal, Terminals
from app.agents.workspace_files import Outside, file_change, read_whole, write_text
from app.domain.errors import DriverError
from app.domain.text import one_line
from app.domain.toolcall import ToolCall

Heard = Callable[[str], None]

OUTPUT_CAP = 32 * 1024  # characters of one result that the model gets: the start and the end
_HEAD = 8 * 1024
_KEPT = 1024 * 1024  # bytes of a command's output that are held
_PROCESSES = 8  # of one session at once
_WRITE_SECONDS = 10.0  # for a process to take what is written to it
_BEAT = 0.25  # seconds between two looks at a running command


class Unusable(Exception):
    """A call that cannot be made as it stands; the model is told why, nobody is asked."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the model gets back."""

    text: str
    outcome: Outcome = "success"
    exit_code: int | None = None

    @property
    def ok(self) -> bool:
        return self.outcome == "success"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call that has been read and described, and not been made."""

    call: ToolCall
    arguments: t.Arguments


class Toolbox:
    """The tools of one session, bound to its workspace and its own processes."""

    def __init__(self, spec: SessionSpec) -> None:
        self._where = spec.workspace
        self.tools = t.tools_for(spec.agent)
        self._commands = Terminals(spec, limit=_PROCESSES)
        self._shell = shutil.which("bash", path=spec.env.get("PATH")) or "/bin/sh"

    async def close(self) -> None:
        """End what still runs."""
        await self._commands.close()

    # ---- describing

    async def prepare(self, name: str, arguments: str, call_id: str) -> Prepared:
        """Read a call and say what it would do. Raises Unusable."""
        tool = self.tools[name]
        try:
            read = tool.arguments.model_validate_json(arguments or "{}")
        except ValidationError as error:
            raise Unusable(f"the arguments of {name} are wrong: {_errors(error)}") from error
        try:
            return Prepared(await asyncio.to_thread(self._describe, tool, read, call_id), read)
        except Outside as error:
            raise Unusable(str(error)) from error

    def _describe(self, tool: t.Tool, read: t.Arguments, call_id: str) -> ToolCall:
        call = ToolCall(
            call_id=call_id,
            tool=tool.name,
            kind=tool.kind,
            title=one_line(f"{tool.name} {_subject(read)}", TITLE_CAP),
            cwd=self._where,
            arguments=as_json(read.model_dump()),
        )
        match read:
            case t.Shell() | t.ProcessStart():
                title = one_line(read.command, TITLE_CAP)
                return call.model_copy(update={"command": read.command, "title": title})
            case t.EditFile() | t.WriteFile():
                change = file_change(self._where, read.path, self._content(read))
                title = edit_title([change])
                update = {"changes": (change,), "title": title, "arguments": ""}
                return call.model_copy(update=update)
            case t.ReadFile() | t.ListFiles() | t.Search():
                reading.folder(self._where, read.path)
        return call

    def _content(self, read: t.EditFile | t.WriteFile) -> str:
        """What the file is to hold (blocking). Raises Outside, Unusable."""
        if isinstance(read, t.WriteFile):
            return read.content
        text = read_whole(self._where, read.path)
        if text is None:
            raise Unusable(f"there is no file {read.path}; write_file makes one")
        count = text.count(read.old)
        if count == 0:
            raise Unusable(f"`old` does not stand in {read.path}; read the file again")
        if count > 1 and not read.every:
            raise Unusable(
                f"`old` stands {count} times in {read.path}; give more of the text around it, or "
                "set `every`"
            )
        if read.old == read.new:
            raise Unusable("`old` and `new` are the same")
        return text.replace(read.old, read.new)

    def editable(self, prepared: Prepared) -> str | None:
        """The text of a call that a person may change before allowing it."""
        field = self.tools[prepared.call.tool].editable
        return getattr(prepared.arguments, field) if field else None

    def with_text(self, prepared: Prepared, text: str) -> str:
        """A call's arguments, as JSON, with a person's text in them."""
        field = self.tools[prepared.call.tool].editable
        return prepared.arguments.model_copy(update={field: text}).model_dump_json()

    # ---- doing

    async def run(self, prepared: Prepared, heard: Heard) -> Result:
        """Make a call that was allowed; `heard` gets its output as it comes."""
        try:
            return await self._run(prepared, heard)
        except (Outside, DriverError, Unusable) as error:
            return Result(str(error), "failed")

    async def _run(self, prepared: Prepared, heard: Heard) -> Result:
        read = prepared.arguments
        match read:
            case t.ReadFile():
                return Result(middle_cut(await asyncio.to_thread(reading.read, self._where, read)))
            case t.ListFiles():
                return Result(await asyncio.to_thread(reading.listing, self._where, read))
            case t.Search():
                return await self._search(read)
            case t.EditFile() | t.WriteFile():
                return await to_the_end(asyncio.to_thread(self._edit, prepared))
            case t.Shell():
                return await self._command(read, heard)
            case t.Fetch():
                return Result(middle_cut(await fetch(read.url)))
            case t.ProcessStart():
                name = await self._start(read.command)
                return Result(f"started as {name}")
            case t.ProcessPoll():
                return await self._poll(read)
            case t.ProcessWrite():
                return await self._write(read)
            case t.ProcessKill():
                await self._commands.release(read.process)
                return Result(f"{read.process} is ended")
            case t.ProcessList():
                return Result(self._list())

    def _edit(self, prepared: Prepared) -> Result:
        """What was shown is what is written: a file that changed meanwhile is left alone."""
        read = prepared.arguments
        assert isinstance(read, t.EditFile | t.WriteFile)
        content = self._content(read)
        if (file_change(self._where, read.path, content),) != prepared.call.changes:
            raise Unusable(
                f"{read.path} has changed since the edit was shown; read it and edit again"
            )
        write_text(self._where, read.path, content)
        return Result(f"{read.path} is written")

    async def _search(self, read: t.Search) -> Result:
        argv = reading.grep(self._where, read)
        name = await self._commands.start(argv[0], argv[1:], {}, self._where, _KEPT)
        terminal, code = await self._finished(name, reading.SEARCH_SECONDS)
        if code is None:
            return Result(f"not found within {reading.SEARCH_SECONDS} s; narrow the path", "failed")
        text = middle_cut(terminal.text())
        if code > 1:
            return Result(text or "grep failed", "failed")
        return Result(text or "nothing found")

    async def _start(self, command: str, *, keep_stdin: bool = True) -> str:
        # Both streams in the order in which they come; the shell itself stays the process.
        argv = ("-c", 'exec "$0" -c "$1" 2>&1', self._shell, command)
        return await self._commands.start(
            "/bin/sh", argv, {}, self._where, _KEPT, keep_stdin=keep_stdin, shown=command
        )

    async def _finished(
        self, name: str, seconds: float, heard: Heard | None = None
    ) -> tuple[Terminal, int | None]:
        """A command at its end, or ended when its time is over; see `_ended`."""
        terminal = self._commands.get(name)
        try:
            return terminal, await _ended(terminal, seconds, heard)
        finally:
            await self._commands.release(name)

    async def _command(self, read: t.Shell, heard: Heard) -> Result:
        name = await self._start(read.command, keep_stdin=False)
        terminal, code = await self._finished(name, read.timeout_seconds, heard)
        heard(terminal.news())
        text = middle_cut(terminal.text(), terminal.dropped)
        if code == 0:
            return Result(text or "[no output]", "success", 0)
        how = f"exit code {code}"
        if code is None:
            how = f"ended after {read.timeout_seconds} s: timeout_seconds"
        if terminal.process.why:
            how = f"ended: {terminal.process.why}"
        if text:
            heard(f"\n[{how}]")
        return Result(f"{text}\n[{how}]".lstrip(), "failed", code)

    async def _poll(self, read: t.ProcessPoll) -> Result:
        terminal = self._commands.get(read.process)
        if read.wait_seconds:
            await _ended(terminal, read.wait_seconds)
        state = "runs"
        if terminal.exited():
            code, signal = await terminal.exit()
            state = f"ended by signal {signal}" if signal else f"ended with exit code {code}"
        return Result(f"{middle_cut(terminal.news())}\n[{read.process} {state}]".lstrip())

    async def _write(self, read: t.ProcessWrite) -> Result:
        stdin = self._commands.get(read.process).process.stdin
        try:
            stdin.write(f"{read.text}\n".encode(errors="surrogatepass"))
            async with asyncio.timeout(_WRITE_SECONDS):
                await stdin.drain()
            if read.end:
                stdin.close()
        except (OSError, RuntimeError):
            return Result(f"{read.process} takes no more input", "failed")
        except TimeoutError:
            return Result(f"{read.process} does not read its input", "failed")
        return Result("written")

    def _list(self) -> str:
        lines = [
            f"{name}: {'ended' if terminal.exited() else 'runs'}: {one_line(terminal.command, 200)}"
            for name, terminal in self._commands.all()
        ]
        return "\n".join(lines) or "none"


async def _ended(terminal: Terminal, seconds: float, heard: Heard | None = None) -> int | None:
    """The exit code (a signal as the shell tells it), or None if it still runs by then."""
    exiting = asyncio.ensure_future(terminal.exit())
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    try:
        while not exiting.done() and loop.time() < until:
            await asyncio.wait([exiting], timeout=min(_BEAT, max(until - loop.time(), 0)))
            if heard is not None and not exiting.done():
                heard(terminal.news())
        if not exiting.done():
            return None
        code, signal = exiting.result()
        return code if code is not None else 128 + int(signal or 0)
    finally:
        exiting.cancel()


def middle_cut(text: str, dropped: int = 0) -> str:
    """`text` with its middle left out where it is too long for a model."""
    over = len(text) - OUTPUT_CAP
    if over <= 0 and not dropped:
        return text
    if over <= 0:
        return f"[… {dropped:,} bytes left out …]\n{text}"
    tail = text[len(text) - (OUTPUT_CAP - _HEAD) :]
    return f"{text[:_HEAD]}\n[… {over + dropped:,} characters left out …]\n{tail}"


def _subject(read: t.Arguments) -> str:
    """What a call is about, for its title."""
    for name in ("command", "url", "process", "pattern", "path"):
        value = getattr(read, name, None)
        if value:
            return str(value)
    return ""


def _errors(error: ValidationError) -> str:
    found = [
        f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors()[:3]
    ]
    return "; ".join(found)
