"""Commands that an ACP agent runs through us: children of the session, their output capped."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
    output: bytearray = field(default_factory=bytearray)
    truncated: bool = False
    readers: list[asyncio.Task[None]] = field(default_factory=list)

    async def follow(self, stream: asyncio.StreamReader) -> None:
        """Keep the end of what it prints."""
        while chunk := await stream.read(64 * 1024):
            self.output += chunk
            if len(self.output) > self.cap:
                del self.output[: len(self.output) - self.cap]
                self.truncated = True

    def text(self) -> str:
        """The output so far; a character cut at its beginning is left out."""
        data = bytes(self.output)
        if self.truncated:
            while data and data[0] & 0xC0 == 0x80:
                data = data[1:]
        return data.decode(errors="replace")

    async def exit(self) -> tuple[int | None, str | None]:
        """Exit code and signal, once it has ended and its output is read."""
        code = await self.process.wait()
        await asyncio.wait(self.readers, timeout=_EXIT_SECONDS)
        return (code, None) if code >= 0 else (None, f"{-code}")

    def exited(self) -> bool:
        return all(reader.done() for reader in self.readers)


class Terminals:
    """The terminals of one session."""

    def __init__(self, spec: SessionSpec) -> None:
        self._spec = spec
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
    ) -> str:
        """Start a command in `cwd`; the id of its terminal. Raises DriverError."""
        if len(self._open) + self._starting >= _LIMIT:
            raise DriverError(f"this session has {_LIMIT} terminals already; release one first")
        self._starting += 1
        try:
            process = await self._spec.processes.spawn(
                [command, *args] if args else ["/bin/sh", "-c", command],
                cwd=cwd,
                env={**self._spec.env, **env},
                purpose=f"terminal of session {self._spec.session_id}",
            )
        finally:
            self._starting -= 1
        process.stdin.close()
        terminal = Terminal(process, min(cap or _CAP, _CAP))
        for stream in (process.stdout, process.stderr):
            terminal.readers.append(asyncio.create_task(terminal.follow(stream)))
        self._count += 1
        name = f"terminal-{self._count}"
        self._open[name] = terminal
        return name

    def get(self, name: str) -> Terminal:
        """Raises DriverError for a terminal that this session does not have."""
        terminal = self._open.get(name)
        if terminal is None:
            raise DriverError(f"this session has no terminal {name!r}")
        return terminal

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


def command_text(command: str, args: Sequence[str]) -> str:
    """The command as one line of shell."""
    return shlex.join([command, *args]) if args else command
