"""Frozen dataclasses that cost a start next to nothing: their methods are written at first use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar, dataclass_transform

_C = TypeVar("_C", bound=type)
_making = Lock()  # two threads may each make a first instance


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: _C) -> _C:
    """As `@dataclass(frozen=True)`, but its methods are written with the first instance.

    Writing them takes half a millisecond a class, and a start brings a hundred classes of which
    it uses some. Not for a class that another is derived from.
    """
    cls.__init__ = _until_first_use(cls)  # type: ignore[misc]
    return cls


def _until_first_use(cls: Any) -> Callable[..., None]:
    def __init__(self: object, *args: Any, **named: Any) -> None:
        with _making:
            if cls.__init__ is __init__:
                _write_methods(cls)
        cls.__init__(self, *args, **named)

    return __init__


def _write_methods(cls: Any) -> None:
    """Its `__init__` last, and in one step: from then on other threads take the class as ready."""
    left_out = ("__init__", "__dict__", "__weakref__")
    declared = {name: part for name, part in vars(cls).items() if name not in left_out}
    dataclass(frozen=True, init=False)(cls)
    twin: Any = dataclass(frozen=True, eq=False, repr=False)(type(cls.__name__, (), declared))
    cls.__init__ = twin.__init__
