"""Merging the work of parallel branches, without a worktree (`git merge-tree --write-tree`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.domain.errors import LongwatchError
from app.domain.text import one_line
from app.engine.git import Git

_SHOWN = 8  # files named in a conflict


async def merge(
    git: Git, project: Path, branch: str, commits: Sequence[str]
) -> tuple[str, str | None]:
    """One commit that holds all of `commits`, and `branch`, made to keep it if it is a new one.

    The same commits in the same order give the same one, so a merge that a crash cut off is
    simply made again. Raises LongwatchError that names the files in conflict.
    """
    tips = await _tips(git, project, commits)
    if len(tips) == 1:
        return tips[0], None
    merged = tips[0]
    for other in tips[1:]:
        merged = await _two(git, project, merged, other)
    await git.run(project, "update-ref", f"refs/heads/{branch}", merged)
    return merged, branch


async def _tips(git: Git, project: Path, commits: Sequence[str]) -> list[str]:
    """Those commits that no other one of them holds already, in their order."""
    unique = list(dict.fromkeys(commits))
    if len(unique) < 2:
        return unique
    independent = await git.text(project, "merge-base", "--independent", *unique)
    found = set(independent.split())
    return [commit for commit in unique if commit in found]


async def _two(git: Git, project: Path, ours: str, theirs: str) -> str:
    words = ("merge-tree", "--write-tree", "--name-only", "--no-messages", ours, theirs)
    done = await git.run(project, *words, good=(0, 1))
    tree, *files = done.stdout.text.splitlines()
    if done.returncode == 1:
        named = [one_line(file, 100) for file in dict.fromkeys(files) if file.strip()]
        more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        raise LongwatchError(
            f"parallel work cannot be merged: both sides changed {', '.join(named[:_SHOWN])}{more}"
            f" (commits {ours[:12]} and {theirs[:12]}); merge them by hand, or skip a branch"
        )
    date = await git.text(project, "show", "--no-patch", "--format=%cI", theirs)
    return await git.text(
        project,
        "commit-tree",
        tree,
        *("-p", ours, "-p", theirs),
        *("-m", f"Merge parallel work\n\n{ours[:12]} and {theirs[:12]}"),
        environment={"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date},
    )
