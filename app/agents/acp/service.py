"""What an ACP agent may ask of us besides permission: files and terminals, in the workspace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from acp import RequestError, schema

from app.agents import workspace_files
from app.agents.acp import files
from app.agents.acp.questions import Granted
from app.agents.capped import TITLE_CAP
from app.agents.protocol import Answer, SessionSpec
from app.agents.terminals import Terminal, Terminals, command_text
from app.domain.approval import Action
from app.domain.errors import LongwatchError
from app.domain.text import one_line
from app.domain.toolcall import ToolCall, ToolKind, ToolOutcome

T = TypeVar("T")
Ask = Callable[[ToolCall], Awaitable[Answer]]
Finish = Callable[[str, ToolOutcome], None]


class Service:
    """The served half of `acp.Client`, for one session.

    A write or a command that was approved when the agent asked about it is carried out; any
    other is asked about first, by `ask`. Other sessions' ids are refused.
    """

    def __init__(self, spec: SessionSpec, ask: Ask, finish: Finish) -> None:
        self.session_id = ""  # the agent's own
        self.granted = Granted()
        self._spec, self._ask, self._finish = spec, ask, finish
        self._terminals = Terminals(spec)
        self._count = 0

    async def close(self) -> None:
        """End the terminals."""
        await self._terminals.close()

    def _mine(self, session_id: str) -> None:
        if session_id != self.session_id:
            raise refusal(f"session {one_line(session_id, 80)!r} is not the one of this connection")

    def _may_write(self) -> None:
        if self._spec.agent.sandbox == "read-only":
            raise refusal('this session may only read (`sandbox = "read-only"`)')

    def _next_id(self, what: str) -> str:
        self._count += 1
        return f"longwatch-{what}-{self._count}"

    async def _permit(self, call: ToolCall) -> None:
        answer = await self._ask(call)
        if answer.action is Action.DENY:
            raise refusal(f"denied: {answer.reason or 'the operator did not allow it'}")

    # ---- files

    async def read_text_file(
        self,
        session_id: str,
        path: str,
        line: int | None = None,
        limit: int | None = None,
        **_: Any,
    ) -> schema.ReadTextFileResponse:
        """`fs/read_text_file`."""
        self._mine(session_id)
        read = asyncio.to_thread(workspace_files.read_text, self._spec.workspace, path, line, limit)
        return schema.ReadTextFileResponse(content=await _or_refuse(read))

    async def write_text_file(
        self, session_id: str, path: str, content: str, **_: Any
    ) -> schema.WriteTextFileResponse:
        """`fs/write_text_file`."""
        self._mine(session_id)
        self._may_write()
        where, edits = self._spec.workspace, self.granted.edits
        shown = asyncio.to_thread(files.is_shown_by, list(edits), where, path, content)
        if await _or_refuse(shown):
            await _or_refuse(asyncio.to_thread(workspace_files.write_text, where, path, content))
            return schema.WriteTextFileResponse()
        call_id = self._next_id("write")
        making = asyncio.to_thread(files.write_call, where, path, content, call_id)
        await self._permit(await _or_refuse(making))
        try:
            await _or_refuse(asyncio.to_thread(workspace_files.write_text, where, path, content))
        except RequestError as error:
            self._finish(call_id, ToolOutcome(ok=False, summary=str(error)))
            raise
        self._finish(call_id, ToolOutcome(ok=True))
        return schema.WriteTextFileResponse()

    # ---- terminals

    async def create_terminal(
        self,
        session_id: str,
        command: str,
        args: list[str] | None = None,
        env: list[schema.EnvVariable] | None = None,
        cwd: str | None = None,
        output_byte_limit: int | None = None,
        **_: Any,
    ) -> schema.CreateTerminalResponse:
        """`terminal/create`."""
        self._mine(session_id)
        self._may_write()
        line = command_text(command, args or [])
        folder = await _or_refuse(asyncio.to_thread(self._folder, cwd))
        variables = {one.name: one.value for one in env or []}
        if variables:
            # They can change what it does (PATH, LD_PRELOAD), and no question showed them.
            words = [f"{name}={value}" for name, value in variables.items()]
            line = f"{command_text('env', words)} {line}"
        call_id = ""
        if not self.granted.spend_command(line):
            call_id = self._next_id("command")
            await self._permit(
                ToolCall(
                    call_id=call_id,
                    tool="terminal/create",
                    kind=ToolKind.SHELL,
                    title=one_line(line, TITLE_CAP),
                    command=line,
                    cwd=folder,
                )
            )
        start = self._terminals.start(command, args or [], variables, folder, output_byte_limit)
        name = await _or_refuse(start)
        if call_id:
            # What the command does from here on is the agent's to follow; it has begun.
            self._finish(call_id, ToolOutcome(ok=True, summary="started in a terminal"))
        return schema.CreateTerminalResponse(terminal_id=name)

    def _folder(self, cwd: str | None) -> str:
        if cwd is None or cwd.rstrip("/") == self._spec.workspace.rstrip("/"):
            return self._spec.workspace
        return str(workspace_files.inside(self._spec.workspace, cwd))

    async def terminal_output(
        self, session_id: str, terminal_id: str, **_: Any
    ) -> schema.TerminalOutputResponse:
        """`terminal/output`."""
        self._mine(session_id)
        terminal = _get(self._terminals, terminal_id)
        status = None
        if terminal.exited():
            code, signal = await terminal.exit()
            status = schema.TerminalExitStatus(exit_code=code, signal=signal)
        return schema.TerminalOutputResponse(
            output=terminal.text(), truncated=terminal.truncated, exit_status=status
        )

    async def wait_for_terminal_exit(
        self, session_id: str, terminal_id: str, **_: Any
    ) -> schema.WaitForTerminalExitResponse:
        """`terminal/wait_for_exit`."""
        self._mine(session_id)
        code, signal = await _get(self._terminals, terminal_id).exit()
        return schema.WaitForTerminalExitResponse(exit_code=code, signal=signal)

    async def kill_terminal(
        self, session_id: str, terminal_id: str, **_: Any
    ) -> schema.KillTerminalResponse:
        """`terminal/kill`: its output stays readable."""
        self._mine(session_id)
        await _get(self._terminals, terminal_id).process.kill()
        return schema.KillTerminalResponse()

    async def release_terminal(
        self, session_id: str, terminal_id: str, **_: Any
    ) -> schema.ReleaseTerminalResponse:
        """`terminal/release`."""
        self._mine(session_id)
        await _or_refuse(self._terminals.release(terminal_id))
        return schema.ReleaseTerminalResponse()


def refusal(why: str) -> RequestError:
    """What the agent gets instead, with a sentence that it can read."""
    return RequestError(-32602, why)


async def _or_refuse(doing: Awaitable[T]) -> T:
    try:
        return await doing
    except LongwatchError as error:
        raise refusal(str(error)) from error


def _get(terminals: Terminals, name: str) -> Terminal:
    try:
        return terminals.get(name)
    except LongwatchError as error:
        raise refusal(str(error)) from error
