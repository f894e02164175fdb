"""Evaluating a gate on an attempt's result, in the worktree that holds its work."""

from __future__ import annotations

from pathlib import Path

from app.domain import directives as do
from app.domain import events as ev
from app.domain.base import RunId
from app.domain.errors import LongwatchError
from app.domain.run import Attempt, RunState
from app.engine.approvals import Approvals
from app.engine.core import Core
from app.engine.merging import Merging


class GateWork:
    """Runs the gates of one run."""

    def __init__(self, core: Core, approvals: Approvals, merging: Merging, run_id: RunId) -> None:
        self._core = core
        self._approvals = approvals
        self._merging = merging
        self._run_id = run_id

    async def run(self, directive: do.RunGate) -> None:
        """Evaluate and record one gate. Raises LongwatchError when there is nothing to check in."""
        from app.engine.gate_subject import Subject  # loaded with the first gate, not at the start
        from app.engine.gates import run_gate

        state = self._core.state(self._run_id)
        attempt = state.newest(directive.unit)
        if attempt is None:
            raise LongwatchError(f"step {directive.unit}: there is no result to check")
        workspace, base = await self._place(attempt, state)
        env_file = self._core.recipe(self._run_id).env_file
        subject = Subject(
            run=state.run,
            step=directive.unit.step,
            output=attempt.output or "",
            workspace=str(workspace),
            base=base,
            commit=attempt.commit,
            hidden=(str(self._core.paths.root), *filter(None, [env_file])),
            visible=await self._core.workspaces.shown(Path(state.run.project), workspace),
        )
        core = self._core
        result = await run_gate(
            directive.gate, subject, core.processes, core.workspaces, core.clock
        )
        result = result.model_copy(update={"log": self._approvals.clean(result.log)})
        if attempt.commit is not None:
            # A gate checks: what it leaves in the worktree is nobody's work.
            await self._core.workspaces.restore(workspace, attempt.commit)
        await self._core.commit(
            self._run_id,
            ev.GateFinished(**directive.unit._asdict(), attempt=directive.attempt, result=result),
        )

    async def _place(self, attempt: Attempt, state: RunState) -> tuple[Path, str]:
        """The worktree with the attempt's work, and the commit that the work began from."""
        if attempt.session_id is not None:
            session = state.sessions[attempt.session_id]
            return Path(session.workspace), session.base_commit or state.run.base_commit or ""
        base = attempt.commit or await self._merging.base_of(attempt.step)
        if base is None:
            raise LongwatchError(f"step {attempt.step}: there is no commit to check")
        made = await self._core.workspaces.create(
            Path(state.run.project), self._run_id, attempt.step, base, f"{attempt.step}-gates"
        )
        await self._core.workspaces.restore(made.path, base)
        return made.path, state.run.base_commit or base
