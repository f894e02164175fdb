"""A project with a rollout, and the commands about it in short."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from app.domain import commands as cmd
from app.domain.approval import Actor
from app.domain.base import RunId
from app.domain.request import Request
from app.domain.rollout import Rollout
from app.engine.supervisor import Supervisor
from tests.support.puppet import CONFIG, a_project
from tests.support.story import ADA
from tests.support.waiting import PATIENCE

PROMOTION = """
[rollout.promotion]
min_comparisons = 1
min_agreement = 0.0
max_latency_ratio = 1000000.0
steps = [50, 100]
bake_minutes = 0
min_requests = 0
"""
CANDIDATE = """
name = "change-2"

[[step]]
name = "work"
agent = "coder"
prompt = "Do it better: {{ request.text }}"
"""


def a_rollout_project(
    folder: Path, paths: str = '[rollout.candidate]\nworkflow = "change-2"\n', more: str = PROMOTION
) -> Path:
    """`change` is the stable path, `change-2` the candidate."""
    project = a_project(folder, config=f'{CONFIG}\n[[rollout]]\nname = "change"\n{paths}\n{more}')
    (project / ".longwatch/workflows/change-2.toml").write_text(CANDIDATE)
    return project


class Room:
    """What an operator does about the rollout `change` of one project."""

    def __init__(self, supervisor: Supervisor, project: Path, by: Actor = ADA) -> None:
        self.supervisor, self.project, self.by = supervisor, project, by

    async def open(self, replace_stable: str = "") -> Rollout:
        await self.supervisor.execute(
            cmd.OpenRollout(
                project=str(self.project),
                name="change",
                replace_stable=replace_stable,
                by=self.by,
            )
        )
        return await self.state()

    async def state(self) -> Rollout:
        (found,) = await self.supervisor.rollouts()
        return found

    async def ask(self, text: str) -> RunId:
        request = Request(text=text, user="ada")
        command = cmd.StartRun(request=request, project=str(self.project))
        done = await self.supervisor.execute(command)
        assert done.run_id is not None
        return done.run_id

    async def shadow(self, percent: int) -> None:
        rollout = await self.state()
        await self.supervisor.execute(
            cmd.SetShadow(rollout_id=rollout.rollout_id, percent=percent, by=self.by)
        )

    async def promote(self, override: str = "") -> Rollout:
        rollout = await self.state()
        await self.supervisor.execute(
            cmd.PromoteRollout(
                rollout_id=rollout.rollout_id,
                version=rollout.version,
                override=override,
                by=self.by,
            )
        )
        return await self.state()

    async def roll_back(self, why: str = "") -> Rollout:
        rollout = await self.state()
        await self.supervisor.execute(
            cmd.RollBack(rollout_id=rollout.rollout_id, why=why, by=self.by)
        )
        return await self.state()

    async def until(self, wanted: Callable[[Rollout], bool], seconds: float = PATIENCE) -> Rollout:
        """The rollout once it is as wanted; TimeoutError after `seconds`."""
        async with asyncio.timeout(seconds):
            while not wanted(state := await self.state()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return state

    async def tick_all(self) -> Rollout:
        rollout = await self.state()
        assert rollout.rollback is not None
        for item in rollout.rollback.to_tick:
            await self.supervisor.execute(
                cmd.TickItem(
                    rollout_id=rollout.rollout_id, checklist="rollback", item=item, by=self.by
                )
            )
        return await self.state()
