"""Child processes that are only pretended: gates end as chance has it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.domain.base import RunId, SessionId
from app.domain.errors import DriverError
from app.domain.session import Process
from app.engine import gate_schema_worker
from app.engine.capture import Captured, Keep, Output
from app.engine.processes import ProcessRegistry
from tests.simulation.world import World

_KEEP = Keep()
_SCORES = ("", "3", "7.5", "score: 12")


class SimProcesses(ProcessRegistry):
    """Starts nothing. Counts what is under way, so that a leak is seen."""

    def __init__(self, world: World, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._world = world
        self.running = 0

    async def run_captured(
        self,
        argv: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        purpose: str,
        timeout: float,
        run_id: RunId | None = None,
        stdin: Path | None = None,
        keep: Keep = _KEEP,
        recorded: bool = True,
    ) -> Captured:
        if self._closing:
            raise DriverError(f"{purpose}: not started, since Longwatch is stopping")
        world, chance = self._world, self._world.chance("gates")
        started_at = self._clock.now()
        world.boundary()
        seconds = chance.choice((0.0, 0.1, 2.0, 30.0))
        self.running += 1
        try:
            await asyncio.sleep(min(seconds, timeout))
        finally:
            self.running -= 1
        world.boundary()
        if world.happens("gates", world.faults.gate / 4):
            raise DriverError(f"{purpose}: its program is missing")
        passed = not world.happens("gates", world.faults.gate)
        return Captured(
            self._code(argv, passed),
            seconds > timeout,
            _output(chance.choice(_SCORES)),
            _output(""),
            started_at,
            self._clock.now(),
        )

    def _code(self, argv: Sequence[str], passed: bool) -> int:
        if gate_schema_worker.__file__ not in argv:
            return 0 if passed else 1
        return gate_schema_worker.FITS if passed else gate_schema_worker.DOES_NOT_FIT

    async def kill_run(self, run_id: RunId) -> None:
        """Whoever waits for a pretended child is cancelled itself."""

    async def kill_session(self, session_id: SessionId, grace: float) -> None:
        """Likewise."""

    async def close(self) -> None:
        self._closing = True

    async def reap_leftovers(self, recorded: Sequence[Process]) -> list[Process]:
        return []


def _output(text: str) -> Output:
    data = text.encode()
    return Output(data, b"", len(data), hashlib.sha256(data).digest())
