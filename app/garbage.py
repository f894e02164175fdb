"""How often Python looks for values that only refer to each other."""

from __future__ import annotations

import gc

_FIRST = 200_000  # new values until the first look: those of a start stay
_YOUNG, _MIDDLE, _OLD = 50_000, 4, 50


def collect_seldom() -> None:
    """The engine makes many small values and hardly a cycle of them. Looked for after every 700
    new values, as by default, cycles cost it a seventh of its time, and screens a stutter."""
    gc.set_threshold(_FIRST, _MIDDLE, _OLD)
    if _from_now_on not in gc.callbacks:
        gc.callbacks.append(_from_now_on)


def _from_now_on(phase: str, info: dict[str, int]) -> None:
    if phase == "stop":
        gc.callbacks.remove(_from_now_on)
        gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
