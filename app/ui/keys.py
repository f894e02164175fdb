"""Keys that every screen shares, and the pause that keeps a stray key from answering."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

# Every binding has an id, so that a person can remap it.
GLOBAL_KEYS: list[BindingType] = [
    Binding("question_mark,f1", "help", "Help", id="app.help", key_display="?"),
    Binding("ctrl+p", "command_palette", "Palette", id="app.palette", show=False),
    Binding("q", "leave", "Quit", id="app.quit"),
    Binding("ctrl+c", "leave", "Quit", id="app.quit-ctrl-c", show=False),
    # Also over a dialog and while a text is typed.
    Binding("ctrl+q", "leave", "Quit", id="app.quit-anywhere", show=False, priority=True),
]

BACK_KEY: BindingType = Binding("escape", "back", "Back", id="screen.back")


def reading_keys(screen: str) -> list[BindingType]:
    """The keys of a screen with a list that chooses and a text to read; `screen` begins their
    ids."""
    return [
        Binding("j,down", "move(1)", "Row below", id=f"{screen}.down", show=False),
        Binding("k,up", "move(-1)", "Row above", id=f"{screen}.up", show=False),
        Binding("pagedown,space", "pages(1)", "Page down", id=f"{screen}.page-down", show=False),
        Binding("pageup", "pages(-1)", "Page up", id=f"{screen}.page-up", show=False),
        Binding("home", "ends(-1)", "To the top", id=f"{screen}.top", show=False),
        Binding("end", "ends(1)", "To the end", id=f"{screen}.end", show=False),
    ]


def file_keys(screen: str) -> list[BindingType]:
    """The keys of a screen whose text may be a change of several files."""
    return [
        Binding("n", "jump(1)", "Next file", id=f"{screen}.next-file", show=False),
        Binding("p", "jump(-1)", "Previous file", id=f"{screen}.previous-file", show=False),
    ]


def beside(ids: Sequence[str], chosen: str, by: int) -> str:
    """The row so many away from the chosen one, or from the first, without leaving the list.
    There must be one."""
    at = ids.index(chosen) if chosen in ids else 0
    return ids[min(max(at + by, 0), len(ids) - 1)]


# How keys are called where the toolkit's own name is not what stands on the keyboard.
KEY_NAMES = {
    "enter": "Enter",
    "escape": "Esc",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "f1": "F1",
    "slash": "/",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "ctrl+c": "^c",
}

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


class SecondLook:
    """A question put before a grave answer: its confirming key is deaf for as long too."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._deaf = DeafKeys(monotonic)
        self._open = False

    @property
    def seconds(self) -> float:
        return self._deaf.seconds

    def opened(self) -> None:
        """It has come up on the screen."""
        self._open = True
        self._deaf.shown(self)

    def awake(self) -> bool:
        """Whether the confirming key confirms."""
        return self._open and self._deaf.awake()


# Actions that only move within a screen: every list and text has them, and `?` names them.
MOVES = (
    "back",
    "move(",
    "page",
    "ends(",
    "jump(",
    "walk(",
    "turn(",
    "leap(",
    "first",
    "last",
    "pin(",
    "choose(",
)

# Bindings are named `place.deed`: these places are not a screen of their own.
_SHARED = ("app", "screen")
_PARTS = ("tail", "text")


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One thing that keys do on a screen, for help and palette."""

    keys: str  # as a person reads them, e.g. `j, down`
    label: str
    action: str
    shared: bool  # means the same on every screen
    shown: bool  # in the footer too


def described(screen: Screen[object]) -> list[KeyEntry]:
    """What keys do on a screen, its own first; remapped keys as they are now."""
    found: dict[tuple[str, str], tuple[Binding, list[str]]] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if binding.id and binding.description:
            place = (binding.id.partition(".")[0], binding.action)
            keys = found.setdefault(place, (binding, []))[1]
            display = screen.app.get_key_display(binding)
            if display not in keys:
                keys.append(display)
    return [
        KeyEntry(
            keys=", ".join(keys),
            label=binding.description,
            action=binding.action,
            shared=place in _SHARED,
            shown=binding.show,
        )
        for (place, _), (binding, keys) in sorted(found.items(), key=_order)
    ]


def is_shared(binding: Binding) -> bool:
    """Whether it means the same on every screen."""
    return (binding.id or "").partition(".")[0] in _SHARED


def refused(screen: Screen[Any], key: str) -> str:
    """What to say of a key that a screen has and that cannot be used now; "" for any other."""
    found = [
        binding
        for binding in screen._bindings.key_to_bindings.get(key, ())
        if binding.description and not is_shared(binding)
    ]
    if not found or key in screen.active_bindings:
        return ""
    names = " or ".join(dict.fromkeys(binding.description for binding in found))
    return f"{screen.app.get_key_display(found[0])} {names}: not possible here now"


def _order(item: tuple[tuple[str, str], object]) -> int:
    """A screen's own keys, then those of the part of it that has the focus, then the shared."""
    place = item[0][0]
    return 2 if place in _SHARED else int(place in _PARTS)
