"""The folder that is read: nothing outside of it, and no link out of it is followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.domain.errors import ConfigError

MAX_TEXT = 16 * 1024 * 1024  # bytes of a file that is read as a whole
_MAX_DEPTH = 40
# What is made again from elsewhere, or would be a repository inside a repository.
LEFT_OUT = frozenset({".git", "node_modules", "__pycache__", ".venv"})
STATE_FOLDERS = (".openclaw", ".clawdbot", ".moldbot", ".moltbot")


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file inside the source."""

    path: Path  # absolute
    relative: str  # to the folder that was walked, with slashes
    size: int


@dataclass(frozen=True, slots=True)
class Tree:
    """What a folder holds, and what was not taken of it: a sentence each."""

    files: tuple[Found, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


class Source:
    """An installation's folder."""

    def __init__(self, root: Path) -> None:
        """Raises ConfigError if there is no such folder."""
        try:
            self.root = root.expanduser().resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            raise ConfigError("there is nothing there to migrate", source=str(root)) from None
        if not self.root.is_dir():
            raise ConfigError("is not a folder", source=str(root))

    def inside(self, path: str | Path) -> Path | None:
        """Where a path leads, relative to the source or absolute; None if that is outside."""
        try:
            real = (self.root / path).resolve()
        except (OSError, RuntimeError, ValueError):
            return None
        return real if real == self.root or self.root in real.parents else None

    def file(self, path: str | Path) -> Path | None:
        """The regular file at a path; None if it is none, or not inside."""
        real = self.inside(path)
        try:
            return real if real is not None and stat.S_ISREG(real.stat().st_mode) else None
        except OSError:
            return None

    def folder(self, path: str | Path) -> Path | None:
        """The folder at a path; None if it is none, or not inside."""
        real = self.inside(path)
        try:
            return real if real is not None and real.is_dir() else None
        except OSError:
            return None

    def text(self, path: Path) -> str:
        """A file's text; what is not UTF-8 in it is replaced. Raises OSError, ValueError."""
        with path.open("rb") as file:
            data = file.read(MAX_TEXT + 1)
        if len(data) > MAX_TEXT:
            raise ValueError(f"it is larger than {MAX_TEXT // 2**20} MB")
        return data.decode("utf-8-sig", "replace")

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def named(self, path: str | Path) -> list[str]:
        """The names in a folder, sorted; empty if there is none."""
        folder = self.folder(path)
        try:
            return sorted(path.name for path in folder.iterdir()) if folder is not None else []
        except OSError:
            return []

    def moved(self, path: str) -> Path | None:
        """Where a path that a configuration names is now: the folder may have been moved here
        from another home. None if it never was inside."""
        if "\0" in path:
            return None
        plain = path.replace("\\", "/")
        for name in (*STATE_FOLDERS, self.root.name):
            for head in (f"~/{name}", f"$HOME/{name}", f"${{HOME}}/{name}"):
                if plain == head or plain.startswith(head + "/"):
                    return self.inside(plain[len(head) :].lstrip("/") or ".")
        if not plain.startswith(("/", "~")) and ":" not in plain[:2]:
            return self.inside(plain)
        for name in (*STATE_FOLDERS, self.root.name):
            before, mark, after = (plain + "/").partition(f"/{name}/")
            if mark and ".." not in before:
                return self.inside(after.rstrip("/") or ".")
        return self.inside(plain) if plain.startswith("/") else None

    def walk(self, folder: Path, *, without: frozenset[Path] = frozenset()) -> Tree:
        """The files of a folder, in order. Links to files inside are taken as those files, links
        to folders and out of the source are not followed."""
        files, left = list[Found](), list[str]()
        for entry in self._entries(folder, "", without, 0, left):
            files.append(entry)
        return Tree(tuple(files), tuple(left))

    def _entries(
        self, folder: Path, prefix: str, without: frozenset[Path], depth: int, left: list[str]
    ) -> Iterator[Found]:
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            left.append(f"{prefix or '.'}: cannot be read ({error.strerror})")
            return
        for entry in entries:
            name = prefix + entry.name
            path = Path(entry.path)
            try:
                if entry.is_symlink():
                    yield from self._linked(path, name, left)
                elif entry.is_dir(follow_symlinks=False):
                    if path in without:
                        continue
                    if entry.name in LEFT_OUT:
                        left.append(f"{name}/: not copied")
                    elif depth >= _MAX_DEPTH:
                        left.append(f"{name}/: nested too deep")
                    else:
                        yield from self._entries(path, f"{name}/", without, depth + 1, left)
                elif entry.is_file(follow_symlinks=False):
                    yield Found(path, name, entry.stat(follow_symlinks=False).st_size)
                else:
                    left.append(f"{name}: is neither a file nor a folder")
            except OSError as error:
                left.append(f"{name}: cannot be read ({error.strerror})")

    def _linked(self, path: Path, name: str, left: list[str]) -> Iterator[Found]:
        target = self.file(path)
        if target is not None:
            yield Found(target, name, target.stat().st_size)
        else:
            left.append(f"{name}: is a link out of the source, to a folder or to nothing")
