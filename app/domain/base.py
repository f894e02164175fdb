"""What every domain model shares: the frozen base, ids, and the injected clock."""

from __future__ import annotations

from datetime import datetime
from typing import NewType, Protocol

from pydantic import BaseModel, ConfigDict

RunId = NewType("RunId", str)
SessionId = NewType("SessionId", str)
ApprovalId = NewType("ApprovalId", str)
ReviewId = NewType("ReviewId", str)
QuestionId = NewType("QuestionId", str)
ProcessId = NewType("ProcessId", str)
RuleId = NewType("RuleId", str)


class Model(BaseModel):
    """A frozen value; changing one means `model_copy(update=...)`. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Clock(Protocol):
    """Where time comes from; injected, so that a test can run 24 hours in seconds."""

    def now(self) -> datetime:
        """Wall-clock time, timezone-aware UTC."""

    def monotonic(self) -> float:
        """Seconds that never jump back."""

    async def sleep(self, seconds: float) -> None: ...


class IdSource(Protocol):
    """Where ids come from; injected, so that a seed replays a schedule."""

    def new(self, prefix: str) -> str:
        """A unique id that starts with `prefix`, such as `run-…`."""
