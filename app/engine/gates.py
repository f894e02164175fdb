"""Gates: a command that a step's result must pass, run in the session's workspace."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from datetime import datetime
from pathlib import Path

from app.domain.base import Clock
from app.domain.errors import DriverError
from app.domain.run import GateResult, Run
from app.domain.text import clip, printable
from app.domain.workflow import Gate
from app.engine.capture import Captured
from app.engine.environment import child_environment
from app.engine.processes import ProcessRegistry

_LOG_LIMIT = 64 * 1024
# Linux refuses to start a program with one string over 128 KiB in its environment.
_ENVIRONMENT_LIMIT = 96 * 1024


async def run_gate(
    gate: Gate,
    *,
    workspace: str,
    run: Run,
    step: str,
    output: str,
    registry: ProcessRegistry,
    clock: Clock,
) -> GateResult:
    """Evaluate a gate; it passes with exit status 0. A command that cannot start fails it."""
    started = clock.now()
    handle, name = tempfile.mkstemp(prefix="longwatch-output-")  # made with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(output)
        captured = await registry.run_captured(
            list(gate.command) or ["/bin/sh", "-c", gate.shell],
            cwd=workspace,
            env={**child_environment(), **_variables(gate, run, step, output, name)},
            purpose=f"gate {gate.name}",
            timeout=gate.timeout_seconds,
            stdin=output.encode(),
            limit=_LOG_LIMIT,
            run_id=run.run_id,
        )
    except DriverError as error:
        return _not_started(gate, str(error), clock, started)
    finally:
        await asyncio.to_thread(Path(name).unlink, missing_ok=True)
    log = _log(captured)
    if captured.timed_out:
        log = f"{log}\n(ended after {gate.timeout_seconds:g} s: timeout_seconds)".strip()
    return GateResult(
        gate=gate.name,
        passed=captured.exit_code == 0,
        exit_code=captured.exit_code,
        log=clip(printable(log), _LOG_LIMIT),
        log_sha256=captured.stdout.sha256 if captured.stdout.size else captured.stderr.sha256,
        log_bytes=captured.stdout.size + captured.stderr.size,
        timed_out=captured.timed_out,
        started_at=started,
        ended_at=clock.now(),
    )


def _variables(gate: Gate, run: Run, step: str, output: str, file: str) -> dict[str, str]:
    """Ours, and the reference's names (behaviour.md section 4), so that its commands work."""
    names = {
        "LONGWATCH_RUN_ID": run.run_id,
        "LONGWATCH_STEP": step,
        "LONGWATCH_OUTPUT_FILE": file,
        "LONGWATCH_CRITERIA": gate.criteria,
        "OPENFANG_WORKFLOW_ID": run.workflow,
        "OPENFANG_WORKFLOW_RUN_ID": run.run_id,
        "OPENFANG_STEP_NAME": step,
        "OPENFANG_ACCEPTANCE_CRITERIA": gate.criteria,
    }
    if len(output.encode()) <= _ENVIRONMENT_LIMIT and "\0" not in output:
        names["OPENFANG_STEP_OUTPUT"] = output
    return names


def _log(captured: Captured) -> str:
    """Standard output, or error, or both under headings: as the reference logs them."""
    out, err = captured.stdout.text.strip(), captured.stderr.text.strip()
    if out and err:
        return f"stdout:\n{out}\n\nstderr:\n{err}"
    return out or err


def _not_started(gate: Gate, why: str, clock: Clock, started: datetime) -> GateResult:
    log = printable(f"gate {gate.name} could not start: {why}")
    return GateResult(
        gate=gate.name,
        passed=False,
        exit_code=None,
        log=log,
        log_sha256=hashlib.sha256(log.encode()).hexdigest(),
        log_bytes=len(log.encode()),
        started_at=started,
        ended_at=clock.now(),
    )
