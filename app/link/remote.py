"""A client of a supervisor in another process, over its Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from app.domain.approval import Actor, Approval, Scope, StoredRule
from app.domain.base import ApprovalId, Model, RolloutId, RunId, SessionId
from app.domain.commands import Command, Done
from app.domain.covered import Covered
from app.domain.errors import StoreError
from app.domain.events import Event
from app.domain.feed import Ended, FeedItem, Status, VerifyReport
from app.domain.metrics import Metrics
from app.domain.past import PastCursor, PastFound, PastList, PastPage
from app.domain.past_ref import PastId
from app.domain.rollout import DrillReport, Rollout, ShadowResult
from app.domain.run import Question, Review, Run, RunState
from app.domain.seen import Sighting, Waiting
from app.domain.session import Chunk
from app.domain.usage import UsageOfDay
from app.domain.workflow import Recipe
from app.domain.worktree_report import CleanReport, WorktreeReport
from app.link import wire
from app.link.errors import LinkLost
from app.link.failures import revive
from app.link.limits import REPLY_LIMIT
from app.link.peer import peer_uid, silent_peer
from app.link.words import HELLO_WAIT, STOP_IT, other_version

if TYPE_CHECKING:
    from app.domain.project_report import ProjectReport

P = TypeVar("P", bound=Model)
R = TypeVar("R")

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class SocketClient:
    """`Client` over a socket. Calls share one connection, each feed has its own.

    Every method raises LinkLost once the supervisor is gone; connect again then
    (`app.link.connect.connect`).
    """

    hosts = False

    def __init__(self, path: Path, streams: Streams, hello: wire.Hello) -> None:
        self._path, self.hello = path, hello
        self._reader, self._writer = streams
        self._next_id = 0
        self._waiting: dict[int, asyncio.Future[wire.ReplyLine]] = {}
        self._lost = ""
        self.changed = False  # whether it may have changed anything
        self._listener = asyncio.create_task(self._listen(), name="link replies")

    @classmethod
    async def dial(cls, path: Path, connected: socket.socket | None = None) -> SocketClient:
        """Connect, unless that is done. Raises ConnectionRefusedError or FileNotFoundError when
        nobody listens, StoreError when who listens is no supervisor that we can talk to."""
        streams, hello = await _dial(path, connected)
        return cls(path, streams, hello)

    async def _listen(self) -> None:
        why = "the supervisor has closed the connection"
        try:
            while line := await self._reader.readline():
                self._deliver(wire.ReplyLine.model_validate_json(line))
        except (ConnectionError, ValueError) as error:  # ValueError: not a reply, or too long
            why = f"the connection to the supervisor broke: {_first_line(error)}"
        finally:
            self._lost = f"{self._path}: {why}"
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(LinkLost(self._lost))
            self._waiting.clear()

    def _deliver(self, reply: wire.ReplyLine) -> None:
        if reply.id is None:
            if reply.error is not None:
                raise ConnectionError(reply.error.message)
            return
        future = self._waiting.pop(reply.id, None)
        if future is not None and not future.done():  # a caller may have been cancelled
            future.set_result(reply)

    async def _call(self, call: wire.Call[P, R], params: P) -> R:
        if self._lost:
            raise LinkLost(self._lost)
        self._next_id += 1
        number = self._next_id
        line = wire.RequestLine(id=number, call=call.name, params=params.model_dump(mode="json"))
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        before, self.changed = self.changed, self.changed or call.changes
        try:
            self._writer.write(line.model_dump_json().encode() + b"\n")
            await self._writer.drain()
            reply: wire.ReplyLine = await future
        except ConnectionError as error:
            raise LinkLost(f"{self._path}: the supervisor has gone") from error
        finally:
            self._waiting.pop(number, None)
        if reply.error is not None:
            told = revive(reply.error)
            if isinstance(told, LinkLost):  # it has not even begun
                self.changed = before
            raise told
        return call.result.validate_python(reply.result)

    async def feed(self) -> AsyncIterator[FeedItem]:
        """See `Client.feed`. A supervisor that vanishes ends the feed with Ended as well."""
        try:
            (reader, writer), _ = await _dial(self._path)
        except OSError:
            yield Ended(why="the supervisor has gone")
            return
        try:
            request = wire.RequestLine(id=0, call=wire.FEED)
            writer.write(request.model_dump_json().encode() + b"\n")
            while True:
                item = await _next_item(reader)
                yield item
                if isinstance(item, Ended):
                    return
        finally:
            await _hang_up(writer)

    async def execute(self, command: Command) -> Done:
        return await self._call(wire.EXECUTE, wire.Execute(command=command))

    async def status(self) -> Status:
        return await self._call(wire.STATUS, wire.Nothing())

    async def runs(self, limit: int = 200, trace: str = "") -> Sequence[Run]:
        return await self._call(wire.RUNS, wire.ListRuns(limit=limit, trace=trace))

    async def run(self, run_id: RunId) -> RunState:
        return await self._call(wire.RUN, wire.OfRun(run_id=run_id))

    async def recipe(self, run_id: RunId) -> Recipe:
        return await self._call(wire.RECIPE, wire.OfRun(run_id=run_id))

    async def events(
        self, run_id: RunId | None = None, after: int = 0, limit: int = 1000
    ) -> Sequence[Event]:
        return await self._call(
            wire.EVENTS, wire.ListEvents(run_id=run_id, after=after, limit=limit)
        )

    async def approvals(self, open_only: bool = True) -> Sequence[Approval]:
        return await self._call(wire.APPROVALS, wire.OpenOnly(open_only=open_only))

    async def covered(self, approval_id: ApprovalId, scope: Scope) -> Covered:
        params = wire.ReadCovered(approval_id=approval_id, scope=scope)
        return await self._call(wire.COVERED, params)

    async def reviews(self, open_only: bool = True) -> Sequence[Review]:
        return await self._call(wire.REVIEWS, wire.OpenOnly(open_only=open_only))

    async def questions(self, open_only: bool = True) -> Sequence[Question]:
        return await self._call(wire.QUESTIONS, wire.OpenOnly(open_only=open_only))

    async def waiting(self) -> Sequence[Waiting]:
        return await self._call(wire.WAITING, wire.Nothing())

    async def seen(self, sightings: Sequence[Sighting]) -> None:
        await self._call(wire.SEEN, wire.Sightings(sightings=tuple(sightings)))

    async def rules(self) -> Sequence[StoredRule]:
        return await self._call(wire.RULES, wire.Nothing())

    async def rollouts(self) -> Sequence[Rollout]:
        return await self._call(wire.ROLLOUTS, wire.Nothing())

    async def comparisons(
        self, rollout_id: RolloutId, limit: int = 100, *, mismatches: bool = False
    ) -> Sequence[ShadowResult]:
        asked = wire.ListComparisons(rollout_id=rollout_id, limit=limit, mismatches=mismatches)
        return await self._call(wire.COMPARISONS, asked)

    async def drill(self, rollout_id: RolloutId, by: Actor) -> DrillReport:
        return await self._call(wire.DRILL, wire.Rehearse(rollout_id=rollout_id, by=by))

    async def project(self, folder: str) -> ProjectReport:
        return await self._call(wire.PROJECT, wire.OfFolder(folder=folder))

    async def past_sessions(self, folder: str, limit: int = 200, agent: str = "") -> PastList:
        asked = wire.ListPast(folder=folder, limit=limit, agent=agent)
        return await self._call(wire.PAST_SESSIONS, asked)

    async def past_search(
        self,
        folder: str,
        text: str,
        after: PastCursor | None = None,
        limit: int = 50,
        agent: str = "",
    ) -> PastFound:
        asked = wire.SearchPast(folder=folder, text=text, after=after, limit=limit, agent=agent)
        return await self._call(wire.PAST_SEARCH, asked)

    async def past_page(
        self, folder: str, past_id: PastId, first: int = 1, limit: int = 200
    ) -> PastPage:
        asked = wire.ReadPast(folder=folder, past_id=past_id, first=first, limit=limit)
        return await self._call(wire.PAST_PAGE, asked)

    async def transcript(
        self, run_id: RunId, session_id: SessionId, before: int | None = None, limit: int = 500
    ) -> Sequence[Chunk]:
        return await self._call(
            wire.TRANSCRIPT,
            wire.ReadTranscript(run_id=run_id, session_id=session_id, before=before, limit=limit),
        )

    async def diff(self, run_id: RunId, step: str = "", attempt: int = 0, branch: str = "") -> str:
        params = wire.ReadDiff(run_id=run_id, step=step, attempt=attempt, branch=branch)
        return await self._call(wire.DIFF, params)

    async def metrics(self) -> Metrics:
        return await self._call(wire.METRICS, wire.Nothing())

    async def usage(self, days: int = 7) -> Sequence[UsageOfDay]:
        return await self._call(wire.USAGE, wire.ReadUsage(days=days))

    async def worktrees(self) -> Sequence[WorktreeReport]:
        return await self._call(wire.WORKTREES, wire.Nothing())

    async def clean_worktrees(self, run_id: RunId | None = None) -> CleanReport:
        return await self._call(wire.CLEAN_WORKTREES, wire.OfAnyRun(run_id=run_id))

    async def verify(self) -> VerifyReport:
        return await self._call(wire.VERIFY, wire.Nothing())

    async def shutdown(self) -> None:
        await self._call(wire.SHUTDOWN, wire.Nothing())

    async def close(self) -> None:
        """Hang up; the supervisor goes on."""
        self._listener.cancel()
        await asyncio.gather(self._listener, return_exceptions=True)
        await _hang_up(self._writer)


async def _dial(path: Path, connected: socket.socket | None = None) -> tuple[Streams, wire.Hello]:
    where = os.fspath(path) if connected is None else None
    reader, writer = await asyncio.open_unix_connection(where, sock=connected, limit=REPLY_LIMIT)
    try:
        uid = peer_uid(writer.get_extra_info("socket"))
        if uid != os.getuid():
            raise StoreError(f"{path}: this socket belongs to user {uid}, not to you")
        hello = await _hello(path, reader, writer)
    except BaseException:
        await _hang_up(writer)
        raise
    return (reader, writer), hello


async def _hello(
    path: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> wire.Hello:
    try:
        async with asyncio.timeout(HELLO_WAIT):
            line = await reader.readline()
    except (TimeoutError, ValueError):
        who = silent_peer(writer.get_extra_info("socket"))
        raise StoreError(f"{path}: {who}") from None
    if not line:  # it is just going down
        raise ConnectionRefusedError(f"{path}: the supervisor hung up")
    try:
        hello = wire.Hello.model_validate_json(line)
    except ValidationError:
        raise StoreError(f"{path}: who listens here is not a supervisor; {STOP_IT}") from None
    if hello.protocol != wire.PROTOCOL:
        raise StoreError(f"{path}: {other_version(hello.pid, hello.longwatch)}")
    return hello


async def _next_item(reader: asyncio.StreamReader) -> FeedItem:
    try:
        line = await reader.readline()
        if not line:
            return Ended(why="the supervisor has gone")
        return wire.FeedLine.model_validate_json(line).item
    except (ConnectionError, ValueError) as error:
        return Ended(why=f"the connection to the supervisor broke: {_first_line(error)}")


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
