"""Short commands whose output is kept: all of it counted and hashed, head and tail stored."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from app.engine.child import Child

_CHUNK_BYTES = 64 * 1024


class Keep(Struct, frozen=True):
    """How many bytes of each stream are stored, from its start and from its end."""

    head: int = 32 * 1024
    tail: int = 32 * 1024


class Output(Struct, frozen=True):
    """One stream. `head` and `tail` do not overlap; `size` and `digest` (SHA-256) cover all."""

    head: bytes
    tail: bytes
    size: int
    digest: bytes

    @property
    def cut(self) -> int:
        """Bytes between head and tail that were not stored."""
        return self.size - len(self.head) - len(self.tail)

    @property
    def text(self) -> str:
        """What was stored, raw: not yet fit for a terminal."""
        return (self.head + self.tail).decode("utf-8", "replace")


class Captured(Struct, frozen=True):
    """How a command ended. `returncode` is negative for a signal, its own included."""

    returncode: int
    timed_out: bool
    stdout: Output
    stderr: Output
    started_at: datetime
    ended_at: datetime
    why: str = ""  # it was ended before its end, by whom it is a child of


class _Collector:
    """Reads one stream to its end in bounded memory."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._head, self._tail = bytearray(), bytearray()
        self._size, self._hash = 0, hashlib.sha256()

    async def read(self, stream: asyncio.StreamReader) -> None:
        while data := await stream.read(_CHUNK_BYTES):
            self._size += len(data)
            self._hash.update(data)
            room = self._keep.head - len(self._head)
            self._head += data[:room]
            self._tail += data[room:]
            # Cut now and then, not at every chunk: each cut moves the whole tail.
            if len(self._tail) > 2 * self._keep.tail + _CHUNK_BYTES:
                self._trim()

    def _trim(self) -> None:
        del self._tail[: max(len(self._tail) - self._keep.tail, 0)]

    def output(self) -> Output:
        self._trim()
        return Output(bytes(self._head), bytes(self._tail), self._size, self._hash.digest())


async def follow(child: Child, timeout: float, keep: Keep) -> tuple[bool, Output, Output]:
    """Read until the command ends; whether it ran out of time, its stdout, its stderr.

    `timeout` is in seconds. The command's tree is gone afterwards, however this ends.
    """
    collectors = _Collector(keep), _Collector(keep)
    readers = [
        asyncio.create_task(collector.read(stream))
        for collector, stream in zip(collectors, (child.stdout, child.stderr), strict=True)
    ]
    timed_out = False
    try:
        async with asyncio.timeout(timeout):
            await child.wait()
            await asyncio.wait(readers)
    except TimeoutError:
        timed_out = True
    finally:
        # Something that the command has started holds its pipes open.
        left_over = child.returncode is not None and not all(reader.done() for reader in readers)
        # The readers go on meanwhile: what a command says at its end is often the reason.
        await child.kill()
        if left_over:
            await child.sweep()
        await asyncio.gather(*readers, return_exceptions=True)
    return timed_out, collectors[0].output(), collectors[1].output()
