"""The gate over what an attempt changed: how much, and where."""

from __future__ import annotations

import asyncio
from pathlib import Path

from app.domain.errors import LongwatchError
from app.domain.gate import Gate
from app.domain.gate_changes import check_changes
from app.domain.gate_check import Finding
from app.engine.gate_subject import Subject
from app.engine.workspaces import Workspaces


async def check_diff(gate: Gate, subject: Subject, workspaces: Workspaces) -> Finding:
    """Check the changes between two commits of the project's repository."""
    base, commit = subject.base, subject.commit
    if not base or not commit:
        why = "this result has no commit to compare with the one that its work began from"
        return Finding(False, f"{why}: give the gate to a step that works in a worktree", False)
    try:
        changes = await workspaces.numstat(Path(subject.run.project), base, commit)
    except LongwatchError as error:
        return Finding(False, f"the changes cannot be counted: {error}", usable=False)
    return await asyncio.to_thread(check_changes, changes, gate.allow_paths, gate.max_diff_lines)
