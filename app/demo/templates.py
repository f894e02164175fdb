"""The demo's files, as they lie in the package."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path


def copy_templates(name: str, target: Path, values: Mapping[str, str]) -> None:
    """Copy the folder `name` of the demo's files to `target`.

    In names, `dot-` stands for a leading "." and ".txt" at the end goes away: as they lie there,
    the files are nobody's Python modules, tests or git settings. In texts, each `@KEY@` of
    `values` is replaced. Raises OSError.
    """
    _copy(files("app.demo") / "files" / name, target, values)


def _copy(source: Traversable, target: Path, values: Mapping[str, str]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir():
        name = entry.name
        if name.startswith("dot-"):
            name = "." + name.removeprefix("dot-")
        if entry.is_dir():
            _copy(entry, target / name, values)
        else:
            text = entry.read_text(encoding="utf-8")
            for key, value in values.items():
                text = text.replace(f"@{key}@", value)
            (target / name.removesuffix(".txt")).write_text(text, encoding="utf-8")
