"""Starting a run on a supervisor, in process or over its socket, and waiting for its state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from app.domain import commands as cmd
from app.domain.base import RunId
from app.domain.request import Request
from app.domain.run import RunState
from tests.support.waiting import PATIENCE

Wanted = Callable[[RunState], bool]


class Runs(Protocol):
    """A supervisor, or a client of one."""

    async def run(self, run_id: RunId) -> RunState: ...

    async def execute(self, command: cmd.Command) -> cmd.Done: ...


async def start(runs: Runs, project: Path, text: str = "make it so") -> RunId:
    """Start a run of the project's default workflow."""
    request = Request(text=text, user="ada")
    done = await runs.execute(cmd.StartRun(request=request, project=str(project)))
    assert done.run_id is not None
    return done.run_id


async def until(runs: Runs, run_id: RunId, wanted: Wanted, seconds: float = PATIENCE) -> RunState:
    """The first state that is wanted; TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not wanted(state := await runs.run(run_id)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return state
