"""What a person types into a dialog besides the text itself: last lines such as `attach: a.png`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


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


def split_attached(text: str, project: Path) -> tuple[str, tuple[str, ...]]:
    """The text without its last lines `attach: FILE`, and the files; relative to the project.
    Who only attaches something says at least that."""
    rest, options = split_options(text, ("attach",))
    files = whole_paths(options["attach"], project)
    return rest or ("See the attached files." if files else text), files


def whole_paths(names: Sequence[str], project: Path) -> tuple[str, ...]:
    """Files as a person names them, absolute."""
    return tuple(str(project / Path(name).expanduser()) for name in names)
