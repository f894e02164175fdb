"""Opening and resuming conversations with codex."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import ValidationError

from app.agents.codex import models
from app.agents.codex.binary import command_line
from app.agents.codex.peer import ConnectionLost, NoAnswer, RpcError
from app.agents.codex.session import CodexSession
from app.agents.codex.wire import Params
from app.agents.protocol import SessionSpec
from app.agents.unreadable import unreadable
from app.domain.errors import DriverError
from app.domain.session import Continuity


class CodexDriver:
    """One `codex app-server` process for each session: what one does cannot reach another.

    `SessionSpec.env` is the process's whole environment. codex needs in it: HOME or CODEX_HOME
    (its configuration, sign-in and the transcripts that `resume` takes up), PATH (its commands
    run with it), and the key that its configuration names, if it names one.
    """

    name = "codex"

    async def open(self, spec: SessionSpec) -> CodexSession:
        """Start a new thread. Raises DriverError."""
        return await self._connect(spec, None)

    async def resume(self, spec: SessionSpec, native_id: str) -> CodexSession:
        """Take up thread `native_id`, or start a new one if codex does not have it any more."""
        return await self._connect(spec, native_id)

    async def _connect(self, spec: SessionSpec, native_id: str | None) -> CodexSession:
        process = await spec.processes.spawn(
            command_line(spec.agent),
            cwd=spec.workspace,
            env=spec.env,
            purpose=f"agent {spec.agent.name} of session {spec.session_id}",
        )
        session = CodexSession(process)
        try:
            await self._shake_hands(session, spec, native_id)
        except ConnectionLost:
            await session.connection.wait_ended()
            why = session.gone.message if session.gone else "codex is gone"
            await session.close()
            raise DriverError(f"agent {spec.agent.name}: {why}") from None
        except (DriverError, RpcError) as error:
            said = session.connection.strange_words()
            if isinstance(error, NoAnswer):
                said += "; is it codex? Then `start_seconds` of the agent gives it more time"
            await session.close()
            raise DriverError(f"agent {spec.agent.name}: {error}{said}") from error
        except BaseException:  # cancelled: the process must not stay behind
            await session.close()
            raise
        return session

    async def _shake_hands(
        self, session: CodexSession, spec: SessionSpec, native_id: str | None
    ) -> None:
        peer, within = session.connection.peer, spec.agent.start_seconds
        client = models.InitializeParams(client_info=models.ClientInfo(version=_version()))
        await peer.request("initialize", client, within=within)
        peer.notify("initialized")
        note = ""
        if native_id is not None:
            resume = models.ThreadResumeParams(thread_id=native_id, **_thread_options(spec))
            try:
                result = await peer.request("thread/resume", resume, within=within)
            except RpcError as error:
                note = f"codex cannot take up its thread {native_id}: {error}"
            else:
                thread_id = _thread_id("thread/resume", result)
                session.attach(thread_id, Continuity.RESUMED, used=spec.used)
                return
        start = models.ThreadStartParams(**_thread_options(spec))
        result = await peer.request("thread/start", start, within=within)
        continuity = Continuity.RESTARTED if note else Continuity.FRESH
        session.attach(_thread_id("thread/start", result), continuity, note, spec.used)


def _thread_options(spec: SessionSpec) -> dict[str, Any]:
    agent = spec.agent
    options = {
        "cwd": spec.workspace,
        "approval_policy": agent.approval,
        "sandbox": agent.sandbox,
        "model": agent.model,
        "developer_instructions": agent.instructions,
    }
    return {name: value for name, value in options.items() if value}


def _thread_id(method: str, result: Params) -> str:
    try:
        return models.ThreadReply.model_validate(result).thread.id
    except ValidationError as error:
        raise DriverError(f"codex's reply cannot be read: {unreadable(method, error)}") from error


def _version() -> str:
    try:
        return version("longwatch")
    except PackageNotFoundError:  # run from a source tree
        return "0"
