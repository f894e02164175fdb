"""One app-server process and the conversation with it, from its start to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.agents.codex.peer import Incoming, Peer
from app.agents.protocol import Process
from app.domain.run import Failure, FailureKind
from app.domain.text import one_line

_log = logging.getLogger(__name__)

_TAIL_BYTES = 8 * 1024
_LAST_WORDS = 500  # characters of stderr in a failure's sentence
_EXIT_SECONDS = 1.0  # for a process whose pipe is closed to end by itself


class Connection:
    """Owns the process, the reading of its pipes, and the peer on top of them.

    `ended` is called once, with the reason, when the process is gone for whatever cause but
    `close`; the process is reaped by then.
    """

    def __init__(
        self,
        process: Process,
        receive: Callable[[Incoming], Awaitable[None]],
        ended: Callable[[Failure], None],
    ) -> None:
        self._process, self._ended = process, ended
        self.peer = Peer(process.stdout, process.stdin, receive)
        self._stderr = b""
        self._closing = False
        self._sink: asyncio.Task[None] | None = None
        self._draining = asyncio.create_task(self._drain_stderr())
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        try:
            why = await self.peer.listen()
        except Exception as error:  # a defect of ours must end the turn, not hang it
            _log.debug("reading codex's messages failed", exc_info=True)
            why = f"reading its messages failed ({error!r})"
        # A pipe that nobody reads stays open, and a process with an open pipe is never reaped.
        self._sink = asyncio.create_task(self._discard_stdout())
        if not self._closing:
            self._ended(await self._post_mortem(why))

    async def _discard_stdout(self) -> None:
        while await self._process.stdout.read(1024 * 1024):
            pass

    async def _drain_stderr(self) -> None:
        while chunk := await self._process.stderr.read(64 * 1024):
            self._stderr = (self._stderr + chunk)[-_TAIL_BYTES:]

    async def _post_mortem(self, why: str) -> Failure:
        """Reap the process and say in one sentence what became of it."""
        try:
            async with asyncio.timeout(_EXIT_SECONDS):
                how = _exit_words(await self._process.wait())
                await asyncio.wait({self._draining}, timeout=_EXIT_SECONDS)
        except TimeoutError:
            how = f"was stopped because {why}"
        await self._process.kill()
        return Failure(kind=FailureKind.BROKEN_PIPE, message=f"codex {how}{self._last_words()}")

    def _last_words(self) -> str:
        said = one_line(self._stderr.decode(errors="replace")[-_LAST_WORDS:], _LAST_WORDS)
        return f"; its last words: {said}" if said else self.strange_words()

    def strange_words(self) -> str:
        """What it printed that is not the protocol, for the end of a sentence."""
        strange = next(iter(self.peer.garbage), "")
        return f"; it printed: {one_line(strange, 80)!r}" if strange else ""

    async def wait_ended(self) -> None:
        """Wait until the end of the process was reported through `ended`."""
        await asyncio.wait({self._listening})

    async def close(self) -> None:
        """End the process and everything it started; safe to call twice."""
        self._closing = True
        self._process.stdin.close()
        try:
            async with asyncio.timeout(_EXIT_SECONDS):
                await self._process.wait()
        except TimeoutError:
            _log.debug("codex did not end by itself")
        finally:
            await self._process.kill()
            await _cancelled(self._listening, self._draining, self._sink)


async def _cancelled(*tasks: asyncio.Task[None] | None) -> None:
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def _exit_words(code: int) -> str:
    if code < 0:
        return f"was killed by signal {-code}"
    return f"ended unexpectedly with exit status {code}"
