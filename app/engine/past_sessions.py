"""Past sessions of a project: listed, searched, read, and taken up by a run."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from app.domain.errors import LongwatchError, Refused
from app.domain.past import (
    PastCursor,
    PastFound,
    PastHistory,
    PastId,
    PastList,
    PastPage,
    PastRef,
    PastSession,
)
from app.engine.past_folder import IMPORTED, PastFile, choose, find_files, origins, summarise
from app.engine.past_reading import Clean, Needle, digest, read_history, read_page, search

T = TypeVar("T")
_REMEMBERED = 50_000  # sessions whose line in the list is kept
_MARKS = 1_000  # places in files that are kept, for the next page
_BETWEEN = 200  # sessions looked at, after which who waits is asked whether they still do

FileKey = tuple[str, int, int]
Listed = list[tuple[PastFile, PastSession]]


class PastSessions:
    """Reads the files as they are at each call. `root_of` finds the repository of a folder."""

    def __init__(self, root_of: Callable[[Path], Awaitable[Path]], clean: Clean) -> None:
        self._root_of = root_of
        self._clean = clean
        self._known: OrderedDict[FileKey, PastSession] = OrderedDict()
        self._searched: dict[tuple[Path, str], Listed] = {}  # the list of the latest search
        self._marks: OrderedDict[tuple[FileKey, int], int] = OrderedDict()

    async def newest(self, folder: str, limit: int, agent: str = "") -> PastList:
        """The newest past sessions, of all agents or of one. Raises Refused for no repository."""
        root = await self._root_of(Path(folder))
        problems: list[str] = []
        found = await _stoppable(lambda stop: self._all(root, problems, agent, stop))
        return PastList(
            folder=str(root / IMPORTED),
            sessions=tuple(session for _, session in found[:limit]),
            total=len(found),
            problems=tuple(problems),
        )

    async def search(
        self,
        folder: str,
        text: str,
        after: PastCursor | None = None,
        limit: int = 50,
        agent: str = "",
    ) -> PastFound:
        """A part of the sessions, newest first, for entries that have all of the words."""
        root, needle = await self._root_of(Path(folder)), Needle(text)

        def work(stop: threading.Event) -> PastFound:
            # Later parts go on in the order in which the search began.
            files = self._searched.get((root, agent)) if after is not None else None
            if files is None:
                files = self._all(root, [], agent, stop)
            self._searched = {(root, agent): files}
            found = search(files, needle, after, limit, self._clean, stop)
            return PastFound(
                hits=tuple(found.hits),
                next=found.next,
                searched=found.searched,
                total=len(files),
            )

        return await _stoppable(work)

    async def page(self, folder: str, past_id: PastId, first: int, limit: int) -> PastPage:
        """Entries from line `first` on. Raises NotFound, Refused."""
        root = await self._root_of(Path(folder))
        return await asyncio.to_thread(self._page, root, past_id, first, limit)

    async def pin(self, folder: Path, past_id: PastId) -> tuple[PastRef, PastSession]:
        """The session as a run takes it up, with the hash of what it is now. Raises NotFound,
        Refused."""

        def work() -> tuple[PastRef, PastSession]:
            file = choose(find_files(folder, []), past_id)
            ref = PastRef(past_id=file.past_id, sha256=digest(file))
            session = self._summary(file)
            if not read_history(file, session, ref.sha256, self._clean).entries:
                raise Refused(f"past session {file.past_id} says nothing that could be taken up")
            return ref, session

        return await asyncio.to_thread(work)

    async def history(self, folder: Path, ref: PastRef) -> PastHistory:
        """What the agent is told. Raises NotFound, and Refused when it is not what was pinned."""

        def work() -> PastHistory:
            file = choose(find_files(folder, []), ref.past_id)
            return read_history(file, self._summary(file), ref.sha256, self._clean)

        return await asyncio.to_thread(work)

    # ---- in a thread

    def _all(self, root: Path, problems: list[str], agent: str, stop: threading.Event) -> Listed:
        """Every session with its line in the list, the newest first."""
        files = [f for f in find_files(root, problems) if agent in ("", f.agent)]
        names = {f.path.parent: dict[str, str]() for f in files}
        fresh = {f.path.parent for f in files if f.key not in self._known}
        names |= {folder: origins(folder) for folder in fresh}
        found: Listed = []
        for number, file in enumerate(files):
            if number % _BETWEEN == 0 and stop.is_set():
                break
            try:
                summary = self._summary(file, names[file.path.parent].get(file.session, ""))
                found.append((file, summary))
            except LongwatchError as error:
                problems.append(str(error))
        return sorted(found, key=_age, reverse=True)

    def _summary(self, file: PastFile, origin: str | None = None) -> PastSession:
        """Its line in the list; kept only when `origin` is known to whoever asks."""
        known = self._known.get(file.key)
        if known is not None:
            return known
        made = summarise(file, self._clean(origin or ""))
        made = made.model_copy(update={"title": self._clean(made.title)})
        if origin is not None:
            self._known[file.key] = made
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return made

    def _page(self, root: Path, past_id: PastId, first: int, limit: int) -> PastPage:
        file = choose(find_files(root, []), past_id)
        start = (first, self._marks[file.key, first]) if (file.key, first) in self._marks else None
        read = read_page(file, first, start or (1, 0), limit, self._clean)
        if read.after is not None:
            self._marks[file.key, read.after[0]] = read.after[1]
            while len(self._marks) > _MARKS:
                self._marks.popitem(last=False)
        return PastPage(
            session=self._summary(file),
            first=first,
            entries=read.entries,
            next=read.after[0] if read.after else None,
            bad=read.faults.count,
            problems=tuple(read.faults.told),
        )


def _age(found: tuple[PastFile, PastSession]) -> tuple[float, str]:
    last = found[1].last
    return (last.timestamp() if last else 0.0, found[0].past_id)


async def _stoppable(work: Callable[[threading.Event], T]) -> T:
    """Work in a thread that is told when nobody waits for its result any more."""
    stop = threading.Event()
    thread = asyncio.create_task(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        stop.set()
        with contextlib.suppress(LongwatchError):
            await thread
        raise


class ReadsPast:
    """What the supervisor offers of it; see `app.link.client.Client`."""

    _past: PastSessions

    async def past_sessions(self, folder: str, limit: int = 200, agent: str = "") -> PastList:
        return await self._past.newest(folder, limit, agent)

    async def past_search(
        self,
        folder: str,
        text: str,
        after: PastCursor | None = None,
        limit: int = 50,
        agent: str = "",
    ) -> PastFound:
        return await self._past.search(folder, text, after, limit, agent)

    async def past_page(
        self, folder: str, past_id: PastId, first: int = 1, limit: int = 200
    ) -> PastPage:
        return await self._past.page(folder, past_id, first, limit)
