"""Child processes: recorded before first use, owned, and ended as a tree on every way out."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from app.domain.base import Clock, IdSource, ProcessId, RunId
from app.domain.errors import DriverError
from app.domain.events import Payload, ProcessEnded, ProcessStarted
from app.domain.session import Process as ProcessRecord
from app.engine.capture import Captured, Collector
from app.engine.trees import MARKER_EPOCH, MARKER_STORE, end_tree, marked_processes, same_process

_LINE_LIMIT = 16 * 1024 * 1024
_GRACE_SECONDS = 2.0

Record = Callable[[Payload], Awaitable[None]]


class ChildProcess:
    """A running child; see `app.agents.protocol.Process`."""

    def __init__(self, child: asyncio.subprocess.Process, registry: ProcessRegistry) -> None:
        if child.stdin is None or child.stdout is None or child.stderr is None:
            raise DriverError("a child process has no pipes")
        self._child = child
        self._registry = registry
        self.pid = child.pid
        self.stdin, self.stdout, self.stderr = child.stdin, child.stdout, child.stderr

    async def wait(self) -> int:
        return await self._child.wait()

    async def kill(self) -> None:
        """SIGTERM to the whole tree, a short grace, SIGKILL; returns when it is reaped."""
        await self._registry.kill(self)

    @property
    def returncode(self) -> int | None:
        return self._child.returncode

    def let_go(self) -> None:
        """Close the pipes: unread output must not keep them open."""
        self._child._transport.close()  # type: ignore[attr-defined]


@dataclass(slots=True)
class _Entry:
    child: ChildProcess
    run_id: RunId | None
    process_id: ProcessId | None  # None: not in the journal
    started: float
    killed: bool = False
    watcher: asyncio.Task[None] | None = field(default=None)


class ProcessRegistry:
    """Every child of this supervisor. `record` commits an event and returns when it is on disk."""

    def __init__(
        self, record: Record, clock: Clock, ids: IdSource, epoch: int, store_id: str
    ) -> None:
        self._record = record
        self._clock = clock
        self._ids = ids
        self._epoch = epoch
        self._store_id = store_id
        self._entries: dict[int, _Entry] = {}

    def host(self, run_id: RunId | None) -> RunProcesses:
        """Starts children on behalf of a run."""
        return RunProcesses(self, run_id)

    async def spawn(
        self,
        argv: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        purpose: str,
        run_id: RunId | None = None,
        recorded: bool = True,
    ) -> ChildProcess:
        """Start a child in a session of its own; it is in the journal when this returns.

        Raises DriverError with one sentence when it cannot start.
        """
        marks = {MARKER_STORE: self._store_id, MARKER_EPOCH: str(self._epoch)}
        try:
            child = await asyncio.create_subprocess_exec(
                *argv,
                cwd=cwd,
                env={**env, **marks},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_LINE_LIMIT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise DriverError(_cannot_start(argv, cwd, purpose, error)) from error
        entry = _Entry(
            child=ChildProcess(child, self),
            run_id=run_id,
            process_id=ProcessId(self._ids.new("p")) if recorded else None,
            started=_started(child.pid),
        )
        self._entries[child.pid] = entry
        try:
            await self._record_start(entry, purpose)
        except BaseException:
            await asyncio.shield(self._kill(entry))
            raise
        entry.watcher = asyncio.create_task(self._watch(entry))
        return entry.child

    async def _record_start(self, entry: _Entry, purpose: str) -> None:
        if entry.process_id is None:
            return
        process = ProcessRecord(
            process_id=entry.process_id,
            pid=entry.child.pid,
            started=entry.started,
            purpose=purpose,
            run_id=entry.run_id,
            epoch=self._epoch,
        )
        await self._record(ProcessStarted(process=process))

    async def _watch(self, entry: _Entry) -> None:
        """Record the end of a child, whoever caused it."""
        returncode = await entry.child.wait()
        await self._ended(entry, returncode)

    async def _ended(self, entry: _Entry, returncode: int | None) -> None:
        if self._entries.pop(entry.child.pid, None) is None:
            return
        if entry.process_id is not None:
            how = "killed" if entry.killed else "exited"
            ended = ProcessEnded.model_validate(
                {"process_id": entry.process_id, "returncode": returncode, "how": how}
            )
            await self._record(ended)

    async def kill(self, child: ChildProcess) -> None:
        entry = self._entries.get(child.pid)
        if entry is not None and entry.child is child:
            await asyncio.shield(self._kill(entry))

    async def _kill(self, entry: _Entry) -> None:
        entry.killed = True
        await asyncio.to_thread(end_tree, entry.child.pid, entry.started, _GRACE_SECONDS)
        await entry.child.wait()
        entry.child.let_go()
        if entry.watcher is not None:
            await asyncio.wait([entry.watcher])
        else:
            await self._ended(entry, entry.child.returncode)

    async def kill_run(self, run_id: RunId) -> None:
        """End every child of a run."""
        await self._kill_all([e for e in self._entries.values() if e.run_id == run_id])

    async def close(self) -> None:
        """End every child, and whatever they left behind."""
        await self._kill_all(list(self._entries.values()))
        await asyncio.to_thread(_end_marked, self._store_id, self._epoch + 1)

    async def _kill_all(self, entries: Sequence[_Entry]) -> None:
        if entries:
            await asyncio.gather(*(asyncio.shield(self._kill(entry)) for entry in entries))

    async def reap_leftovers(self, recorded: Sequence[ProcessRecord]) -> list[ProcessRecord]:
        """End what an earlier supervisor of this store left; the recorded ones that still lived.

        A pid that was given to another process since is not touched.
        """
        alive = await asyncio.to_thread(_reap, list(recorded), self._store_id, self._epoch)
        for process in recorded:
            await self._record(
                ProcessEnded(process_id=process.process_id, returncode=None, how="reaped")
            )
        return alive

    async def run_captured(
        self,
        argv: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        purpose: str,
        timeout: float,
        stdin: bytes = b"",
        limit: int = 64 * 1024,
        run_id: RunId | None = None,
        recorded: bool = True,
    ) -> Captured:
        """Run a short command to its end: output capped (head and tail), all of it hashed.

        Its whole tree is ended after `timeout` seconds and on cancellation. Raises DriverError
        when it cannot start.
        """
        child = await self.spawn(
            argv, cwd=cwd, env=env, purpose=purpose, run_id=run_id, recorded=recorded
        )
        out, err = Collector(limit), Collector(limit)
        timed_out = False
        try:
            async with asyncio.timeout(timeout):
                await asyncio.gather(
                    _feed(child.stdin, stdin), out.read(child.stdout), err.read(child.stderr)
                )
                await child.wait()
        except TimeoutError:
            timed_out = True
        finally:
            # Also after a normal end: what it started and left must not outlive it.
            if child.returncode is None or timed_out:
                await child.kill()
            else:
                await asyncio.to_thread(_end_group, child.pid)
            child.let_go()
        code = child.returncode
        signalled = code is not None and code < 0
        return Captured(
            exit_code=None if timed_out or signalled else code,
            stdout=out.finish(),
            stderr=err.finish(),
            timed_out=timed_out,
        )


@dataclass(frozen=True, slots=True)
class RunProcesses:
    """The ProcessHost that one run's drivers are given."""

    _registry: ProcessRegistry
    _run_id: RunId | None

    async def spawn(
        self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], purpose: str
    ) -> ChildProcess:
        return await self._registry.spawn(
            argv, cwd=cwd, env=env, purpose=purpose, run_id=self._run_id
        )


async def _feed(pipe: asyncio.StreamWriter, data: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # a child need not read its input
        pipe.write(data)
        await pipe.drain()
        pipe.close()
        await pipe.wait_closed()


def _started(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0  # it has ended already


def _cannot_start(argv: Sequence[str], cwd: str, purpose: str, error: Exception) -> str:
    if not Path(cwd).is_dir():
        return f"{purpose}: the folder {cwd} does not exist"
    if isinstance(error, FileNotFoundError):
        return f"{purpose}: {argv[0]} was not found; is it installed and on PATH?"
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"{purpose}: {argv[0]} cannot be started ({reason})"


def _end_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _reap(recorded: Iterable[ProcessRecord], store_id: str, epoch: int) -> list[ProcessRecord]:
    alive = [p for p in recorded if same_process(p.pid, p.started)]
    for process in alive:
        end_tree(process.pid, process.started, _GRACE_SECONDS)
    _end_marked(store_id, epoch)
    return alive


def _end_marked(store_id: str, before_epoch: int) -> None:
    """End what carries this store's mark of an earlier epoch, however it detached itself."""
    for pid, started in marked_processes(store_id, before_epoch):
        end_tree(pid, started, _GRACE_SECONDS)
