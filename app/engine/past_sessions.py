"""Past sessions of a project: listed, searched, read, and taken up by a run."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from app.domain.errors import LongwatchError
from app.domain.past_ref import PastId, PastRef

if TYPE_CHECKING:
    from app.domain.past import (
        PastCursor,
        PastFound,
        PastHistory,
        PastList,
        PastPage,
        PastSession,
    )
    from app.engine.past_files import PastFiles

T = TypeVar("T")


class PastSessions:
    """Reads the files as they are at each call. `root_of` finds the repository of a folder."""

    def __init__(
        self, root_of: Callable[[Path], Awaitable[Path]], clean: Callable[[str], str]
    ) -> None:
        self._root_of = root_of
        self._clean = clean

    @cached_property
    def _files(self) -> PastFiles:
        # Loaded once somebody asks: most supervisors never read another product's sessions.
        from app.engine.past_files import PastFiles

        return PastFiles(self._clean)

    async def newest(self, folder: str, limit: int, agent: str = "") -> PastList:
        """The newest past sessions, of all agents or of one. Raises Refused for no repository."""
        root = await self._root_of(Path(folder))
        files = self._files
        return await _stoppable(lambda stop: files.newest(root, limit, agent, stop))

    async def search(
        self,
        folder: str,
        text: str,
        after: PastCursor | None = None,
        limit: int = 50,
        agent: str = "",
    ) -> PastFound:
        """A part of the sessions, newest first, for entries that have all of the words."""
        root = await self._root_of(Path(folder))
        files = self._files
        return await _stoppable(lambda stop: files.search(root, text, after, limit, agent, stop))

    async def page(self, folder: str, past_id: PastId, first: int, limit: int) -> PastPage:
        """Entries from line `first` on. Raises NotFound, Refused."""
        root = await self._root_of(Path(folder))
        return await asyncio.to_thread(self._files.page, root, past_id, first, limit)

    async def pin(self, folder: Path, past_id: PastId) -> tuple[PastRef, PastSession]:
        """The session as a run takes it up, with the hash of what it is now. Raises NotFound,
        Refused."""
        return await asyncio.to_thread(self._files.pin, folder, past_id)

    async def history(self, folder: Path, ref: PastRef) -> PastHistory:
        """What the agent is told. Raises NotFound, and Refused when it is not what was pinned."""
        return await asyncio.to_thread(self._files.history, folder, ref)


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
