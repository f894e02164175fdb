"""Where the style sheets are, and the one palette."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from textual.theme import Theme

WIDE = 120  # columns from which on list and panes stand side by side

# Sober greys and one accent; red and amber only where a person is needed or something is wrong.
THEME = Theme(
    name="longwatch",
    primary="#5fafd7",
    secondary="#87afaf",
    accent="#5fafd7",
    warning="#d7af5f",
    error="#e0787a",
    success="#87af87",
    foreground="#c6ccd2",
    background="#14181c",
    surface="#1a2026",
    panel="#242c34",
    dark=True,
    text_alpha=1.0,
    variables={
        "footer-background": "#1a2026",
        "footer-key-foreground": "#5fafd7",
        "footer-key-background": "#1a2026",
        "footer-description-foreground": "#98a2ac",
        "footer-description-background": "#1a2026",
        "block-cursor-text-style": "bold",
        "quiet": "#98a2ac",  # what is there when looked for
        "quieter": "#727d87",
        "ink": "#14181c",  # on loud backgrounds
        "cursor": "#2c4254",
        "focused": "#33506a",
    },
)

# The same for terminals of 16 colours, where near greys would all become one: the standard
# palette's own values, so that nothing is left to rounding.
PLAIN = Theme(
    name="longwatch-16",
    primary="#55ffff",
    secondary="#00aaaa",
    accent="#55ffff",
    warning="#ffff55",
    error="#ff5555",
    success="#55ff55",
    foreground="#aaaaaa",
    background="#000000",
    surface="#000000",
    panel="#0000aa",
    dark=True,
    text_alpha=1.0,
    variables={
        "footer-background": "#000000",
        "footer-key-foreground": "#55ffff",
        "footer-key-background": "#000000",
        "footer-description-foreground": "#aaaaaa",
        "footer-description-background": "#000000",
        "block-cursor-text-style": "bold",
        "quiet": "#aaaaaa",
        "quieter": "#aaaaaa",
        "ink": "#000000",
        "cursor": "#0000aa",
        "focused": "#00aaaa",
    },
)


@cache
def styles_folder() -> Path:
    """`app/styles` in an installed wheel, `styles` beside `app` in a checkout."""
    app = Path(__file__).resolve().parent.parent
    inside = app / "styles"
    return inside if inside.is_dir() else app.parent / "styles"


def style(name: str) -> Path:
    """The style sheet of a screen, for its CSS_PATH."""
    return styles_folder() / f"{name}.tcss"
