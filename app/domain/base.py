"""What every domain model shares: the frozen base, ids, and the injected clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NewType, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict

RunId = NewType("RunId", str)
SessionId = NewType("SessionId", str)
ApprovalId = NewType("ApprovalId", str)
ReviewId = NewType("ReviewId", str)
QuestionId = NewType("QuestionId", str)
ProcessId = NewType("ProcessId", str)
RuleId = NewType("RuleId", str)
RolloutId = NewType("RolloutId", str)

_set = object.__setattr__  # a frozen model's own refuses
_new = object.__new__


class Model(BaseModel):
    """A frozen value; changing one means `model_copy(update=...)`. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's, several times as fast: every event makes some copies, and without
        private and extra attributes a copy is its fields."""
        if deep:
            return super().model_copy(update=update, deep=True)
        changes = update or {}
        named = self.__pydantic_fields_set__
        if not changes.keys() <= named:
            named = named | changes.keys()
        made: Self = _new(type(self))
        _set(made, "__dict__", {**self.__dict__, **changes})
        _set(made, "__pydantic_fields_set__", named)
        _set(made, "__pydantic_extra__", None)
        _set(made, "__pydantic_private__", None)
        return made


_M = TypeVar("_M", bound=Model)


def trusted(kind: type[_M], **fields: Any) -> _M:
    """A model of values that are valid already, all of its fields: nothing is checked."""
    made = _new(kind)
    _set(made, "__dict__", fields)
    _set(made, "__pydantic_fields_set__", set(fields))
    _set(made, "__pydantic_extra__", None)
    _set(made, "__pydantic_private__", None)
    return made


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
