"""What the Codex tests share: sessions to talk to."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from app.agents.codex import CodexDriver
from app.agents.codex.session import CodexSession
from app.agents.protocol import ProcessHost, SessionSpec
from app.domain.workflow import AgentConfig
from tests.support.codex_home import write_codex_home
from tests.support.model_server import ModelServer
from tests.support.waiting import PATIENCE

FAKE = Path(__file__).with_name("fake_app_server.py")


@pytest.fixture
def fake_spec(host: ProcessHost, tmp_path: Path) -> Callable[[str], SessionSpec]:
    """A session's specification with the misbehaving app-server in one of its modes."""

    def spec(mode: str) -> SessionSpec:
        command = (sys.executable, str(FAKE), mode)
        agent = AgentConfig(name="coder", driver="codex", command=command, start_seconds=PATIENCE)
        return SessionSpec("s-1", agent, str(tmp_path), {"PATH": os.environ["PATH"]}, host)

    return spec


@pytest.fixture
def real_spec(host: ProcessHost, model: ModelServer, tmp_path: Path) -> SessionSpec:
    """A session's specification with the real codex and the scripted model."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    env = write_codex_home(tmp_path / "codex-home", model.base_url, trusted=[workspace])
    agent = AgentConfig(
        name="coder",
        driver="codex",
        instructions="You are THE CODER.",
        start_seconds=PATIENCE,
    )
    env["PATH"] = os.environ["PATH"]
    return SessionSpec("s-1", agent, str(workspace), env, host)


@pytest.fixture
async def codex(real_spec: SessionSpec) -> AsyncIterator[CodexSession]:
    """An open session with the real codex."""
    session = await CodexDriver().open(real_spec)
    yield session
    await session.close()
