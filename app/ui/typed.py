"""What a person types into a dialog besides the text itself: last lines such as `attach: a.png`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def split_options(text: str, names: Sequence[str]) -> tuple[str, Mapping[str, tuple[str, ...]]]:
    """The text without its last lines of the form `name: value`, and their values by name."""
    lines = text.rstrip().split("\n")
    found: dict[str, list[str]] = {name: [] for name in names}
    while lines:
        name, colon, value = lines[-1].partition(":")
        name, value = name.strip().lower(), value.strip()
        if not colon or not value or name not in found:
            break
        found[name].insert(0, value)
        lines.pop()
    return "\n".join(lines).strip(), {name: tuple(values) for name, values in found.items()}
