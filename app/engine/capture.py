"""Output of short commands: head and tail kept, all of it hashed and counted."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

_READ = 64 * 1024


@dataclass(frozen=True, slots=True)
class Output:
    """What a command printed on one stream; `text` is capped, the hash covers everything."""

    text: str
    sha256: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Captured:
    """How a short command ended. `exit_code` None: ended by a signal or its time-out."""

    exit_code: int | None
    stdout: Output
    stderr: Output
    timed_out: bool


class Collector:
    """Takes bytes without bound, keeps at most `limit` of them."""

    def __init__(self, limit: int) -> None:
        self._half = limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._digest = hashlib.sha256()
        self._size = 0

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Everything until the stream ends."""
        while data := await stream.read(_READ):
            self.add(data)

    def add(self, data: bytes) -> None:
        self._digest.update(data)
        self._size += len(data)
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * self._half:
            del self._tail[: -self._half]

    def finish(self) -> Output:
        tail = self._tail[-self._half :] if self._half else self._tail
        left_out = self._size - len(self._head) - len(tail)
        middle = f"\n[… {left_out} bytes left out …]\n".encode() if left_out > 0 else b""
        text = bytes(self._head + middle + tail).decode("utf-8", errors="replace")
        return Output(text, self._digest.hexdigest(), self._size)
