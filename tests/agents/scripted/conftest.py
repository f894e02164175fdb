"""What the scripted agent's tests share: a stage whose children must all be gone at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from tests.agents.scripted.stage import Stage
from tests.support.processes import PlainProcessHost


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    host = PlainProcessHost()
    yield Stage(tmp_path, host)
    left = [process.pid for process in host.started if psutil.pid_exists(process.pid)]
    for process in host.started:
        await process.kill()
    assert left == []
