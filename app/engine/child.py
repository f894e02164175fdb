"""A child process with its tree: waited for, and ended whole."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

import psutil

from app.domain.base import ProcessId
from app.engine import process_tree as tree
from app.engine.launch import ExitProtocol, Launch

_log = logging.getLogger(__name__)
_GRACE_SECONDS = 2.0
_LOOK_SECONDS = 0.05

Own = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Child:
    """A running child. Its registry watches it; whoever asked for it may wait for or kill it."""

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader

    def __init__(
        self,
        process_id: ProcessId,
        launch: Launch,
        transport: asyncio.SubprocessTransport,
        protocol: ExitProtocol,
        own: Own,
        marks: Mapping[str, str],
    ) -> None:
        """`marks`: what its descendants, and no other process, have in their environment."""
        loop = asyncio.get_running_loop()
        streams = asyncio.subprocess.Process(transport, protocol, loop)
        if streams.stdin is not None:
            self.stdin = streams.stdin
        assert streams.stdout is not None and streams.stderr is not None
        self.stdout, self.stderr = streams.stdout, streams.stderr
        self.process_id, self.launch, self.pid = process_id, launch, streams.pid
        self.started = tree.start_time(self.pid)
        self.why = ""  # for what it was ended, where that is not by whom it was started
        self._announced: asyncio.Future[bool] = loop.create_future()
        self._transport, self._exited, self._own = transport, protocol.exited, own
        self._marks = marks
        self._gone = asyncio.Event()
        self._killing: asyncio.Task[None] | None = None
        self._patience = float("inf")  # until when it may end by itself once it is asked to

    @property
    def returncode(self) -> int | None:
        """Negative for a signal, None while it runs."""
        return self._transport.get_returncode()

    @property
    def killed(self) -> bool:
        """Whether it was still running when somebody decided to end it."""
        return self._killing is not None

    async def wait(self) -> int:
        """The return code once the process itself has ended, whatever it left behind."""
        await asyncio.shield(self._exited)
        code = self.returncode
        assert code is not None
        return code

    def announce(self, recorded: bool) -> None:
        """Say whether its start is in the journal, so that its end belongs there too."""
        if not self._announced.done():
            self._announced.set_result(recorded)

    async def announced(self) -> bool:
        """What was said by `announce`, once it is."""
        return await asyncio.shield(self._announced)

    async def kill(self, grace: float = _GRACE_SECONDS) -> None:
        """End the whole tree: SIGTERM, `grace` seconds, SIGKILL; returns when it is reaped.

        May be called twice, or late. A cancelled caller does not stop it. What was not read
        from the pipes by then is lost.
        """
        self.begin_end(grace)
        await self._gone.wait()
        self._transport.close()

    def begin_end(self, grace: float) -> None:
        """See `kill`; returns at once. Of several graces the one that is over first counts."""
        deadline = asyncio.get_running_loop().time() + grace
        self._patience = min(self._patience, deadline)
        if self._killing is None and not self._exited.done():
            self._killing = self._own(self._end(grace))

    async def vanish(self) -> None:
        """Until the process has ended and nothing of its tree is left. The watcher's part."""
        await asyncio.shield(self._exited)
        if self._killing is not None:
            await asyncio.wait([self._killing])
            self._transport.close()
        elif self.launch.recorded:
            await self._strike([])
        self._gone.set()

    async def sweep(self) -> None:
        """End what a child that has ended left behind. For those that are not in the journal:
        the watcher does it for all others."""
        await asyncio.shield(self._own(self._strike([])))

    async def _end(self, grace: float) -> None:
        # Looked up first: with its parent dead, a descendant can no longer be told by descent.
        known = await asyncio.to_thread(self._family)
        self._signal_group(signal.SIGTERM)
        tree.send((one for one in known if self._left_group(one)), signal.SIGTERM)
        try:
            await self._wait_gone(known)
        finally:
            self._signal_group(signal.SIGKILL)
        await self._strike(known)
        await asyncio.wait([self._exited], timeout=grace)
        if not self._exited.done():
            # Stuck in the kernel: nobody is served by waiting for it for ever.
            self._gone.set()

    async def _wait_gone(self, known: list[psutil.Process]) -> None:
        loop = asyncio.get_running_loop()
        while (left := self._patience - loop.time()) > 0:
            if not self._exited.done():
                # By looks, since somebody may come who has less patience.
                await asyncio.wait([self._exited], timeout=min(left, _LOOK_SECONDS))
            elif tree.living(known):
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                return

    async def _strike(self, known: list[psutil.Process]) -> None:
        def find() -> list[psutil.Process]:
            found = {one.pid: one for one in tree.living(known)}
            return [*({one.pid: one for one in self._family(freeze=True)} | found).values()]

        for survivor in await tree.end(find):
            _log.error("process %d (%s) cannot be ended", survivor.pid, self.launch.purpose)

    def _family(self, *, freeze: bool = False) -> list[psutil.Process]:
        roots = [tree.Root(self.pid, self.started)]
        return tree.family(roots, self._is_marked, freeze=freeze)

    def _is_marked(self, environment: Mapping[str, str]) -> bool:
        return self._marks.items() <= environment.items()

    def _left_group(self, process: psutil.Process) -> bool:
        try:
            return os.getpgid(process.pid) != self.pid
        except OSError:
            return False

    def _signal_group(self, number: signal.Signals) -> None:
        # Once the leader is reaped, the group's number may be given to another.
        if not self._exited.done():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
