"""The least that paints a frame: what the start of the control room is compared with."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import Static


class Empty(App[None]):
    def compose(self) -> ComposeResult:
        yield Static("Longwatch", markup=False)


if __name__ == "__main__":
    Empty().run()
