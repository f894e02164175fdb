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

    _ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"

    def new(self, prefix: str) -> str:
        tail = "".join(self._ALPHABET[byte & 31] for byte in secrets.token_bytes(10))
        return f"{prefix}-{tail}"
