"""Bringing the work of several steps together, so that the next one starts from all of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.domain import events as ev
from app.domain import flow
from app.domain.base import RunId
from app.engine.core import Core


class Merging:
    """Merges for one run; a merge that git cannot make is a LongwatchError that names the files."""

    def __init__(self, core: Core, run_id: RunId) -> None:
        self._core = core
        self._run_id = run_id

    async def into_one(self, step: str, commits: Sequence[str]) -> str | None:
        """One commit that holds all of these; None for none."""
        if not commits:
            return None
        if len(commits) == 1:
            return commits[0]
        run = self._core.state(self._run_id).run
        commit, _ = await self._core.workspaces.merge(
            Path(run.project), self._run_id, step, commits
        )
        return commit

    async def base_of(self, step: str) -> str | None:
        """What a step's work starts from: the work of all the steps that it needs."""
        state = self._core.state(self._run_id)
        needs = state.run.needs().get(flow.owner(step), ())
        found = flow.commits(state, needs)
        return await self.into_one(step, found) or state.run.base_commit

    async def of_the_run(self) -> list[ev.Payload]:
        """What moves the run's head to the work of all its last steps."""
        state = self._core.state(self._run_id)
        needs = state.run.needs()
        needed = {name for before in needs.values() for name in before}
        found = flow.commits(state, [name for name in needs if name not in needed])
        if len(found) < 2:
            last = found[0] if found else None
            return [] if last in (None, state.run.head_commit) else [_moved(last, None)]
        commit, branch = await self._core.workspaces.merge(
            Path(state.run.project), self._run_id, "result", found
        )
        return [_moved(commit, branch)]


def _moved(commit: str | None, branch: str | None) -> ev.HeadMoved:
    return ev.HeadMoved(commit=commit or "", branch=branch)
