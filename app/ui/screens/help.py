"""Help: every key that works on the screen underneath, and what the glyphs mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from app.ui.keys import KeyEntry, described
from app.ui.marks import HELD, NEEDS, PAUSED, STATES
from app.ui.theme import style
from app.ui.widgets.tail import GLYPHS

KEY_CELLS = 16
MEANS = {
    "uncertain": "nobody knows whether an allowed tool call was carried out",
    "approval": "an agent asks to be allowed something",
    "review": "a result waits for your verdict",
    "question": "a workflow asks you something",
    "rollout": "a rollout waits for you: a step, or a checklist",
    "stuck": "its agent gets nowhere: silent, or going in circles",
    "blocked": "stands still until somebody helps: retry, skip or cancel",
    "held": "a part of it stands still, the rest goes on",
    "paused": "somebody has paused it: u lets it go on",
    "working": "an agent or a gate is at work",
    "queued": "begins as soon as there is room",
    "failed": "gave up; can be retried",
    "done": "every step passed",
    "canceled": "ended by somebody",
}
SAYS = {
    "prompt": "what the agent was told",
    "message": "what it answers",
    "thought": "what it thinks on the way",
    "tool": "a tool call begins",
    "output": "what a tool printed",
    "notice": "said by Longwatch itself",
    "error": "something went wrong",
}


class HelpPage(VerticalScroll):
    """The page, with which lines of it are in sight in its frame."""

    DEFAULT_CSS = """
    HelpPage {
        border-title-align: right;
        border-title-color: $quiet;
        border-subtitle-align: left;
        border-subtitle-color: $quiet;
    }
    """

    def on_mount(self) -> None:
        self.border_subtitle = "Esc closes this page"

    def on_resize(self) -> None:
        self._tell()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._tell()

    def _tell(self) -> None:
        total, height = self.virtual_size.height, self.size.height
        first = round(self.scroll_offset.y)
        place = f"lines {first + 1}-{min(first + height, total)} of {total}"
        self.border_title = place if total > height else ""


class HelpScreen(ModalScreen[None]):
    """One page; Esc or ? closes it."""

    CSS_PATH = style("help")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q", "close", "Back", id="help.back", key_display="Esc"),
        Binding("j,down", "scroll(1)", "Down", id="help.down", show=False),
        Binding("k,up", "scroll(-1)", "Up", id="help.up", show=False),
    ]

    def __init__(self, underneath: Screen[object]) -> None:
        super().__init__()
        entries = described(underneath)
        name = type(underneath).__name__.removesuffix("Screen")
        self._groups = [
            (f"Keys on {name}", [e for e in entries if not e.shared]),
            ("Keys everywhere", [e for e in entries if e.shared]),
        ]

    def compose(self) -> ComposeResult:
        with HelpPage(id="help"):
            yield Static("Longwatch · help", markup=False, classes="help-name")
            for title, entries in self._groups:
                if entries:
                    yield Static(title, markup=False, classes="help-title")
                    yield Static(_keys(entries), markup=False)
            yield Static("States of a run", markup=False, classes="help-title")
            yield Static(_states(), markup=False)
            yield Static("Lines in a pane", markup=False, classes="help-title")
            yield Static(_lines(), markup=False)

    def action_close(self) -> None:
        self.dismiss()

    def action_scroll(self, by: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)


def _keys(entries: Sequence[KeyEntry]) -> Content:
    return _table([(entry.keys, entry.label) for entry in entries], KEY_CELLS)


def _states() -> Content:
    marks = {mark.word: mark.glyph for mark in (*NEEDS.values(), *STATES.values(), PAUSED, HELD)}
    return _table([(f"{marks[word]} {word}", text) for word, text in MEANS.items()], KEY_CELLS)


def _lines() -> Content:
    rows = [(f"{first.strip()} {kind}", SAYS[kind]) for kind, (first, _) in GLYPHS.items()]
    return _table(rows, KEY_CELLS)


def _table(rows: Sequence[tuple[str, str]], cells: int) -> Content:
    parts: list[Content] = []
    for left, right in rows:
        parts.append(Content.styled(left.ljust(cells), "$accent"))
        parts.append(Content(f"{right}\n"))
    return Content("").join(parts).rstrip("\n")
