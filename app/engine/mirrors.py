"""Mirrors: private git repositories in the store, of projects that are none themselves.

The mirror of a folder holds the folder's states as commits; worktrees, diffs and merges are made
of it as of any repository. Nothing is ever written into the folder but by `take`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Awaitable, Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from app.domain.copying import LEFT_OUT, CopyLimits
from app.domain.errors import LongwatchError
from app.domain.text import one_line
from app.engine import listing, worktrees
from app.engine.git import Git, GitError
from app.engine.listing import Stamps
from app.engine.plain_folder import has_git
from app.engine.project_names import CONFIG_FILE
from app.engine.scratch import scratch_folder

Begin = Callable[[], Awaitable[None]]

_log = logging.getLogger(__name__)
_BRANCH = "folder"  # of the mirror, with the folder's states
_TRIES = 3
# Copies are byte by byte: no line ends are changed, no filter program is run.
_ATTRIBUTES = "* -text -filter -ident -working-tree-encoding -eol\n"
_SHOWN = 8  # files named in a conflict
_PATCH = ("diff", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv")


class Mirrors:
    """Makes and refreshes the mirrors below `root`. All errors are LongwatchError."""

    def __init__(self, root: Path, store: Path, git: Git) -> None:
        self._root, self._store, self._git = root, store, git
        self._locks: dict[Path, asyncio.Lock] = {}

    def of(self, project: Path) -> Path:
        """Where a project's mirror is, or would be."""
        digest = sha256(os.fsencode(project)).hexdigest()[:16]
        return self._root / f"{worktrees.safe_name(project.name)}-{digest}"

    async def home(self, project: Path, *, commit: str = "", worktree: Path | None = None) -> Path:
        """The repository that has a project's commits and worktrees: its own, or its mirror.

        For a folder that has become a repository since, the one that has this commit or worktree.
        """
        mirror = self.of(project)
        if not await asyncio.to_thread((mirror / ".git/HEAD").is_file):
            return project
        if not await asyncio.to_thread(has_git, project):
            return mirror
        if worktree is not None:
            metadata = worktrees.find_metadata
            known = await asyncio.to_thread(metadata, mirror.resolve() / ".git", worktree)
            return project if known is None else mirror
        if commit:
            asked = ("cat-file", "-e", f"{commit}^{{commit}}")
            done = await self._git.run(mirror, *asked, good=(0, 1, 128))
            return project if done.returncode else mirror
        return project

    async def refresh(self, project: Path) -> str:
        """The commit that holds the folder as it is now: what sessions start from.

        Raises LongwatchError, in one sentence that says what to do, for a folder that is too
        large, has files that cannot be read, or does not hold still.
        """
        mirror = self.of(project)
        async with self._locks.setdefault(mirror, asyncio.Lock()):
            return await self._refresh(project, mirror)

    async def _refresh(self, project: Path, mirror: Path) -> str:
        limits, env_file = await asyncio.to_thread(_settings, project)
        await self._prepare(mirror, limits)
        changed: list[str] = []
        scratch = scratch_folder("copy")
        try:
            listed = listing.Listing(self._git, project, self._store, limits, env_file, scratch)
            for _ in range(_TRIES):
                found = await listed.read(mirror)
                await self._take_in(project, mirror, found, scratch)
                changed = _changed(found, await listed.read(mirror))
                if not changed:
                    return await self._commit(project, mirror)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        raise LongwatchError(
            f"{one_line(str(project), 300)} cannot be copied, for it changes all the time "
            f"({one_line(changed[0], 200)}): stop what writes there, or leave that out by "
            f".gitignore or `exclude` under [copies] in {CONFIG_FILE}"
        )

    async def _prepare(self, mirror: Path, limits: CopyLimits) -> None:
        await asyncio.to_thread(mirror.mkdir, mode=0o700, parents=True, exist_ok=True)
        new = ("init", "--quiet", "--template=", f"--initial-branch={_BRANCH}", str(mirror))
        if not await asyncio.to_thread((mirror / ".git/HEAD").is_file):
            await self._git.run(mirror, *new)
        await asyncio.to_thread(_write_info, mirror / ".git/info", limits)

    async def _take_in(self, project: Path, mirror: Path, found: Stamps, scratch: Path) -> None:
        """Make the mirror's index that of these files; unchanged ones are not read again."""
        environment, own = listing.environment(project, mirror), [mirror / ".git"]
        keep = listing.KEEP
        try:
            words = ("ls-files", "-z", "--cached")
            done = await self._git.run(project, *words, environment=environment, keep=keep)
            gone = [name for name in listing.split(done.stdout.head) if name not in found]
        except GitError as error:  # cut off by a crash: all files are read again
            _log.warning("%s; the index is made anew", error)
            await asyncio.to_thread((mirror / ".git/index").unlink)
            gone = []
        for names, how in ((gone, "--force-remove"), (found, "--add")):
            if not names:
                continue
            file = await asyncio.to_thread(_write_names, scratch / "names", names)
            # What goes away meanwhile is seen afterwards, by reading the folder again.
            add = ("update-index", how, "--remove", "--replace", "-z", "--stdin")
            await self._git.run(project, *add, environment=environment, own=own, stdin=file)

    async def _commit(self, project: Path, mirror: Path) -> str:
        tree = await self._git.text(mirror, "write-tree", own=[mirror / ".git"])
        ref = f"refs/heads/{_BRANCH}"
        parent: tuple[str, ...] = ()
        if await self._git.succeeds(mirror, "show-ref", "--verify", "--quiet", ref):
            last = await self._git.text(mirror, "rev-parse", "--verify", ref)
            if tree == await self._git.text(mirror, "rev-parse", f"{last}^{{tree}}"):
                return last
            parent = ("-p", last)
        message = f"{one_line(str(project), 300)} as it was"
        commit = await self._git.text(mirror, "commit-tree", tree, *parent, "-m", message)
        await self._git.run(mirror, "update-ref", ref, commit, own=[mirror / ".git"])
        return commit

    async def take(self, project: Path, commit: str, begin: Begin) -> int:
        """Bring work into the folder; how many files it changed. All of it, or nothing. `begin` is
        awaited before the first file is changed.

        What has changed in the folder since stays. Raises LongwatchError that names the files
        when both have changed the same lines; nothing is changed then.
        """
        mirror = self.of(project)
        async with self._locks.setdefault(mirror, asyncio.Lock()):
            now = await self._refresh(project, mirror)
            words = ("merge-tree", "--write-tree", "--name-only", "--no-messages", now, commit)
            done = await self._git.run(mirror, *words, good=(0, 1))
            tree, *files = done.stdout.text.splitlines()
            if done.returncode == 1:
                raise LongwatchError(_conflict(project, files))
            names = ("diff", "--name-only", "--no-renames", "-z", now, tree)
            changed = await self._git.run(mirror, *names, keep=listing.KEEP)
            count = changed.stdout.head.count(b"\0")
            if count:
                await begin()
                await self._apply(project, mirror, now, tree)
            return count

    async def _apply(self, project: Path, mirror: Path, now: str, tree: str) -> None:
        scratch = scratch_folder("copy")
        try:
            patch = scratch / "patch"
            await self._git.run(mirror, *_PATCH, "--no-renames", f"--output={patch}", now, tree)
            environment = listing.environment(project, mirror)
            # git looks at all of it before it writes the first file.
            apply = ("apply", "--whitespace=nowarn", str(patch))
            await self._git.run(project, *apply, environment=environment)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _settings(project: Path) -> tuple[CopyLimits, str]:
    if not (project / CONFIG_FILE).is_file():
        return CopyLimits(), ""
    from app.engine.project import load_config  # only folders without git come here

    config = load_config(project)
    return config.copies, config.env_file


def _write_info(folder: Path, limits: CopyLimits) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "attributes").write_text(_ATTRIBUTES, "utf-8")
    (folder / "exclude").write_text("\n".join((*LEFT_OUT, *limits.exclude, "")), "utf-8")


def _write_names(file: Path, names: Iterable[str]) -> Path:
    file.write_bytes(b"".join(os.fsencode(name) + b"\0" for name in names))
    return file


def _changed(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    return [n for n in {**before, **after} if before.get(n) != after.get(n)]


def _conflict(project: Path, files: list[str]) -> str:
    named = [one_line(file, 100) for file in dict.fromkeys(files) if file.strip()]
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return (
        f"this work and {one_line(str(project), 300)} have both changed "
        f"{', '.join(named[:_SHOWN])}{more}: nothing was taken over; `longwatch diff` prints the "
        "work as a patch, to be taken by hand"
    )
