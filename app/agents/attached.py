"""An agent's process seen from its driver: its last words, and its end on every way out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from app.agents.protocol import Process
from app.domain.run import Failure, FailureKind
from app.domain.text import one_line

_log = logging.getLogger(__name__)

_TAIL_BYTES = 8 * 1024
_LAST_WORDS = 500  # characters of stderr in a failure's sentence
_EXIT_SECONDS = 1.0  # for a process whose pipe is closed to end by itself


class Attached:
    """Owns a process's stderr, and what is said of the process once it is gone.

    `garbage` are the lines it printed that are not its protocol, by their start.
    """

    def __init__(self, name: str, process: Process, garbage: Iterable[str]) -> None:
        self._name, self._process, self._garbage = name, process, garbage
        self._stderr = b""
        self._sink: asyncio.Task[None] | None = None
        self._draining = asyncio.create_task(self._drain_stderr())

    async def _drain_stderr(self) -> None:
        while chunk := await self._process.stderr.read(64 * 1024):
            self._stderr = (self._stderr + chunk)[-_TAIL_BYTES:]

    async def _discard_stdout(self) -> None:
        while await self._process.stdout.read(1024 * 1024):
            pass

    def stop_reading(self) -> None:
        """Nobody reads its output any more: throw away what still comes. A pipe that nobody
        reads stays open, and a process with an open pipe is never reaped."""
        if self._sink is None:
            self._sink = asyncio.create_task(self._discard_stdout())

    async def post_mortem(self, why: str) -> Failure:
        """Reap the process and say in one sentence what became of it."""
        try:
            async with asyncio.timeout(_EXIT_SECONDS):
                how = _exit_words(await self._process.wait())
                await asyncio.wait({self._draining}, timeout=_EXIT_SECONDS)
        except TimeoutError:
            how = f"was stopped because {why}"
        await self._process.kill()
        if self._process.why:
            how = f"was ended: {self._process.why}"
        message = f"{self._name} {how}{self._last_words()}"
        return Failure(kind=FailureKind.BROKEN_PIPE, message=message)

    def _last_words(self) -> str:
        said = one_line(self._stderr.decode(errors="replace")[-_LAST_WORDS:], _LAST_WORDS)
        return f"; its last words: {said}" if said else self.strange_words()

    def strange_words(self) -> str:
        """What it printed that is not the protocol, for the end of a sentence."""
        strange = next(iter(self._garbage), "")
        return f"; it printed: {one_line(strange, 80)!r}" if strange else ""

    async def close(self) -> None:
        """End the process and everything it started; safe to call twice."""
        self._process.stdin.close()
        try:
            async with asyncio.timeout(_EXIT_SECONDS):
                await self._process.wait()
        except TimeoutError:
            _log.debug("%s did not end by itself", self._name)
        finally:
            await self._process.kill()
            await cancelled(self._draining, self._sink)


async def cancelled(*tasks: asyncio.Task[None] | None) -> None:
    """Cancel tasks and wait for their end."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def _exit_words(code: int) -> str:
    if code < 0:
        return f"was killed by signal {-code}"
    return f"ended unexpectedly with exit status {code}"
