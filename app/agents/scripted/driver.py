"""The driver "scripted": opens sessions that play a script file instead of asking a model."""

from __future__ import annotations

import asyncio
from pathlib import Path

from app.agents.protocol import SessionSpec
from app.agents.scripted.load import load_script
from app.agents.scripted.pace import Sleep
from app.agents.scripted.session import ScriptedSession
from app.domain.errors import ConfigError, DriverError
from app.domain.session import Continuity


class ScriptedDriver:
    """`sleep` is where pacing waits, in seconds: the clock's, so that a test need not wait."""

    name = "scripted"

    def __init__(self, sleep: Sleep = asyncio.sleep) -> None:
        self._sleep = sleep

    async def open(self, spec: SessionSpec) -> ScriptedSession:
        """Start a conversation. Raises DriverError when the script cannot be played."""
        return await self._session(spec, f"scripted-{spec.session_id}", Continuity.FRESH)

    async def resume(self, spec: SessionSpec, native_id: str) -> ScriptedSession:
        """Take a conversation up again: nothing of it is ever lost. Raises DriverError."""
        return await self._session(spec, native_id, Continuity.RESUMED)

    async def _session(
        self, spec: SessionSpec, native_id: str, continuity: Continuity
    ) -> ScriptedSession:
        if not spec.agent.script:
            raise DriverError(f"agent {spec.agent.name}: no script is configured; set `script`")
        try:
            script = await asyncio.to_thread(load_script, Path(spec.agent.script))
        except ConfigError as error:
            raise DriverError(f"agent {spec.agent.name}: {error}") from error
        return ScriptedSession(spec, script, native_id, continuity, self._sleep)
