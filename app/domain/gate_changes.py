"""Whether what an attempt changed lies where it may, and is not too much."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

from app.domain.gate_check import Finding
from app.domain.text import one_line

_WIDTH = 300


class FileChange(Struct, frozen=True):
    """One changed file: its path in the repository, or the old and the new one; lines."""

    paths: tuple[str, ...]
    added: int
    removed: int
    binary: bool = False  # has no lines

    @property
    def lines(self) -> int:
        """A change without lines (of a mode, a name, bytes) is a change all the same: one."""
        return max(self.added + self.removed, 1)


def check_changes(
    changes: Sequence[FileChange], allow: Sequence[str], limit: int | None
) -> Finding:
    """Whether all changes lie within the globs `allow` (none: anywhere), and are few enough.

    A file that got a new name counts under both.
    """
    lines = sum(change.lines for change in changes)
    outside = [
        path for change in changes for path in change.paths if allow and not within(path, allow)
    ]
    said = list[str]()
    if outside:
        count = _count(len(outside), "changed path lies", "changed paths lie")
        said += [f"{count} outside of {one_line(', '.join(allow), _WIDTH)}; take the change back:"]
        said += [f"  {one_line(path, _WIDTH)}" for path in outside]
    if limit is not None and lines > limit:
        said += [f"{_count(lines, 'line', 'lines')} changed, at most {limit} may be:"]
        said += [_file(change) for change in sorted(changes, key=lambda c: -c.lines)]
    if said:
        return Finding(False, "\n".join(said))
    files = _count(len(changes), "file", "files")
    return Finding(True, f"{_count(lines, 'line', 'lines')} changed in {files}, as allowed")


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _file(change: FileChange) -> str:
    lines = "binary" if change.binary else f"+{change.added} -{change.removed}"
    return f"  {lines} {one_line(' -> '.join(change.paths), _WIDTH)}"


def within(path: str, globs: Sequence[str]) -> bool:
    """Whether a path, relative to the repository's root, matches one of the globs.

    `*`, `?` and `[…]` stay within one name, hidden names included; `**` stands for any number
    of folders, at the end for everything below; `docs/` is `docs/**`. Case counts.
    """
    names = path.split("/")
    return any(_matches(_parts(glob), names) for glob in globs)


def _parts(glob: str) -> list[str]:
    parts = [part for part in glob.split("/") if part not in ("", ".")]
    if glob.endswith("/"):
        parts.append("**")
    if parts[-1:] == ["**"]:
        parts.append("*")  # below a folder, and not the folder's own name
    return parts


def _matches(parts: list[str], names: list[str]) -> bool:
    """All positions that can be reached at once: the time is the product of both lengths."""
    reached = _open(parts, {0})
    for name in names:
        step = {at for at in reached if parts[at : at + 1] == ["**"]}
        step |= {at + 1 for at in reached if at < len(parts) and fnmatchcase(name, parts[at])}
        reached = _open(parts, step)
    return len(parts) in reached


def _open(parts: list[str], reached: set[int]) -> set[int]:
    """With the positions behind a `**`, which may stand for nothing."""
    found = set(reached)
    for at, part in enumerate(parts):
        if at in found and part == "**":
            found.add(at + 1)
    return found
