"""Gates that read the output: as JSON of a form, or for expressions. An output is hostile: no
check of it may run on the loop, or for ever."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from app.domain.gate import Gate
from app.domain.gate_check import Finding, check_patterns
from app.engine import gate_schema_worker
from app.engine.capture import Captured, Keep
from app.engine.environment import child_environment
from app.engine.gate_input import handed_over
from app.engine.gate_log import LOG_LIMIT
from app.engine.gate_subject import Subject
from app.engine.processes import ProcessRegistry

# Far more than a check takes; a gate's own limit is for commands, and much longer by default.
SCHEMA_SECONDS = 30.0
PATTERN_SECONDS = 5.0
_WORKER = str(Path(gate_schema_worker.__file__).resolve())
_ENDINGS = (gate_schema_worker.FITS, gate_schema_worker.DOES_NOT_FIT, gate_schema_worker.NOT_USABLE)


async def check_pattern(gate: Gate, output: str) -> Finding:
    """Look for the gate's expressions, in a thread that ends by itself in time."""
    seconds = min(gate.timeout_seconds, PATTERN_SECONDS)
    return await asyncio.to_thread(check_patterns, gate.pattern, gate.forbid, output, seconds)


async def check_json(gate: Gate, subject: Subject, registry: ProcessRegistry) -> Finding:
    """Check the output against the gate's schema, in a process that is ended in time.

    Raises DriverError if it cannot be started, LongwatchError if nothing can be handed to it.
    """
    seconds = min(gate.timeout_seconds, SCHEMA_SECONDS)
    purpose = f"gate {gate.name} of step {subject.step}"
    given = await asyncio.to_thread(_given, gate, subject.output)
    async with handed_over(given, purpose) as file:
        captured = await registry.run_captured(
            (sys.executable, "-I", _WORKER),
            cwd="/",
            env=child_environment(()),
            purpose=purpose,
            timeout=seconds,
            run_id=subject.run.run_id,
            stdin=file,
            keep=Keep(LOG_LIMIT, LOG_LIMIT),
            recorded=False,  # like git: it changes nothing, and its mark finds it after a crash
        )
    return _finding(captured, seconds)


def _given(gate: Gate, output: str) -> bytes:
    return json.dumps({"schema": gate.json_schema, "output": output}).encode()


def _finding(captured: Captured, seconds: float) -> Finding:
    if captured.timed_out:
        what = f"checking the output against the JSON schema took more than {seconds:g} s"
        return Finding(False, f"{what} and was ended: make the output smaller", timed_out=True)
    code = captured.returncode
    if code not in _ENDINGS:
        last = captured.stderr.text.strip().rpartition("\n")[2]
        why = f"the check against the JSON schema broke off (exit {code}): {last}"
        return Finding(False, why, usable=False)
    return Finding(
        code == gate_schema_worker.FITS,
        captured.stdout.text,
        usable=code != gate_schema_worker.NOT_USABLE,
    )
