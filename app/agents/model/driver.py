"""Opening and resuming conversations of the built-in agent."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, cast

from app.agents.protocol import SessionSpec
from app.domain.errors import DriverError

if TYPE_CHECKING:
    from app.agents.model.session import ModelSession


class ModelDriver:
    """The conversation is kept in the session's folder: a restart goes on where it was cut off."""

    name = "model"

    async def open(self, spec: SessionSpec) -> ModelSession:
        """Start a new conversation. Raises DriverError."""
        return await self._start(spec, resume=False)

    async def resume(self, spec: SessionSpec, native_id: str) -> ModelSession:
        """Take up the session's conversation, or start a new one if its file is gone or broken."""
        if native_id != spec.session_id:
            raise DriverError(
                f"agent {spec.agent.name}: conversation {native_id} is not the one of session "
                f"{spec.session_id}"
            )
        return await self._start(spec, resume=True)

    async def _start(self, spec: SessionSpec, *, resume: bool) -> ModelSession:
        # The libraries take a second or two to import: not on the loop.
        module = await asyncio.to_thread(importlib.import_module, "app.agents.model.opening")
        try:
            return cast("ModelSession", await module.open_session(spec, resume=resume))
        except DriverError as error:
            raise DriverError(f"agent {spec.agent.name}: {error}") from error
