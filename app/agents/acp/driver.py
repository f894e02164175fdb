"""Opening and resuming conversations with ACP agents."""

from __future__ import annotations

import asyncio
import importlib
import shutil
from typing import TYPE_CHECKING

from app.agents.protocol import SessionSpec
from app.domain.errors import DriverError, MissingCredentials, MissingProgram

if TYPE_CHECKING:
    from app.agents.acp.session import AcpSession


class AcpDriver:
    """One agent process for each session: what one does cannot reach another.

    The agent's `command` starts it. `SessionSpec.env` is its whole environment.
    """

    name = "acp"

    async def open(self, spec: SessionSpec) -> AcpSession:
        """Start a new conversation. Raises DriverError."""
        return await self._connect(spec, None)

    async def resume(self, spec: SessionSpec, native_id: str) -> AcpSession:
        """Take up session `native_id`, or start a new one if the agent has lost it or cannot."""
        return await self._connect(spec, native_id)

    async def _connect(self, spec: SessionSpec, native_id: str | None) -> AcpSession:
        argv = _command_line(spec)
        # The SDK's models take half a second to import: not on the loop.
        opening = await asyncio.to_thread(importlib.import_module, "app.agents.acp.opening")
        from acp import RequestError

        from app.agents.acp.failures import words
        from app.agents.acp.session import AcpSession

        process = await spec.processes.spawn(
            argv,
            cwd=spec.workspace,
            env=spec.env,
            purpose=f"agent {spec.agent.name} of session {spec.session_id}",
        )
        session = AcpSession(spec, process)
        try:
            await opening.shake_hands(session, spec, native_id)
        except ConnectionError:
            await session.wait_ended()
            why = session.gone.message if session.gone else "its process is gone"
            await session.close()
            raise DriverError(why) from None
        except (DriverError, RequestError) as error:
            said = str(error) if isinstance(error, DriverError) else words(error)
            said += session.strange_words()
            if isinstance(error, opening.NoAnswer):
                said += (
                    "; does its `command` start an ACP agent? Then `start_seconds` gives it more "
                    "time"
                )
            await session.close()
            kind = MissingCredentials if isinstance(error, MissingCredentials) else DriverError
            raise kind(f"agent {spec.agent.name}: {said}") from error
        except BaseException:  # cancelled: the process must not stay behind
            await session.close()
            raise
        return session


def _command_line(spec: SessionSpec) -> list[str]:
    """Raises DriverError when the agent's program is not there."""
    argv = list(spec.agent.command)
    if not argv:
        raise DriverError(f"agent {spec.agent.name}: its configuration has no `command`")
    found = shutil.which(argv[0], path=spec.env.get("PATH"))
    if found is None:
        raise MissingProgram(
            f"agent {spec.agent.name}: its command {argv[0]!r} was not found; install it or "
            "correct `command` in the configuration"
        )
    return [found, *argv[1:]]
