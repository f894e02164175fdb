"""Which files of a plain folder are copied for sessions, and how they stand."""

from __future__ import annotations

import asyncio
import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from app.domain.copying import CopyLimits, is_private
from app.domain.errors import LongwatchError
from app.domain.text import one_line
from app.engine.capture import Keep
from app.engine.git import Git
from app.engine.project_names import CONFIG_FILE

KEEP = Keep(head=128 * 1024 * 1024, tail=64 * 1024)  # a million names
_MIB = 1024 * 1024
_UNREADABLE = "could not open directory '"
_DEEPEST = 16  # repositories within repositories

# Path relative to the project: inode, mode, size, time of change.
Stamps = dict[str, tuple[int, int, int, int]]


def environment(project: Path, mirror: Path) -> dict[str, str]:
    """For git: the mirror's repository, with this folder as its files."""
    return {"GIT_DIR": str(mirror / ".git"), "GIT_WORK_TREE": str(project)}


def split(names: bytes) -> Iterator[str]:
    """Names that each end in NUL."""
    return (os.fsdecode(name) for name in names.split(b"\0") if name)


class Listing(Struct, frozen=True):
    """Lists a project's files: what git would add, of repositories within too."""

    git: Git
    project: Path
    store: Path  # not copied, should it lie in the project
    limits: CopyLimits
    env_file: str
    scratch: Path

    async def read(self, mirror: Path) -> Stamps:
        """Every file that is copied. Raises LongwatchError for what cannot be, or is too much."""
        names = await self._within(mirror, "", 0)
        return await asyncio.to_thread(self._stamps, names)

    async def _within(self, mirror: Path, prefix: str, depth: int) -> list[str]:
        folder = self.project / prefix
        # An index that is not there: all files are new, as if the mirror was empty.
        index = {"GIT_INDEX_FILE": str(self.scratch / "none")}
        words = ("ls-files", "-z", "--others", "--exclude-standard")
        done = await self.git.run(
            folder, *words, environment=environment(folder, mirror) | index, keep=KEEP
        )
        if done.stdout.cut:
            raise LongwatchError(self._too_many("over a million"))
        if _UNREADABLE in done.stderr.text:
            name = done.stderr.text.split(_UNREADABLE, 1)[1].split("'", 1)[0]
            raise LongwatchError(self._unreadable(prefix + name))
        found: list[str] = []
        for name in split(done.stdout.head):
            path = prefix + name
            if not name.endswith("/"):
                found.append(path)
            elif depth < _DEEPEST and not self._is_store(path):
                # git stops at a repository of its own: its files are work like others.
                found += await self._within(mirror, path, depth + 1)
        return found

    def _stamps(self, names: list[str]) -> Stamps:
        found, sizes = Stamps(), Counter[str]()
        for name in names:
            if is_private(name, self.env_file) or self._is_store(name):
                continue
            path = self.project / name
            try:
                about = path.lstat()
            except FileNotFoundError:
                continue  # gone since it was listed
            except OSError as error:
                raise LongwatchError(self._unreadable(name)) from error
            if stat.S_ISREG(about.st_mode) and not os.access(path, os.R_OK):
                raise LongwatchError(self._unreadable(name))
            found[name] = (about.st_ino, about.st_mode, about.st_size, about.st_mtime_ns)
            sizes[name.split("/", 1)[0]] += about.st_size
        if len(found) > self.limits.max_files:
            raise LongwatchError(self._too_many(f"{len(found):,}"))
        if sizes.total() > self.limits.max_mb * _MIB:
            raise LongwatchError(self._too_large(sizes))
        return found

    def _is_store(self, name: str) -> bool:
        within = self.store != self.project and self.store.is_relative_to(self.project)
        return within and (self.project / name).is_relative_to(self.store)

    @property
    def _place(self) -> str:
        return one_line(str(self.project), 300)

    def _unreadable(self, name: str) -> str:
        return (
            f"{self._place} cannot be copied: {one_line(name, 200)} cannot be read; make it "
            f"readable, or leave it out by .gitignore or `exclude` under [copies] in {CONFIG_FILE}"
        )

    def _too_many(self, count: str) -> str:
        return (
            f"{self._place} holds {count} files, and {self.limits.max_files:,} are copied at most:"
            f" leave some out by .gitignore, set max_files under [copies] in {CONFIG_FILE}, or "
            "make it a git repository"
        )

    def _too_large(self, sizes: Counter[str]) -> str:
        name, most = sizes.most_common(1)[0]
        return (
            f"{self._place} holds {sizes.total() / _MIB:,.1f} MiB ({most / _MIB:,.1f} of them in "
            f"{one_line(name, 100)}), and {self.limits.max_mb:g} are copied at most: leave some "
            f"out by .gitignore, set max_mb under [copies] in {CONFIG_FILE}, or make it a git "
            "repository"
        )
