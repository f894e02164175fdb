"""Running one gate as the engine does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from app.domain.base import RunId
from app.domain.gate import Gate
from app.domain.request import Request
from app.domain.run import GateResult, Run, StepBrief
from app.engine.gate_subject import Subject
from app.engine.gates import run_gate
from app.engine.processes import ProcessRegistry
from app.engine.system import SystemClock
from app.engine.workspaces import Workspaces

_NOW = datetime(2026, 1, 2, tzinfo=UTC)
RUN = Run(
    run_id=RunId("run-1"),
    trace_id="t",
    request=Request(text="do it", user="ada"),
    project="/",
    workflow="change",
    recipe="0" * 64,
    steps=(StepBrief(name="plan", kind="agent"),),
    created_at=_NOW,
    updated_at=_NOW,
)


async def gate_on(
    processes: ProcessRegistry,
    gate: Gate,
    output: str = "the plan",
    *,
    workspace: Path | str = "/",
    base: str | None = None,
    commit: str | None = None,
    project: Path | str = "",
    workspaces: Workspaces | None = None,
    hidden: Sequence[str] = (),
    visible: Sequence[str] = (),
) -> GateResult:
    """The result of a gate on an output of the step `plan`, or on its changes."""
    subject = Subject(
        run=RUN.model_copy(update={"project": str(project)}),
        step="plan",
        output=output,
        workspace=str(workspace),
        base=base,
        commit=commit,
        hidden=hidden,
        visible=visible,
    )
    places = workspaces or Workspaces(Path("/nowhere/workspaces"), processes)
    return await run_gate(gate, subject, processes, places, SystemClock())
