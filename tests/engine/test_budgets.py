"""Budgets: a run that has used what it was given stands still and asks for more."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.agents.protocol import TextDelta, UsageReported
from app.domain import commands as cmd
from app.domain.attention import AttentionKind, attention
from app.domain.base import RunId
from app.domain.run import RunState
from app.domain.session import ChunkKind, Usage
from app.domain.task_state import TaskState
from app.engine import turns
from app.engine.supervisor import Supervisor
from tests.support import waiting
from tests.support.puppet import WORKFLOW, Puppet, PuppetDriver, a_project
from tests.support.runs import start, until
from tests.support.story import ADA, START
from tests.support.waiting import PATIENCE

TWO_STEPS = """
[[step]]
name = "more"
agent = "coder"
prompt = "And this"
"""


async def begin(supervisor: Supervisor, folder: Path, head: str) -> RunId:
    workflow = WORKFLOW.replace('name = "change"', f'name = "change"\n{head}', 1) + TWO_STEPS
    project = a_project(folder / "project", workflow=workflow)
    return await start(supervisor, project)


def use(puppet: Puppet, tokens: int, dollars: float | None = None) -> None:
    used = Usage(input_tokens=tokens, total_tokens=tokens, cost_usd=dollars)
    puppet.events.put_nowait(UsageReported(used))


def blocked(state: RunState) -> bool:
    return state.run.state is TaskState.BLOCKED


async def test_a_run_that_has_used_its_tokens_stands_still_until_it_is_granted_more(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    run_id = await begin(supervisor, tmp_path, "max_tokens = 1000")
    first = await driver.session(1)
    use(first, 1200)
    first.done()
    state = await until(supervisor, run_id, blocked)
    assert state.run.blocked is not None and state.run.blocked.kind == "budget"
    assert state.run.blocked.message == (
        "its agents have used 1.2k tokens (max_tokens of change: 1,000); who retries it grants as "
        "much again"
    )
    (item,) = attention(state, START)
    assert item.kind is AttentionKind.BLOCKED and item.title == state.run.blocked.message
    assert len(driver.sessions) == 1, "the next step has not begun"
    await supervisor.execute(cmd.RetryRun(run_id=run_id, by=ADA))
    second = await driver.session(2)
    use(second, 900)
    second.done()
    state = await until(supervisor, run_id, lambda s: s.run.state is TaskState.DONE)
    assert state.spent_tokens == 900


async def test_a_long_turn_is_stopped_in_the_middle_and_goes_on_from_there(
    supervisor: Supervisor,
    driver: PuppetDriver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "_USAGE_SECONDS", 0.0)
    run_id = await begin(supervisor, tmp_path, "max_cost_usd = 0.5")
    first = await driver.session(1)
    use(first, 10, 0.2)
    await until(supervisor, run_id, lambda s: s.spent_usd == 0.2)
    use(first, 20, 0.6)
    state = await until(supervisor, run_id, blocked)
    assert state.run.blocked is not None
    assert state.run.blocked.message.startswith(
        "its agents have cost $0.60 (max_cost_usd of change: 0.5)"
    )
    async with asyncio.timeout(PATIENCE):
        while not first.closed:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await supervisor.execute(cmd.RetryRun(run_id=run_id, by=ADA))
    again = await driver.session(2)
    assert again.prompts[0].again and again.spec.used == Usage(
        input_tokens=20, total_tokens=20, cost_usd=0.6
    )
    use(again, 30, 0.9)
    again.done()
    last = await driver.session(3)
    last.done()
    await until(supervisor, run_id, lambda s: s.run.state is TaskState.DONE)


async def test_a_run_that_is_over_is_not_stopped_for_what_it_cost(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    run_id = await begin(supervisor, tmp_path, "max_tokens = 1000")
    first = await driver.session(1)
    first.done()
    second = await driver.session(2)
    use(second, 5000)
    second.done()
    state = await until(supervisor, run_id, lambda s: s.run.state is TaskState.DONE)
    assert (state.spent_tokens, state.run.blocked) == (5000, None)


async def test_what_a_turn_has_used_when_it_is_cut_off_is_used(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    run_id = await begin(supervisor, tmp_path, "max_tokens = 1000")
    first = await driver.session(1)
    use(first, 1200)
    first.events.put_nowait(TextDelta("m", ChunkKind.MESSAGE, "well"))
    await waiting.until(first.events.empty)
    await supervisor.execute(cmd.PauseRun(run_id=run_id, by=ADA))
    state = await until(supervisor, run_id, blocked)
    assert state.spent_tokens == 1200
    await supervisor.execute(cmd.ResumeRun(run_id=run_id, by=ADA))
    state = await until(supervisor, run_id, blocked)
    assert state.run.blocked is not None and state.run.blocked.kind == "budget"
    assert len(driver.sessions) == 1, "it is not prompted again"
