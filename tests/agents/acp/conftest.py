"""What the ACP tests share: specifications of sessions with agents of every kind."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.agents.protocol import ProcessHost, SessionSpec
from app.domain.workflow import AgentConfig
from tests.support.waiting import PATIENCE

FAKE = Path(__file__).with_name("fake_agent.py")


@pytest.fixture
def fake_spec(host: ProcessHost, tmp_path: Path) -> Callable[..., SessionSpec]:
    """A session's specification with the misbehaving agent in one of its modes."""

    def spec(behaviour: str, /, **options: object) -> SessionSpec:
        command = (sys.executable, str(FAKE), behaviour)
        given = {"command": command, "start_seconds": PATIENCE, **options}
        agent = AgentConfig.model_validate({"name": "coder", "driver": "acp", **given})
        workspace = tmp_path / "workspace"
        workspace.mkdir(exist_ok=True)
        return SessionSpec("s-1", agent, str(workspace), {"PATH": os.environ["PATH"]}, host)

    return spec
