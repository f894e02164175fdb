"""The registry of child processes: recorded before first use, ended as trees on every way out."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from app.agents.protocol import ProcessHost
from app.domain.base import Clock, IdSource, ProcessId, RunId, SessionId
from app.domain.errors import DriverError
from app.domain.events import Payload, ProcessEnded, ProcessStarted
from app.domain.session import Process
from app.engine import marks
from app.engine.capture import Captured, Keep, follow
from app.engine.launch import Launch, start
from app.engine.process_limit import (
    LOOK_SECONDS,
    LOOKS,
    count_by_child,
    count_processes,
    limit_of_a_child,
    limit_tasks,
)

if TYPE_CHECKING:
    from app.engine.child import Child

_log = logging.getLogger(__name__)
_CLOSE_SECONDS = 15.0
T = TypeVar("T")
_KEEP = Keep()
_CAPTURE_LIMIT = 128 * 1024


class _Host(Struct, frozen=True):
    """Starts children for one run."""

    registry: ProcessRegistry
    run_id: RunId | None
    session_id: SessionId | None

    async def spawn(
        self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], purpose: str
    ) -> Child:
        """See `app.agents.protocol.ProcessHost`."""
        launch = Launch(argv, cwd, env, purpose, self.run_id, session_id=self.session_id)
        return await self.registry.launch(launch)


class ProcessRegistry:
    """Owns every child of this supervisor, and the tasks that watch them."""

    def __init__(
        self,
        record: Callable[[Payload], Awaitable[None]],
        clock: Clock,
        ids: IdSource,
        epoch: int,
        store_id: str,
    ) -> None:
        """`record` commits an event and returns when it is on disk."""
        self._record, self._clock, self._ids = record, clock, ids
        self._epoch, self._store_id = epoch, store_id
        self._children: dict[ProcessId, Child] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = self._used = False
        self._most = limit_of_a_child()
        self._counting: asyncio.Task[None] | None = None

    def host(self, run_id: RunId | None, session_id: SessionId | None = None) -> ProcessHost:
        """The way for a driver to start children that belong to a run's session."""
        return _Host(self, run_id, session_id)

    async def launch(self, launch: Launch) -> Child:
        """Start a child; it is in the journal when this returns. Raises DriverError.

        Cancelled half-way, the child is ended. So it is when it cannot be recorded.
        """
        if self._closing:
            raise DriverError(f"{launch.purpose}: not started, since Longwatch is stopping")
        starting = self._own(self._start(launch), told=True)
        try:
            child = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.shield(self._own(self._discard(starting)))
            raise
        recording = self._own(self._enter(child), told=True)
        try:
            await asyncio.shield(recording)
        except asyncio.CancelledError:
            # The commit goes on, and with it the record of this end; nobody waits for either.
            await child.kill(grace=0)
            raise
        return child

    async def _start(self, launch: Launch) -> Child:
        from app.engine.child import Child  # and psutil: once there is a first child

        process_id = ProcessId(self._ids.new("p"))
        self._used = True
        inherited = {
            marks.STORE_ID: self._store_id,
            marks.EPOCH: str(self._epoch),
            marks.PROCESS: process_id,
        }
        transport, protocol = await start(launch, inherited)
        child = Child(process_id, launch, transport, protocol, self._own, inherited)
        self._children[process_id] = child
        self._own(self._watch(child))
        if launch.recorded:
            limit_tasks(child.pid, self._most)
            if self._counting is None or self._counting.done():
                self._counting = asyncio.create_task(self._count(), name="count processes")
        return child

    async def _count(self) -> None:
        """As long as there are children: end one that has become too many."""
        before, looks = count_processes(), 0
        while self._children:
            await asyncio.sleep(LOOK_SECONDS)
            now, looks = count_processes(), looks + 1
            if now - before < self._most // 4 and (looks < LOOKS or now <= self._most):
                before = min(before, now)
                continue
            looks = 0
            before = now
            roots = {child.pid: str(name) for name, child in self._children.items()}
            found = await asyncio.to_thread(count_by_child, roots)
            for child in list(self._children.values()):
                if (count := found[str(child.process_id)]) > self._most:
                    child.why = f"it was {count} processes at once (at most {self._most})"
                    _log.error("%s: ended, %s", child.launch.purpose, child.why)
                    child.begin_end(0)

    async def _enter(self, child: Child) -> None:
        """Put the child into the journal; one that cannot be is ended."""
        launch = child.launch
        try:
            if launch.recorded:
                await self._record(ProcessStarted(process=self._describe(child)))
        except BaseException:
            child.announce(False)
            await child.kill(grace=0)
            raise
        child.announce(launch.recorded)
        if self._closing:
            await child.kill()
            raise DriverError(f"{launch.purpose}: ended at once, since Longwatch is stopping")

    def _describe(self, child: Child) -> Process:
        return Process(
            process_id=child.process_id,
            pid=child.pid,
            started=child.started,
            purpose=child.launch.purpose,
            run_id=child.launch.run_id,
            session_id=child.launch.session_id,
            epoch=self._epoch,
        )

    async def _discard(self, starting: asyncio.Task[Child]) -> None:
        """Nobody waits for this child any more."""
        await asyncio.wait([starting])
        if not starting.cancelled() and starting.exception() is None:
            child = starting.result()
            child.announce(False)
            await child.kill(grace=0)

    async def _watch(self, child: Child) -> None:
        await child.vanish()
        del self._children[child.process_id]
        if await child.announced():
            ended = ProcessEnded(
                process_id=child.process_id,
                returncode=child.returncode,
                how="killed" if child.killed else "exited",
            )
            await self._record(ended)

    def _own(self, work: Coroutine[Any, Any, T], *, told: bool = False) -> asyncio.Task[T]:
        """A task that `close` waits for; `told`: its error reaches somebody who waits for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, told))
        return task

    def _done(self, told: bool, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None or told:
            return
        _log.error("a child process could not be followed to its end: %s", error)

    async def run_captured(
        self,
        argv: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        purpose: str,
        timeout: float,
        run_id: RunId | None = None,
        stdin: Path | None = None,
        keep: Keep = _KEEP,
        recorded: bool = True,
    ) -> Captured:
        """Run a short command to its end, `timeout` seconds at most. Raises DriverError.

        Nothing of its tree is left afterwards, also on time-out and cancellation. With
        `recorded=False` it is not in the journal; a crash still cannot orphan it, by its mark.
        """
        launch = Launch(
            argv, cwd, env, purpose, run_id, False, stdin, limit=_CAPTURE_LIMIT, recorded=recorded
        )
        started_at = self._clock.now()
        child = await self.launch(launch)
        timed_out, stdout, stderr = await follow(child, timeout, keep)
        code = child.returncode
        return Captured(
            -signal.SIGKILL if code is None else code,
            timed_out,
            stdout,
            stderr,
            started_at,
            self._clock.now(),
            child.why,
        )

    async def kill_run(self, run_id: RunId) -> None:
        """End every child of a run."""
        if children := [c for c in self._children.values() if c.launch.run_id == run_id]:
            await self._kill(children)

    def hurry_run(self, run_id: RunId, grace: float) -> None:
        """Let a run's children have `grace` seconds more, whoever ends them how patiently; not
        those that are over in a moment anyway and would leave something half done (git)."""
        for child in self._children.values():
            if child.launch.run_id == run_id and child.launch.recorded:
                child.begin_end(grace)

    async def kill_session(self, session_id: SessionId, grace: float) -> None:
        """End every child of one session, with `grace` seconds between asking and killing."""
        children = [c for c in self._children.values() if c.launch.session_id == session_id]
        for child in children:
            child.begin_end(grace)  # at once: whoever else ends it now waits for this
        await self._kill(children)

    async def _kill(self, children: Sequence[Child]) -> None:
        await asyncio.gather(*(child.kill() for child in children))

    async def close(self) -> None:
        """End all children and the tasks that watch them; nothing is started afterwards."""
        self._closing = True
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _CLOSE_SECONDS
        if self._counting is not None:
            self._counting.cancel()
        while self._tasks and (left := deadline - loop.time()) > 0:
            killing = [self._own(child.kill()) for child in self._children.values()]
            await asyncio.wait(killing or self._tasks, timeout=left)
        for task in list(self._tasks):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
        if self._used:
            from app.engine.leftovers import end_leftovers

            await end_leftovers((), self._is_ours, self._store_id)

    def _is_ours(self, environment: Mapping[str, str]) -> bool:
        ours = environment.get(marks.STORE_ID) == self._store_id
        return ours and environment.get(marks.EPOCH) == str(self._epoch)

    async def reap_leftovers(self, recorded: Sequence[Process]) -> list[Process]:
        """End what an earlier supervisor of this store left running; returns what was ended.

        Found by what the journal recorded (pid and start time must both fit) and by the marks
        that every child inherits. Ends are recorded, also of those that were gone already.
        """
        earlier = [process for process in recorded if process.epoch < self._epoch]
        if not earlier and not await asyncio.to_thread(marks.may_be_marked, self._store_id):
            return []
        from app.engine import process_tree as tree  # here: psutil counts at a start
        from app.engine.leftovers import end_leftovers

        ended = await end_leftovers(earlier, self._is_earlier, self._store_id)
        reaped = {process.process_id for process in ended}
        for process in earlier:
            known = process.process_id
            if known in reaped:
                await self._record(ProcessEnded(process_id=known, returncode=None, how="reaped"))
            elif not await asyncio.to_thread(
                tree.is_alive, tree.Root(process.pid, process.started)
            ):
                await self._record(ProcessEnded(process_id=known, returncode=None, how="exited"))
        return ended

    def _is_earlier(self, environment: Mapping[str, str]) -> bool:
        epoch = environment.get(marks.EPOCH, "")
        ours = environment.get(marks.STORE_ID) == self._store_id
        return ours and epoch.isdecimal() and int(epoch) < self._epoch
