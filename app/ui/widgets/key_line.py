"""The last row: the keys that work now, as many as there is room for; `?` has all of them.

Those that are wanted most come first. On a wide terminal the others of the screen follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.strip import Strip
from textual.widget import Widget

from app.ui.keys import MOVES, is_shared

if TYPE_CHECKING:
    from textual.screen import Screen

_MORE = "…"
_WAYS_OUT = ("app.help", "screen.back")  # what is said however little room there is
_FIRST_TO_GO = "app.quit"  # where Esc leads back, and `?` names it


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the line: what is pressed, how it is called, what it does."""

    binding: Binding
    display: str
    enabled: bool
    label: str
    extra: bool = False  # shown where there is room for more than what is wanted most

    @property
    def cells(self) -> int:
        return cell_len(self.display) + (1 + cell_len(self.label) if self.label else 0)


class KeyLine(Widget):
    """A screen's own keys first, then the way back and help. A click presses one."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--key", "keys--label"}
    DEFAULT_CSS = """
    KeyLine { dock: bottom; height: 1; background: $footer-background; }
    KeyLine > .keys--key { color: $footer-key-foreground; text-style: bold; }
    KeyLine > .keys--label { color: $footer-description-foreground; }
    """
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._keys: Sequence[Key] = ()
        self._ready = False

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def on_unmount(self) -> None:
        self.screen.bindings_updated_signal.unsubscribe(self)

    def _changed(self, screen: Screen[object]) -> None:
        if not self.is_attached or screen is not self.screen:
            return
        keys = _shown(screen)
        if keys != self._keys:
            self._keys = keys
            self.refresh()

    # -- drawing

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        parts: list[Segment] = []
        for key in fitting(self._keys, width):
            parts += [*self._drawn(key, base), Segment(" ", base)]
        return Strip(parts).adjust_cell_length(width, Style(bgcolor=base.bgcolor))

    def _drawn(self, key: Key | None, base: Style) -> list[Segment]:
        label = self.get_component_rich_style("keys--label", partial=True)
        if key is None:
            return [Segment(_MORE, base + label)]
        dim = Style(dim=not key.enabled or None)
        name = self.get_component_rich_style("keys--key", partial=True)
        return [
            Segment(key.display, base + name + dim),
            Segment(f" {key.label}" if key.label else "", base + label + dim),
        ]

    # -- mouse

    def on_click(self, event: events.Click) -> None:
        left = 0
        for key in fitting(self._keys, self.size.width):
            right = left + (key.cells if key is not None else len(_MORE)) + 1
            if key is not None and key.enabled and left <= event.x < right:
                self.app.simulate_key(key.binding.key)
            left = right


def _shown(screen: Screen[object]) -> list[Key]:
    """The keys to show: of several for one thing the first, and those of every screen last."""
    found: dict[str, Key] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if (binding.show or _may_follow(binding)) and binding.action not in found:
            display = screen.app.get_key_display(binding)
            label, extra = binding.description, not binding.show
            found[binding.action] = Key(binding, display, active.enabled, label, extra)
    return sorted(found.values(), key=lambda key: (is_shared(key.binding), key.extra))


def _may_follow(binding: Binding) -> bool:
    own = bool(binding.id and binding.description) and not is_shared(binding)
    return own and not binding.action.startswith((*MOVES, "tab("))


def fitting(keys: Sequence[Key], width: int) -> list[Key | None]:
    """What there is room for; None stands for what there is none for."""
    extra = [key for key in keys if key.extra]
    own = [key for key in keys if not is_shared(key.binding) and not key.extra]
    shared = [key for key in keys if is_shared(key.binding)]
    if len(shared) > len(_WAYS_OUT) and _cells([*own, *shared]) > width:
        shared = [key for key in shared if key.binding.id != _FIRST_TO_GO]
    if _cells([*own, *shared]) > width:  # `?` is known without a word
        shared = [replace(k, label="") if k.binding.id == _WAYS_OUT[0] else k for k in shared]
    if _cells([*own, *shared]) <= width:
        for key in extra:
            if _cells([*own, key, *shared]) <= width:
                own.append(key)
        return [*own, *shared]
    while own and _cells([*own, None, *shared]) > width:
        own.pop()
    return [*own, None, *shared]


def _cells(keys: Sequence[Key | None]) -> int:
    """With a blank between each two."""
    return sum(key.cells if key is not None else len(_MORE) for key in keys) + len(keys) - 1
