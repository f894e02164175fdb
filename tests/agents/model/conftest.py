"""What the tests of the built-in agent share: specifications of its sessions."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import anthropic._base_client
import openai._base_client
import pytest

from app.agents.protocol import ProcessHost, SessionSpec
from app.domain.workflow import AgentConfig
from tests.support.model_server import ModelServer

Spec = Callable[..., SessionSpec]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clients try again at once: how long they wait is theirs to test."""
    for client in (openai._base_client.BaseClient, anthropic._base_client.BaseClient):
        monkeypatch.setattr(client, "_calculate_retry_timeout", lambda *_, **__: 0.0)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def spec(host: ProcessHost, model: ModelServer, workspace: Path, tmp_path: Path) -> Spec:
    """A session's specification with the scripted model; options are the agent's."""

    def make(**options: object) -> SessionSpec:
        given = {"model": "local/scripted", "base_url": model.base_url, **options}
        agent = AgentConfig.model_validate({"name": "coder", "driver": "model", **given})
        env = {"PATH": os.environ["PATH"]}
        folder = str(tmp_path / "session")
        return SessionSpec("s-1", agent, str(workspace), env, host, folder)

    return make
