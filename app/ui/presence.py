"""Whether somebody looks at this terminal, as far as that can be told. No Textual."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

LATELY = 120.0  # seconds for which who has pressed a key counts as looking
_MULTIPLEXERS = ("TMUX", "STY", "ZELLIJ")


class Presence:
    """A terminal that tells when it gets and loses the focus is believed.

    Within tmux, unless `focus-events` is on there, and on a console nobody tells: a window that is
    left open over night, detached or in the background, must not count as somebody who looks.
    """

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._told = not (any(map(environment.get, _MULTIPLEXERS)) or _console(environment))
        self._focus = True
        self._touched = monotonic()

    def focus(self, has: bool) -> None:
        """The terminal tells: from now on it is believed."""
        self._told, self._focus = True, has

    def touched(self) -> None:
        """Somebody has pressed a key, or moved the mouse."""
        self._touched = self._monotonic()

    def now(self) -> bool:
        """Whether what is painted now is seen."""
        if self._told:
            return self._focus
        return self._monotonic() - self._touched < LATELY


def _console(environment: Mapping[str, str]) -> bool:
    """Or a multiplexer at the other end of a connection."""
    return environment.get("TERM", "").startswith(("linux", "screen", "tmux"))
