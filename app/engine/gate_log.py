"""The log of a gate: printable, capped, hashed in full."""

from __future__ import annotations

import hashlib

from app.domain.base import Clock
from app.domain.gate import Gate
from app.domain.gate_check import Finding
from app.domain.run import GateResult
from app.engine.capture import Output
from app.engine.excerpt import excerpt

LOG_LIMIT = 64 * 1024  # bytes


class Started:
    """Remembers when a gate's evaluation began, and says how it ended."""

    def __init__(self, gate: Gate, clock: Clock) -> None:
        self._gate = gate
        self._clock = clock
        self.started_at = clock.now()

    def result(self, finding: Finding) -> GateResult:
        """The result of a gate that is no command: there is no exit code."""
        data = finding.log.encode("utf-8", "replace")
        whole = Output(data, b"", len(data), hashlib.sha256(data).digest())
        return GateResult(
            gate=self._gate.name,
            passed=finding.passed,
            exit_code=None,
            log=excerpt(whole, LOG_LIMIT),
            log_sha256=whole.digest.hex(),
            log_bytes=whole.size,
            timed_out=finding.timed_out,
            could_start=finding.usable,
            started_at=self.started_at,
            ended_at=self._clock.now(),
        )
