"""Patterns that cost nothing until a text is searched for them."""

from __future__ import annotations

import re
from functools import cached_property


class LatePattern:
    """A pattern that is compiled when it is first used: one with many branches takes as long as
    some hundred searches for it, and a program that has just begun needs few of them."""

    def __init__(self, pattern: str, flags: int = 0) -> None:
        self._pattern = pattern
        self._flags = flags

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        return re.compile(self._pattern, self._flags)
