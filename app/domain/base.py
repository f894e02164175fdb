"""What every domain model shares: the frozen base, ids, and the injected clock."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, NewType, ParamSpec, Protocol, Self, TypeVar, cast

from msgspec import Struct
from pydantic import BaseModel, ConfigDict

from app.domain.text import writable

RunId = NewType("RunId", str)
SessionId = NewType("SessionId", str)
ApprovalId = NewType("ApprovalId", str)
ReviewId = NewType("ReviewId", str)
QuestionId = NewType("QuestionId", str)
ProcessId = NewType("ProcessId", str)
RuleId = NewType("RuleId", str)
RolloutId = NewType("RolloutId", str)

# What a model is made of; a frozen one refuses to have it set, and calls through a name are slow.
_new: Callable[[Any], Any] = object.__new__
_set_values = vars(BaseModel)["__dict__"].__set__
_set_named = vars(BaseModel)["__pydantic_fields_set__"].__set__
_set_extra = vars(BaseModel)["__pydantic_extra__"].__set__
_set_private = vars(BaseModel)["__pydantic_private__"].__set__


class Model(BaseModel):
    """A frozen value; changing one means `model_copy(update=...)`. Unknown keys are refused.

    Modules of models do without `from __future__ import annotations`: with it the types are texts,
    which pydantic would have compiled again at each start.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's, several times as fast: every event makes some copies, and without
        private and extra attributes a copy is its fields."""
        if deep:
            return super().model_copy(update=update, deep=True)
        changes = update or {}
        named = self.__pydantic_fields_set__
        if not named.issuperset(changes):
            named = named.union(changes)
        made: Self = _new(type(self))
        _set_values(made, {**self.__dict__, **changes})
        _set_named(made, named)
        _set_extra(made, None)
        _set_private(made, None)
        return made


def whole_json(model: BaseModel, *, exclude_defaults: bool = False) -> str:
    """A model as JSON also where a text in it is no whole text (see `app.domain.text.writable`):
    what once got as far as the journal must not be in the way of all that comes after it."""
    data = model.model_dump(mode="json", exclude_defaults=exclude_defaults)
    return writable(json.dumps(data, ensure_ascii=False, separators=(",", ":")))


_M = TypeVar("_M", bound=Model)
_P = ParamSpec("_P")
_BLANK: dict[object, dict[str, Any]] = {}  # of each kind: its fields in order, by default


def trusted(kind: Callable[_P, _M], /, *_: _P.args, **fields: _P.kwargs) -> _M:
    """`kind(**fields)` of values that are valid already: nothing is checked or converted, so it
    costs a fraction. For what is made often; what comes from outside is validated.
    """
    blank = _BLANK.get(kind) or _blank(cast(type[Model], kind))
    made: _M = _new(kind)
    _set_values(made, {**blank, **fields})
    _set_named(made, {*fields})
    _set_extra(made, None)
    _set_private(made, None)
    return made


def _blank(kind: type[Model]) -> dict[str, Any]:
    """Fields without a default are among them for their place alone. All models of the kind share
    the defaults, as values that never change may be."""
    fields = kind.model_fields.items()
    blank = {name: field.get_default(call_default_factory=True) for name, field in fields}
    return _BLANK.setdefault(kind, blank)


class Discreet(Struct, frozen=True):
    """A value of which `repr`, and with it a log or a traceback, leaves fields out: they may be
    long, or secret."""

    unshown: ClassVar[tuple[str, ...]] = ()

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        names = (name for name in self.__struct_fields__ if name not in self.unshown)
        return [(name, getattr(self, name)) for name in names]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"


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
