"""Gates: a check of the kind that each declares decides whether a step's result passes."""

from __future__ import annotations

from app.domain.base import Clock
from app.domain.errors import DriverError, LongwatchError
from app.domain.gate import Gate, GateKind
from app.domain.gate_check import Finding
from app.domain.run import GateResult
from app.engine.gate_command import run_command
from app.engine.gate_diff import check_diff
from app.engine.gate_log import LOG_LIMIT, Started
from app.engine.gate_output import check_json, check_pattern
from app.engine.gate_subject import Subject
from app.engine.processes import ProcessRegistry
from app.engine.workspaces import Workspaces

__all__ = ["LOG_LIMIT", "run_gate"]


async def run_gate(
    gate: Gate, subject: Subject, registry: ProcessRegistry, workspaces: Workspaces, clock: Clock
) -> GateResult:
    """Evaluate one gate.

    What cannot be evaluated at all (no such command, a broken schema or expression, nothing to
    compare) has not passed, has `could_start` False, and its log says why. Raises LongwatchError
    if the output cannot be handed over, which says nothing about the step, and for a gate that
    somebody judges: those are reviews.
    """
    started = Started(gate, clock)
    try:
        match gate.kind:
            case GateKind.COMMAND:
                return await run_command(gate, subject, registry)
            case GateKind.SCHEMA:
                found = await check_json(gate, subject, registry)
            case GateKind.PATTERN:
                found = await check_pattern(gate, subject.output)
            case GateKind.DIFF:
                found = await check_diff(gate, subject, workspaces)
            case _:
                raise LongwatchError(
                    f"gate {gate.name} of step {subject.step}: it is judged, not run"
                )
    except DriverError as error:
        found = Finding(False, str(error), usable=False)
    return started.result(found)
