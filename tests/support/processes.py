"""A plain ProcessHost for tests of single drivers: no journal, no registry."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress

from app.domain.errors import DriverError

_LINE_LIMIT = 16 * 1024 * 1024
_GRACE_SECONDS = 2.0


class PlainProcess:
    """A child in a session of its own."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        assert child.stdin and child.stdout and child.stderr
        self._child = child
        self.pid, self.why = child.pid, ""
        self.stdin, self.stdout, self.stderr = child.stdin, child.stdout, child.stderr

    async def wait(self) -> int:
        return await self._child.wait()

    async def kill(self) -> None:
        self._signal(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_SECONDS):
                await self._child.wait()
        self._signal(signal.SIGKILL)
        await self._child.wait()
        # Unread pipes would keep the transport, and with it a warning, alive.
        self._child._transport.close()  # type: ignore[attr-defined]

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)


class PlainProcessHost:
    """Starts children and remembers them, so that a test can see that none is left."""

    def __init__(self) -> None:
        self.started: list[PlainProcess] = []

    async def spawn(
        self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], purpose: str
    ) -> PlainProcess:
        try:
            child = await asyncio.create_subprocess_exec(
                *argv,
                cwd=cwd,
                env=dict(env),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_LINE_LIMIT,
                start_new_session=True,
            )
        except OSError as error:
            raise DriverError(f"{purpose}: {argv[0]} cannot be started: {error}") from error
        process = PlainProcess(child)
        self.started.append(process)
        return process
