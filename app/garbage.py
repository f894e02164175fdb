"""How often Python looks for values that only refer to each other."""

from __future__ import annotations

import gc

_YOUNG, _MIDDLE, _OLD = 50_000, 4, 50


def collect_seldom() -> None:
    """The engine makes many small values and hardly a cycle of them. Looked for after every 700
    new values, as by default, cycles cost it a seventh of its time, and screens a stutter. A start
    makes some hundred thousand values that all stay."""
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
