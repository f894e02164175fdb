"""A driver whose agents do what a test tells them, and a repository to work on."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.agents.protocol import (
    AgentEvent,
    Answer,
    ApprovalAsked,
    AttachedFile,
    Prompt,
    SessionSpec,
    ToolFinished,
    TurnDone,
)
from app.domain.errors import DriverError
from app.domain.run import Failure, FailureKind
from app.domain.session import Continuity
from app.domain.toolcall import ToolCall, ToolKind, ToolOutcome
from tests.support.waiting import PATIENCE

CONFIG = """
default_workflow = "change"

[[agent]]
name = "coder"
driver = "scripted"
script = "script.toml"

[[agent]]
name = "reviewer"
driver = "scripted"
script = "script.toml"
"""

WORKFLOW = """
name = "change"

[[step]]
name = "work"
agent = "coder"
prompt = "Do this: {{ request.text }}"
"""


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def a_project(folder: Path, workflow: str = WORKFLOW, config: str = CONFIG) -> Path:
    """A repository with one commit, a configuration and one workflow."""
    (folder / ".longwatch/workflows").mkdir(parents=True)
    (folder / ".longwatch/workflows/change.toml").write_text(workflow)
    (folder / "longwatch.toml").write_text(config)
    (folder / "script.toml").write_text("")
    (folder / "a.txt").write_text("one\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder


def shell(command: str, call_id: str = "c1") -> ToolCall:
    return ToolCall(
        call_id=call_id, tool="shell", kind=ToolKind.SHELL, title=command, command=command, cwd="."
    )


@dataclass
class Puppet:
    """One session: each prompt's events are put on `events` by the test; TurnDone ends a turn."""

    spec: SessionSpec
    native_id: str
    continuity: Continuity
    prompts: list[Prompt] = field(default_factory=list)
    answers: list[tuple[str, Answer]] = field(default_factory=list)
    steered: list[str] = field(default_factory=list)
    given: list[Sequence[AttachedFile]] = field(default_factory=list)  # with what was said
    events: asyncio.Queue[AgentEvent] = field(default_factory=asyncio.Queue)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    prompted: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False
    deaf: bool = False  # answers fail: the agent has gone

    async def prompt(self, prompt: Prompt) -> AsyncIterator[AgentEvent]:
        self.prompts.append(prompt)
        self.prompted.set()
        while True:
            event = await self.events.get()
            yield event
            if isinstance(event, TurnDone):
                return

    async def answer(self, call_id: str, answer: Answer) -> None:
        if self.deaf:
            raise DriverError("the agent has gone")
        self.answers.append((call_id, answer))
        self.answered.set()

    async def steer(self, text: str, attachments: Sequence[AttachedFile] = ()) -> None:
        self.steered.append(text)
        self.given.append(attachments)

    async def interrupt(self) -> None:
        self.events.put_nowait(TurnDone("interrupted"))

    async def close(self) -> None:
        self.closed = True
        failure = Failure(kind=FailureKind.BROKEN_PIPE, message="closed")
        self.events.put_nowait(TurnDone("failed", failure=failure))

    def ask(self, command: str, call_id: str = "c1") -> None:
        self.events.put_nowait(ApprovalAsked(shell(command, call_id)))

    def finish_call(self, call_id: str = "c1", ok: bool = True) -> None:
        self.events.put_nowait(ToolFinished(call_id, ToolOutcome(ok=ok, exit_code=0)))

    def done(self, text: str = "finished") -> None:
        self.events.put_nowait(TurnDone("completed", text))

    def die(self) -> None:
        failure = Failure(kind=FailureKind.BROKEN_PIPE, message="the agent's pipe broke")
        self.events.put_nowait(TurnDone("failed", failure=failure))


class PuppetDriver:
    """Opens puppets and remembers them, newest last."""

    name = "scripted"

    def __init__(self) -> None:
        self.sessions: list[Puppet] = []
        self._opened = asyncio.Condition()
        self.refuse: str = ""
        self.error: DriverError | None = None  # raised instead of opening one

    async def open(self, spec: SessionSpec) -> Puppet:
        return await self._make(spec, f"native-{spec.session_id}", Continuity.FRESH)

    async def resume(self, spec: SessionSpec, native_id: str) -> Puppet:
        return await self._make(spec, native_id, Continuity.RESUMED)

    async def _make(self, spec: SessionSpec, native_id: str, how: Continuity) -> Puppet:
        if self.error is not None:
            raise self.error
        if self.refuse:
            raise DriverError(self.refuse)
        puppet = Puppet(spec, native_id, how)
        async with self._opened:
            self.sessions.append(puppet)
            self._opened.notify_all()
        return puppet

    async def session(self, number: int) -> Puppet:
        """The n-th session opened, from 1, once it has been prompted."""
        async with asyncio.timeout(PATIENCE), self._opened:
            await self._opened.wait_for(lambda: len(self.sessions) >= number)
        puppet = self.sessions[number - 1]
        async with asyncio.timeout(PATIENCE):
            await puppet.prompted.wait()
        puppet.prompted.clear()
        return puppet
