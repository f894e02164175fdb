"""A workspace that lies beside the source, such as `~/clawd`: its prompt files, nothing else of it.

Without them an agent would not be the one it was. Only a plain folder of the same home is looked
into, through no link, and only the few files are read that OpenClaw put into every prompt: the
rest of what lies there was never the source's to give.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.migrate.openclaw.source import Source


def folder_beside(source: Source, named: str, inner: str = "") -> Path | None:
    """The folder of the source's own home that a configuration names, or the folder `inner` in
    it; None if it is no plain folder there, or if the source is inside of it."""
    home = source.root.parent
    plain = named.strip()
    if "\0" in plain:
        return None
    for head in ("~/", "$HOME/", "${HOME}/"):
        if plain.startswith(head):
            plain = str(home / plain[len(head) :])
    folder = Path(os.path.normpath(plain)) / inner
    if not folder.is_absolute():
        return None
    try:
        straight = folder.resolve(strict=True) == folder and folder.is_dir()
    except (OSError, RuntimeError, ValueError):
        return None
    own = folder == source.root or folder in source.root.parents or source.root in folder.parents
    return folder if straight and not own and home in folder.parents else None


def texts_in(folder: Path, names: Sequence[str], limit: int) -> Iterator[tuple[str, str]]:
    """Those of the named files that are regular, UTF-8, not blank, and not over `limit` bytes."""
    for name in names:
        try:
            fd = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        with os.fdopen(fd, "rb") as file:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
                continue
            try:
                text = file.read(limit + 1).decode("utf-8-sig")
            except (OSError, UnicodeDecodeError):
                continue
        if text.strip():
            yield name, text
