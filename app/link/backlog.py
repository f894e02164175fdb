"""The bounded backlog of one feed reader: the engine never waits for a slow one."""

from __future__ import annotations

import asyncio
from collections import deque

MAX_LINES = 8192
MAX_BYTES = 32 * 1024 * 1024


class Backlog:
    """Lines waiting to be written to one reader, bounded in number and bytes.

    One task puts, one takes. A backlog that overflows forgets what it holds, for the reader
    has to start from a new snapshot anyway, and gives the farewell line as its last.
    """

    def __init__(self, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES) -> None:
        self._max_lines, self._max_bytes = max_lines, max_bytes
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._closed = False
        self._news = asyncio.Event()

    def put(self, line: bytes) -> bool:
        """Queue a line; False when the reader is too far behind (nothing is queued then).

        A single line is always taken by an empty backlog, however long: it is the snapshot.
        """
        full = len(self._lines) >= self._max_lines or self._bytes + len(line) > self._max_bytes
        if self._closed or (self._lines and full):
            return False
        self._lines.append(line)
        self._bytes += len(line)
        self._news.set()
        return True

    def finish(self, farewell: bytes = b"", *, drop: bool = False) -> None:
        """No more lines follow; with `drop` what is queued is forgotten first."""
        if drop:
            self._lines.clear()
        if farewell and not self._closed:
            self._lines.append(farewell)
        self._closed = True
        self._news.set()

    async def take(self) -> bytes:
        """All that is queued, joined; empty once finished and drained."""
        while not self._lines and not self._closed:
            self._news.clear()
            await self._news.wait()
        joined = b"".join(self._lines)
        self._lines.clear()
        self._bytes = 0
        return joined
