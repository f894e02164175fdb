"""A gate that is a command: in the session's workspace, passed means exit status 0 in time."""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections.abc import Sequence
from pathlib import Path

from app.agents import sandbox
from app.domain.gate import Gate
from app.domain.run import GateResult
from app.engine.capture import Captured, Keep, Output
from app.engine.environment import child_environment
from app.engine.excerpt import excerpt, size_of
from app.engine.gate_input import handed_over
from app.engine.gate_log import LOG_LIMIT
from app.engine.gate_subject import Subject
from app.engine.processes import ProcessRegistry

# The kernel takes 128 KiB in one variable; what is larger is in the file and on stdin.
_VARIABLE_LIMIT = 96 * 1024
_REMARK_ROOM = 256


async def run_command(gate: Gate, subject: Subject, registry: ProcessRegistry) -> GateResult:
    """Run the gate's command on a step's output.

    The output is on stdin, in the file LONGWATCH_OUTPUT_FILE, and, when small enough, in
    OPENFANG_STEP_OUTPUT. Ended as a tree on time-out and on cancellation. Raises DriverError if
    it cannot be started, LongwatchError if the output cannot be handed over.
    """
    data = subject.output.encode("utf-8", "replace")
    purpose = f"gate {gate.name} of step {subject.step}"
    argv: Sequence[str] = gate.command or ("/bin/sh", "-c", gate.shell)
    async with handed_over(data, purpose) as file:
        if gate.sandbox == sandbox.NAME:
            argv = await asyncio.to_thread(_confined, argv, subject, file)
        captured = await registry.run_captured(
            argv,
            cwd=subject.workspace,
            env=child_environment(()) | _variables(gate, subject, file, data),
            purpose=purpose,
            timeout=gate.timeout_seconds,
            run_id=subject.run.run_id,
            stdin=file,
            keep=Keep(LOG_LIMIT // 2, LOG_LIMIT // 2),
        )
    return _result(gate, captured)


def _confined(argv: Sequence[str], subject: Subject, file: Path) -> list[str]:
    return sandbox.confined(
        argv,
        workspace=subject.workspace,
        cwd=subject.workspace,
        hidden=subject.hidden,
        visible=(str(file), *subject.visible),
    )


def _variables(gate: Gate, subject: Subject, file: Path, data: bytes) -> dict[str, str]:
    """Our names, and those that gates written for OpenFang read."""
    run, step = subject.run, subject.step
    found = {
        "LONGWATCH_RUN_ID": run.run_id,
        "LONGWATCH_STEP": step,
        "LONGWATCH_OUTPUT_FILE": str(file),
        "OPENFANG_WORKFLOW_ID": run.workflow,
        "OPENFANG_WORKFLOW_RUN_ID": run.run_id,
        "OPENFANG_STEP_NAME": step,
    }
    criteria = gate.criteria.encode("utf-8", "replace")
    if _fits(criteria):
        found["LONGWATCH_CRITERIA"] = found["OPENFANG_ACCEPTANCE_CRITERIA"] = criteria.decode()
    if _fits(data):
        found["OPENFANG_STEP_OUTPUT"] = data.decode()
    return found


def _fits(data: bytes) -> bool:
    return len(data) < _VARIABLE_LIMIT and b"\0" not in data


def _result(gate: Gate, captured: Captured) -> GateResult:
    code = captured.returncode
    normal = code >= 0 and not captured.timed_out
    return GateResult(
        gate=gate.name,
        passed=normal and code == 0,
        exit_code=code if normal else None,
        log=_log(gate, captured),
        log_sha256=_digest(captured.stdout, captured.stderr),
        log_bytes=captured.stdout.size + captured.stderr.size,
        timed_out=captured.timed_out,
        started_at=captured.started_at,
        ended_at=captured.ended_at,
    )


def _digest(stdout: Output, stderr: Output) -> str:
    """SHA-256 over all of the only stream that has output; over both digests when both have."""
    if stdout.size and stderr.size:
        return hashlib.sha256(stdout.digest + stderr.digest).hexdigest()
    return (stdout if stdout.size else stderr).digest.hex()


def _log(gate: Gate, captured: Captured) -> str:
    """Trimmed stdout, or stderr, or both under headings; then how it ended, if oddly."""
    room = LOG_LIMIT - _REMARK_ROOM
    out, err = excerpt(captured.stdout, room), excerpt(captured.stderr, room)
    if out and err:
        err = excerpt(captured.stderr, max(room // 2, room - size_of(out)))
        out = excerpt(captured.stdout, room - size_of(err))
        text = f"stdout:\n{out}\n\nstderr:\n{err}"
    else:
        text = out or err
    return "\n\n".join(part for part in (text, _ending(gate, captured)) if part)


def _ending(gate: Gate, captured: Captured) -> str:
    if captured.why:
        return f"[ended by Longwatch: {captured.why}]"
    if captured.timed_out:
        return f"[ended by Longwatch: it took more than {gate.timeout_seconds:g} s]"
    if captured.returncode < 0:
        try:
            name = signal.Signals(-captured.returncode).name
        except ValueError:
            name = str(-captured.returncode)
        return f"[ended by signal {name}]"
    return ""
