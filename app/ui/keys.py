"""Keys that every screen shares, and the pause that keeps a stray key from answering."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType

# Every binding has an id, so that a person can remap it.
GLOBAL_KEYS: list[BindingType] = [
    Binding("question_mark,f1", "help", "Help", id="app.help", key_display="?"),
    Binding("ctrl+p", "command_palette", "Palette", id="app.palette", show=False),
    Binding("q", "leave", "Quit", id="app.quit"),
    Binding("ctrl+q", "leave", "Quit", id="app.quit-anywhere", show=False, priority=True),
]

BACK_KEY: BindingType = Binding("escape", "back", "Back", id="screen.back")

DEAF_SECONDS = 0.5


class DeafKeys:
    """Keys that answer a request are deaf for half a second after what is shown has changed.

    Call `shown(name)` whenever the request on screen is drawn, with what identifies it and its
    revision; ask `awake()` before acting on an answering key.
    """

    seconds: ClassVar[float] = DEAF_SECONDS

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._name: object = None
        self._since = float("-inf")

    def shown(self, name: object) -> None:
        """Say what is on screen now; the pause starts again only when it differs."""
        if name != self._name:
            self._name, self._since = name, self._monotonic()

    def awake(self) -> bool:
        return self._monotonic() - self._since >= self.seconds
