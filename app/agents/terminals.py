"""Commands that run for an agent: children of its session, their output capped."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.agents import sandbox
from app.agents.attached import cancelled
from app.agents.protocol import Process, SessionSpec
from app.domain.errors import DriverError

_CAP = 1024 * 1024  # bytes of output that are kept: the end
_LIMIT = 5  # at once in one session
_EXIT_SECONDS = 1.0  # for the last output after the end


@dataclass(slots=True)
class Terminal:
    """One command, running or ended, until the agent releases it."""

    process: Process
    cap: int
    command: str = ""  # as it was asked for
    output: bytearray = field(default_factory=bytearray)
    dropped: int = 0  # bytes of output that came before what is kept
    told: int = 0  # bytes of output that `news` has given
    readers: list[asyncio.Task[None]] = field(default_factory=list)

    async def follow(self, stream: asyncio.StreamReader) -> None:
        """Keep the end of what it prints."""
        while chunk := await stream.read(64 * 1024):
            self.output += chunk
            over = len(self.output) - self.cap
            if over > 0:
                del self.output[:over]
                self.dropped += over

    @property
    def truncated(self) -> bool:
        """Whether its first output is no longer kept."""
        return self.dropped > 0

    def text(self) -> str:
        """The output so far; a character cut at its beginning is left out."""
        data = bytes(self.output)
        if self.truncated:
            while data and data[0] & 0xC0 == 0x80:
                data = data[1:]
        return data.decode(errors="replace")

    def news(self) -> str:
        """What it has printed since the last time, whole characters only."""
        data = bytes(self.output[max(0, self.told - self.dropped) :])
        whole = data if self.exited() else data[: len(data) - _cut_off(data)]
        self.told = max(self.told, self.dropped) + len(whole)
        return whole.decode(errors="replace")

    async def exit(self) -> tuple[int | None, str | None]:
        """Exit code and signal, once it has ended and its output is read."""
        code = await self.process.wait()
        await asyncio.wait(self.readers, timeout=_EXIT_SECONDS)
        return (code, None) if code >= 0 else (None, f"{-code}")

    def exited(self) -> bool:
        return all(reader.done() for reader in self.readers)


class Terminals:
    """The terminals of one session."""

    def __init__(self, spec: SessionSpec, *, limit: int = _LIMIT) -> None:
        self._spec, self._limit = spec, limit
        self._open: dict[str, Terminal] = {}
        self._starting = 0
        self._count = 0

    async def start(
        self,
        command: str,
        args: Sequence[str],
        env: Mapping[str, str],
        cwd: str,
        cap: int | None,
        *,
        keep_stdin: bool = False,
        shown: str = "",
    ) -> str:
        """Start a command in `cwd`; the id of its terminal. `shown` is how the command is called
        when it is not its own words that were asked for. Raises DriverError."""
        if len(self._open) + self._starting >= self._limit:
            raise DriverError(f"this session has {self._limit} terminals already; end one first")
        argv = [command, *args] if args else ["/bin/sh", "-c", command]
        if self._spec.agent.sandbox == sandbox.NAME:
            argv = await asyncio.to_thread(self._confined, argv, cwd)
        self._starting += 1
        try:
            process = await self._spec.processes.spawn(
                argv,
                cwd=cwd,
                env={**self._spec.env, **env},
                purpose=f"terminal of session {self._spec.session_id}",
            )
        finally:
            self._starting -= 1
        if not keep_stdin:
            process.stdin.close()
        text = shown or command_text(command, args)
        terminal = Terminal(process, min(cap or _CAP, _CAP), text)
        for stream in (process.stdout, process.stderr):
            terminal.readers.append(asyncio.create_task(terminal.follow(stream)))
        self._count += 1
        name = f"terminal-{self._count}"
        self._open[name] = terminal
        return name

    def _confined(self, argv: Sequence[str], cwd: str) -> list[str]:
        spec = self._spec
        return sandbox.confined(
            argv, workspace=spec.workspace, cwd=cwd, hidden=spec.hidden, visible=spec.visible
        )

    def get(self, name: str) -> Terminal:
        """Raises DriverError for a terminal that this session does not have."""
        terminal = self._open.get(name)
        if terminal is None:
            raise DriverError(f"this session has no terminal {name!r}")
        return terminal

    def all(self) -> list[tuple[str, Terminal]]:
        """Every terminal that is not released, with its id."""
        return list(self._open.items())

    async def release(self, name: str) -> None:
        """End what still runs and forget it. Raises DriverError."""
        terminal = self.get(name)
        del self._open[name]
        await terminal.process.kill()
        await cancelled(*terminal.readers)

    async def close(self) -> None:
        """End all of them."""
        for name in list(self._open):
            await self.release(name)


def _cut_off(data: bytes) -> int:
    """How many bytes at the end are the start of a character that has not come whole."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        length = 2 if byte & 0xE0 == 0xC0 else 3 if byte & 0xF0 == 0xE0 else 4
        return back if byte >= 0xC0 and back < length else 0
    return 0


def command_text(command: str, args: Sequence[str]) -> str:
    """The command as one line of shell."""
    return shlex.join([command, *args]) if args else command
