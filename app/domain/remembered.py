"""Results of pure functions of values that never change, remembered for as long as is useful."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_MOST = 4096


def remembered(compute: Callable[[_Key], _Value]) -> Callable[[_Key], _Value]:
    """`compute`, asked once for each object: for arguments that are costly to hash. What it
    returns belongs to all who ask, so nobody may change it."""
    known: dict[int, tuple[_Key, _Value]] = {}

    @wraps(compute)
    def ask(key: _Key) -> _Value:
        found = known.get(id(key))
        if found is not None and found[0] is key:
            return found[1]
        value = compute(key)
        if len(known) >= _MOST:
            del known[next(iter(known))]
        # The object is kept with it: its id is nobody else's meanwhile.
        known[id(key)] = (key, value)
        return value

    return ask
