"""What the Codex tests share: a process host that must end empty, and sessions to talk to."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from app.agents.codex import CodexDriver
from app.agents.codex.session import CodexSession
from app.agents.protocol import (
    AgentEvent,
    Answer,
    ApprovalAsked,
    ProcessHost,
    Prompt,
    SessionSpec,
    TurnDone,
)
from app.domain.events import Payload, ProcessStarted
from app.domain.workflow import AgentConfig
from app.engine.processes import ProcessRegistry
from app.engine.system import RandomIds, SystemClock
from tests.support.codex_home import write_codex_home
from tests.support.model_server import ModelServer

FAKE = Path(__file__).with_name("fake_app_server.py")


class Journal:
    """Where the process registry writes its events."""

    def __init__(self) -> None:
        self.pids: list[int] = []

    async def record(self, event: Payload) -> None:
        if isinstance(event, ProcessStarted):
            self.pids.append(event.process.pid)


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
async def host(journal: Journal) -> AsyncIterator[ProcessHost]:
    """The engine's own process host; afterwards nothing that it started may be left."""
    ids = RandomIds()
    registry = ProcessRegistry(journal.record, SystemClock(), ids, 1, ids.new("store"))
    yield registry.host(None)
    left = [pid for pid in journal.pids if psutil.pid_exists(pid)]
    await registry.close()
    assert left == []


@pytest.fixture
def fake_spec(host: ProcessHost, tmp_path: Path) -> Callable[[str], SessionSpec]:
    """A session's specification with the misbehaving app-server in one of its modes."""

    def spec(mode: str) -> SessionSpec:
        command = (sys.executable, str(FAKE), mode)
        agent = AgentConfig(name="coder", driver="codex", command=command)
        return SessionSpec("s-1", agent, str(tmp_path), {"PATH": os.environ["PATH"]}, host)

    return spec


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def real_spec(host: ProcessHost, model: ModelServer, tmp_path: Path) -> SessionSpec:
    """A session's specification with the real codex and the scripted model."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    env = write_codex_home(tmp_path / "codex-home", model.base_url, trusted=[workspace])
    agent = AgentConfig(name="coder", driver="codex", instructions="You are THE CODER.")
    env["PATH"] = os.environ["PATH"]
    return SessionSpec("s-1", agent, str(workspace), env, host)


@pytest.fixture
async def codex(real_spec: SessionSpec) -> AsyncIterator[CodexSession]:
    """An open session with the real codex."""
    session = await CodexDriver().open(real_spec)
    yield session
    await session.close()


async def play(
    session: CodexSession, text: str, *answers: Answer, turn: int = 1
) -> list[AgentEvent]:
    """Run one turn, giving the answers in order; its events."""
    events: list[AgentEvent] = []
    waiting = list(answers)
    async with aclosing(session.prompt(Prompt(text, turn))) as stream:
        async for event in stream:
            events.append(event)
            if isinstance(event, ApprovalAsked) and waiting:
                await session.answer(event.call.call_id, waiting.pop(0))
    return events


def end_of(events: list[AgentEvent]) -> TurnDone:
    """The end of a turn; there is exactly one, at the end."""
    ends = [event for event in events if isinstance(event, TurnDone)]
    assert ends == events[-1:], events
    return ends[0]
