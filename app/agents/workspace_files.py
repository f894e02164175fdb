"""Files that an agent reads and writes through Longwatch: in its session's workspace only."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from app.agents.diffs import make_diff
from app.domain.errors import LongwatchError
from app.domain.toolcall import FileChange

READ_CAP = 8 * 1024 * 1024  # bytes of one file
WRITE_CAP = 8 * 1024 * 1024
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


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


def _open(workspace: str, place: Path, flags: int) -> int:
    """Open what `inside` has resolved, folder by folder, without following a link that was put
    anywhere on the way since, and without waiting for a pipe's other end.

    Who writes makes the folders that are missing.
    """
    makes = bool(flags & os.O_CREAT)
    root = Path(workspace).resolve()
    if not place.is_relative_to(root):  # the workspace itself became a link meanwhile
        raise Outside(f"{place} is outside this session's workspace {workspace}")
    *folders, name = place.relative_to(root).parts
    folder = os.open(root, _FOLDER)
    try:
        for part in folders:
            if makes:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=folder)
            below = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(name, flags, 0o666, dir_fd=folder)
    finally:
        os.close(folder)


def read_text(workspace: str, name: str, line: int | None = None, limit: int | None = None) -> str:
    """A file's text, from `line` (from 1) and at most `limit` lines (blocking). Raises Outside."""
    text = read_whole(workspace, name)
    if text is None:
        raise Outside(f"there is no file {name}")
    if line is None and limit is None:
        return text
    lines = text.splitlines(keepends=True)
    first = max((line or 1) - 1, 0)
    return "".join(lines[first : None if limit is None else first + max(limit, 0)])


def read_whole(workspace: str, name: str) -> str | None:
    """The text of a file, None when there is none (blocking). Raises Outside, also for what is no
    plain file of a sensible size."""
    try:
        with os.fdopen(_open(workspace, inside(workspace, name), os.O_RDONLY), "rb") as file:
            data = file.read(READ_CAP + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Outside(f"{name} cannot be read: {error.strerror}") from None
    if len(data) > READ_CAP:
        raise Outside(f"{name} is larger than {READ_CAP >> 20} MiB")
    return data.decode("utf-8", "replace")


def file_change(workspace: str, name: str, content: str) -> FileChange:
    """What writing `content` would change, for showing it (blocking). Raises Outside."""
    place = inside(workspace, name)
    if len(content.encode(errors="surrogatepass")) > WRITE_CAP:
        raise Outside(f"the text for {name} is larger than {WRITE_CAP >> 20} MiB")
    old = read_whole(workspace, name)
    if old is None:
        return FileChange(path=str(place), change="add", diff=content)
    return FileChange(path=str(place), diff=make_diff(place.name, old, content))


def write_text(workspace: str, name: str, content: str) -> None:
    """Write a file whole, its folders included (blocking). Raises Outside."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        with os.fdopen(_open(workspace, inside(workspace, name), flags), "wb") as file:
            file.write(content.encode(errors="surrogatepass"))
    except OSError as error:
        raise Outside(f"{name} cannot be written: {error.strerror}") from None
