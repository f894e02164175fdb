"""Diffs of work: between commits, and of a worktree as it stands; bounded and printable."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from app.domain.gate_changes import FileChange
from app.domain.text import one_line, printable
from app.engine.capture import Keep
from app.engine.git import Git, GitError
from app.engine.scratch import scratch_folder

DIFF_LIMIT = 2 * 1024 * 1024
_COUNT_LIMIT = 32 * 1024 * 1024  # some 300,000 changed files
_ONE_ERROR_OR_ALL = (0, 1, 128)
# All that an operator's configuration could change about a diff is said.
_DIFF = (
    *("diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-relative", "--find-renames"),
    *("--unified=3", "--submodule=short", "--src-prefix=a/", "--dst-prefix=b/"),
)
# Without --unified, which would ask for the patch as well.
_NUMSTAT = (
    *("diff", "--numstat", "-z", "--find-renames", "--no-ext-diff", "--no-textconv"),
    *("--no-relative", "--ignore-submodules=none"),
)


async def commit_diff(
    git: Git, folder: Path, *commits: str, environment: Mapping[str, str] | None = None
) -> str:
    """Unified diff between two commits, or from one to the files; at most 2 MiB and a note."""
    keep = Keep(head=DIFF_LIMIT, tail=0)
    words = (*_DIFF, *commits, "--")
    done = await git.run(folder, *words, keep=keep, environment=environment)
    if not done.stdout.cut:
        return printable(done.stdout.text)
    head = done.stdout.head
    head = head[: head.rfind(b"\n") + 1] or head
    command = one_line(f"git -C {folder} diff {' '.join(commits)}", 500)
    note = f"… {done.stdout.size - len(head):,} bytes left out; `{command}` shows all\n"
    return printable(head.decode("utf-8", "replace")) + note


async def numstat(git: Git, folder: Path, base: str, commit: str) -> tuple[FileChange, ...]:
    """Every file that differs between two commits, with its lines. Raises GitError.

    `folder` is the project and not the worktree: which files are binary is said by attributes
    in its files, and an agent could write those of the worktree.
    """
    words = (*_NUMSTAT, base, commit, "--")
    done = await git.run(folder, *words, keep=Keep(head=_COUNT_LIMIT, tail=0))
    if done.stdout.cut:
        raise GitError(f"too many files differ between {base[:12]} and {commit[:12]}")
    return tuple(_changes(done.stdout.text))


def _changes(text: str) -> Iterator[FileChange]:
    """Records `added TAB removed TAB path NUL`; for a new name `… TAB NUL old NUL new NUL`."""
    fields = iter(text.split("\0"))
    for field in fields:
        if field:
            added, removed, path = field.split("\t", 2)
            paths = (path,) if path else (next(fields), next(fields))
            binary = added == "-"
            lines = (0, 0) if binary else (int(added), int(removed))
            yield FileChange(paths, *lines, binary)


async def working_diff(git: Git, worktree: Path, metadata: Path, base: str) -> str:
    """Unified diff from a commit to the worktree as it is now, untracked files included.

    `metadata` is the worktree's own git folder.
    """
    # Made here and not in a thread: when that is cancelled, nobody learns the folder's name.
    folder = scratch_folder("index")
    try:
        # On a copy of the index, so that the agent's own staging is left alone.
        with suppress(FileNotFoundError):
            # With its time, by which git knows which files may have changed since unseen.
            await asyncio.to_thread(shutil.copy2, metadata / "index", folder / "index")
        environment = {"GIT_INDEX_FILE": str(folder / "index")}
        # What cannot be added (an unreadable file, an empty repository within) is left out.
        words = ("add", "--intent-to-add", "--ignore-errors", "--", ".")
        await git.run(worktree, *words, good=_ONE_ERROR_OR_ALL, environment=environment)
        return await commit_diff(git, worktree, base, environment=environment)
    finally:
        # Two unlinks, and they must happen in a cancelled task too: not worth a thread.
        shutil.rmtree(folder, ignore_errors=True)
