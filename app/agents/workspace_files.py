"""Files that an agent reads and writes through Longwatch: in its session's workspace only."""

from __future__ import annotations

import os
from pathlib import Path

from app.agents.diffs import make_diff
from app.domain.errors import LongwatchError
from app.domain.toolcall import FileChange

READ_CAP = 8 * 1024 * 1024  # bytes of one file
WRITE_CAP = 8 * 1024 * 1024


class Outside(LongwatchError):
    """A path does not lie in the session's workspace, or is no file there."""


def place_below(folder: Path, name: str) -> Path | None:
    """The real place of `name`, links followed; None when it does not lie below `folder`.
    Raises ValueError for what is no path."""
    root = folder.resolve()
    try:
        place = (root / name).resolve()
    except (OSError, RuntimeError) as error:  # a loop of links
        raise ValueError(str(error)) from error
    return place if place != root and place.is_relative_to(root) else None


def inside(workspace: str, name: str) -> Path:
    """The real place of `name` in the workspace. Raises Outside."""
    try:
        place = place_below(Path(workspace), name)
    except ValueError as error:
        raise Outside(f"{name!r} is not a path: {error}") from None
    if place is None:
        raise Outside(f"{name} is outside this session's workspace {workspace}")
    return place


def read_text(workspace: str, name: str, line: int | None = None, limit: int | None = None) -> str:
    """A file's text, from `line` (from 1) and at most `limit` lines (blocking). Raises Outside."""
    text = read_whole(inside(workspace, name), name)
    if text is None:
        raise Outside(f"there is no file {name}")
    if line is None and limit is None:
        return text
    lines = text.splitlines(keepends=True)
    first = max((line or 1) - 1, 0)
    return "".join(lines[first : None if limit is None else first + max(limit, 0)])


def read_whole(place: Path, name: str) -> str | None:
    """The text of the file at `place`, None when there is none (blocking). Raises Outside for
    what is no plain file of a sensible size."""
    try:
        with os.fdopen(_no_link(place, os.O_RDONLY), "rb") as file:
            data = file.read(READ_CAP + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Outside(f"{name} cannot be read: {error.strerror}") from None
    if len(data) > READ_CAP:
        raise Outside(f"{name} is larger than {READ_CAP >> 20} MiB")
    return data.decode("utf-8", "replace")


def _no_link(path: Path, flags: int) -> int:
    """Open without following a link that was put there since the path was resolved, and
    without waiting for a pipe's other end."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)


def file_change(workspace: str, name: str, content: str) -> FileChange:
    """What writing `content` would change, for showing it (blocking). Raises Outside."""
    place = inside(workspace, name)
    if len(content.encode(errors="surrogatepass")) > WRITE_CAP:
        raise Outside(f"the text for {name} is larger than {WRITE_CAP >> 20} MiB")
    old = read_whole(place, name)
    if old is None:
        return FileChange(path=str(place), change="add", diff=content)
    return FileChange(path=str(place), diff=make_diff(place.name, old, content))


def write_text(workspace: str, name: str, content: str) -> None:
    """Write a file whole, its folders included (blocking). Raises Outside."""
    place = inside(workspace, name)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        inside(workspace, name)  # once more: a folder may have become a link
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(_no_link(place, flags), "wb") as file:
            file.write(content.encode(errors="surrogatepass"))
    except OSError as error:
        raise Outside(f"{name} cannot be written: {error.strerror}") from None
