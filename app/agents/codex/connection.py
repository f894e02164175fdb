"""One app-server process and the conversation with it, from its start to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.agents.attached import Attached, cancelled
from app.agents.codex.peer import Incoming, Peer
from app.agents.protocol import Process
from app.domain.run import Failure

_log = logging.getLogger(__name__)


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
        self._ended = ended
        self.peer = Peer(process.stdout, process.stdin, receive)
        self._attached = Attached("codex", process, self.peer.garbage)
        self._closing = False
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        try:
            why = await self.peer.listen()
        except Exception as error:  # a defect of ours must end the turn, not hang it
            _log.debug("reading codex's messages failed", exc_info=True)
            why = f"reading its messages failed ({error!r})"
        self._attached.stop_reading()
        if not self._closing:
            self._ended(await self._attached.post_mortem(why))

    def strange_words(self) -> str:
        """What it printed that is not the protocol, for the end of a sentence."""
        return self._attached.strange_words()

    async def wait_ended(self) -> None:
        """Wait until the end of the process was reported through `ended`."""
        await asyncio.wait({self._listening})

    async def close(self) -> None:
        """End the process and everything it started; safe to call twice."""
        self._closing = True
        try:
            await self._attached.close()
        finally:
            await cancelled(self._listening)
