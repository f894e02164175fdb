"""The real clock and the real source of ids; tests inject their own."""

from __future__ import annotations

import asyncio
import secrets
import time
from datetime import UTC, datetime


class SystemClock:
    """Time as the machine has it."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class RandomIds:
    """Short random ids: ten base-32 characters, 50 bits, easy to read out and to type."""

    _LETTERS = b"0123456789abcdefghjkmnpqrstvwxyz" * 8  # of each byte that there is

    def new(self, prefix: str) -> str:
        tail = secrets.token_bytes(10).translate(self._LETTERS).decode()
        return f"{prefix}-{tail}"
