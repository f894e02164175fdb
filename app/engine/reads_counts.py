"""What a supervisor counts, proves, reports and tidies on request: metrics, use, the journal, a
project, worktrees."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.base import RunId
from app.domain.errors import LongwatchError, NotFound
from app.domain.run import Run
from app.domain.text import one_line
from app.engine.core import Core
from app.engine.workspaces import Released, Workspace

if TYPE_CHECKING:
    from app.domain.feed import VerifyReport
    from app.domain.metrics import Metrics
    from app.domain.project_report import ProjectReport
    from app.domain.usage import UsageOfDay
    from app.domain.worktree_report import CleanReport, WorktreeReport


class ReadsCounts:
    """Mixed into the supervisor. What a method needs is loaded when it is asked: seldom, and never
    at a start."""

    _core: Core

    async def metrics(self) -> Metrics:
        """Counted at this moment from the journal. Raises StoreError."""
        from app.domain.metrics import Metrics
        from app.store.counts import count

        return Metrics.of(await count(self._core.paths))

    async def usage(self, days: int = 7) -> list[UsageOfDay]:
        """What agents have used in the last days, by day and agent. Raises StoreError."""
        from app.store.spending import spending

        return await spending(self._core.paths, days)

    async def project(self, folder: str) -> ProjectReport:
        """What a repository declares, as its files are now. Raises Refused if it is none."""
        from app.engine.project_report import project_report

        root = await self._core.workspaces.repository(Path(folder))
        return await asyncio.to_thread(project_report, root)

    async def verify(self) -> VerifyReport:
        from app.store.verify import verify

        await self._core.journal.on_disk()  # what is under way belongs to it
        return await verify(self._core.paths)

    async def worktrees(self) -> list[WorktreeReport]:
        """Every worktree of the store's runs, and why it is still there."""
        from app.domain.worktree_report import WorktreeReport

        return [
            WorktreeReport(
                run_id=run.run_id,
                state=run.state,
                path=str(one.path),
                git_branch=one.git_branch,
                why=await self._why(run, one),
            )
            for run in await self._with_worktrees()
            for one in await self._core.workspaces.of_run(run.run_id)
        ]

    async def clean_worktrees(self, run_id: RunId | None = None) -> CleanReport:
        """Remove the worktrees of runs that are over, or of one of them. What is not committed in
        one is committed to its branch first: nothing is lost. Raises NotFound."""
        from app.domain.worktree_report import CleanReport, WorktreeReport

        runs = await self._with_worktrees()
        if run_id is not None:
            runs = [run for run in runs if run.run_id == run_id]
            if not runs:
                raise NotFound(f"run {run_id} has no worktree")
        removed, branches, kept = list[str](), list[str](), list[WorktreeReport]()
        for run in runs:
            for one in await self._core.workspaces.of_run(run.run_id):
                released = await self._tidy(run, one)
                if released.removed:
                    removed.append(one.git_branch)
                    if released.branch_kept:
                        branches.append(one.git_branch)
                    continue
                kept.append(
                    WorktreeReport(
                        run_id=run.run_id,
                        state=run.state,
                        path=str(one.path),
                        git_branch=one.git_branch,
                        why=released.why,
                    )
                )
        return CleanReport(removed=tuple(removed), branches=tuple(branches), kept=tuple(kept))

    async def _tidy(self, run: Run, one: Workspace) -> Released:
        """What became of it."""
        if not run.state.terminal:
            return Released.stays(_NOT_OVER)
        workspaces, project = self._core.workspaces, Path(run.project)
        try:
            if not await workspaces.belongs(project, one):
                shown = one_line(str(one.path), 300)
                return Released.stays(f"{shown} is not a worktree of its project")
            message = f"left in its worktree\n\nRun {run.run_id}"
            await workspaces.snapshot(one.path, message)
            return await workspaces.release(project, one)
        except LongwatchError as error:
            return Released.stays(str(error))

    async def _why(self, run: Run, one: Workspace) -> str:
        if not run.state.terminal:
            return _NOT_OVER
        try:
            return await self._core.workspaces.why_kept(Path(run.project), one) or _FREE
        except LongwatchError as error:
            return str(error)

    async def _with_worktrees(self) -> list[Run]:
        root = self._core.paths.workspaces
        names = await asyncio.to_thread(lambda: {path.name for path in root.glob("*/")})
        known = await self._core.journal.reader.runs(_RUNS)
        live = self._core.journal.projection.states
        runs = [live[run.run_id].run if run.run_id in live else run for run in known]
        return [run for run in runs if run.run_id in names]


_RUNS = 100_000  # in which the owners of worktrees are looked for
_NOT_OVER = "its run is not over"
_FREE = "nothing keeps it: `longwatch worktrees clean` removes it"
