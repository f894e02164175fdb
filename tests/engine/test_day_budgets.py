"""Budgets per day: who is held, the one thing that a person is told, and who lets it go on."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.agents.protocol import UsageReported
from app.domain import commands as cmd
from app.domain.attention import attention, one_of_each_group
from app.domain.base import RunId, SessionId
from app.domain.day_budget import next_midnight, tightest
from app.domain.errors import ConfigError
from app.domain.request import Request
from app.domain.run import RunState
from app.domain.session import Usage
from app.domain.task_state import TaskState
from app.engine import turns
from app.engine.day_budgets import COST_VARIABLE, TOKENS_VARIABLE
from app.engine.supervisor import Supervisor
from app.engine.system import SystemClock
from tests.support.puppet import CONFIG, WORKFLOW, Puppet, PuppetDriver, a_project
from tests.support.runs import start, until
from tests.support.story import ADA, START
from tests.support.waiting import PATIENCE

BUDGET = "[budget]\nmax_tokens_per_day = 1000\n"


class LateClock(SystemClock):
    """Real time, moved; sleeping through the rest of a day takes no time once it is over."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        return super().now() + self.ahead

    async def sleep(self, seconds: float) -> None:
        until = self.now() + timedelta(seconds=seconds)
        while (left := (until - self.now()).total_seconds()) > 0:
            self._moved.clear()
            try:
                await asyncio.wait_for(self._moved.wait(), left)
            except TimeoutError:
                return

    def to_the_next_day(self) -> None:
        self.ahead += next_midnight(self.now()) - self.now() + timedelta(seconds=1)
        self._moved.set()


@pytest.fixture(autouse=True)
def told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_USAGE_SECONDS", 0.0)


def use(puppet: Puppet, tokens: int, dollars: float | None = None) -> None:
    used = Usage(input_tokens=tokens, total_tokens=tokens, cost_usd=dollars)
    puppet.events.put_nowait(UsageReported(used))


def held(state: RunState) -> bool:
    blocked = state.run.blocked
    return state.run.state is TaskState.BLOCKED and blocked is not None and bool(blocked.budget)


def done(state: RunState) -> bool:
    return state.run.state is TaskState.DONE


async def left(supervisor: Supervisor, words: str) -> None:
    """Until the day's budget stands so."""
    async with asyncio.timeout(PATIENCE):
        while (await supervisor.status()).budgets[0].words() != words:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def retry(supervisor: Supervisor, run_id: RunId) -> str:
    return (await supervisor.execute(cmd.RetryRun(run_id=run_id, by=ADA))).message


async def test_a_spent_budget_holds_every_run_of_the_project_as_one_thing_to_answer(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    project = a_project(tmp_path / "project", config=CONFIG + BUDGET)
    elsewhere = a_project(tmp_path / "elsewhere")
    runs = [await start(supervisor, project), await start(supervisor, project)]
    other = await start(supervisor, elsewhere)
    puppets = [await driver.session(n) for n in (1, 2, 3)]
    (far,) = [
        p for p in puppets if SessionId(p.spec.session_id) in (await supervisor.run(other)).sessions
    ]
    near = [p for p in puppets if p is not far]
    use(near[0], 600)
    use(near[1], 300)
    await left(supervisor, "100 tokens left of 1.0k tokens today")
    use(near[1], 450)
    states = [await until(supervisor, run_id, held) for run_id in runs]
    assert states[0].run.blocked is not None
    assert states[0].run.blocked.message == (
        "agents have used 1.1k tokens today (max_tokens_per_day of this project: 1,000); who "
        "retries grants as much again, at midnight it goes on by itself"
    )
    items = [item for state in states for item in attention(state, START)]
    (one,) = one_of_each_group(items)
    assert len(items) == 2 and one.title.startswith("2 runs stand still: agents have used")
    assert not held(await supervisor.run(other)) and not far.closed
    assert tightest((await supervisor.status()).budgets) == "0 % of today's budget left"
    said = await retry(supervisor, runs[1])
    assert said.endswith(f"run {runs[1]} goes on, and 1 more that stood still for it")
    again = [await driver.session(n) for n in (4, 5)]
    assert {p.spec.session_id for p in again} == {p.spec.session_id for p in near}
    (budget,) = (await supervisor.status()).budgets
    assert (budget.used, budget.total, budget.left) == (1050, 2050, 1000)
    for puppet in (*again, far):
        puppet.done()
    for run_id in (*runs, other):
        await until(supervisor, run_id, done)


async def test_what_was_used_and_granted_today_survives_a_restart(
    driver: PuppetDriver, tmp_path: Path
) -> None:
    project = a_project(tmp_path / "project", config=CONFIG + BUDGET)
    first = await Supervisor.open(tmp_path / "store", drivers={"scripted": driver})
    run_id = await start(first, project)
    use(await driver.session(1), 1200)
    await until(first, run_id, held)
    await retry(first, run_id)
    use(await driver.session(2), 1900)
    await left(first, "300 tokens left of 2.2k tokens today")
    await first.close()
    second = await Supervisor.open(tmp_path / "store", drivers={"scripted": driver})
    puppet = await driver.session(3)
    (budget,) = (await second.status()).budgets
    assert (budget.used, budget.total) == (1900, 2200)
    use(puppet, 2300)
    await until(second, run_id, held)
    await second.close()
    third = await Supervisor.open(tmp_path / "store", drivers={"scripted": driver})
    assert held(await third.run(run_id)) and len(driver.sessions) == 3
    late = await start(third, project)
    assert len(driver.sessions) == 3 and held(await until(third, late, held)), "none is paid"
    await third.close()


async def test_at_midnight_it_goes_on_by_itself(driver: PuppetDriver, tmp_path: Path) -> None:
    clock = LateClock()
    supervisor = await Supervisor.open(
        tmp_path / "store", drivers={"scripted": driver}, clock=clock
    )
    project = a_project(tmp_path / "project", config=CONFIG + BUDGET)
    run_id = await start(supervisor, project)
    use(await driver.session(1), 5000)
    await until(supervisor, run_id, held)
    clock.to_the_next_day()
    puppet = await driver.session(2)
    (budget,) = (await supervisor.status()).budgets
    assert budget.used == 0 and budget.total == 1000
    use(puppet, 5100)
    puppet.done()
    await until(supervisor, run_id, done)
    await supervisor.close()


async def test_a_day_that_came_while_nobody_ran_lets_it_go_on(
    driver: PuppetDriver, tmp_path: Path
) -> None:
    clock = LateClock()
    place = {"drivers": {"scripted": driver}, "clock": clock}
    first = await Supervisor.open(tmp_path / "store", **place)  # type: ignore[arg-type]
    run_id = await start(first, a_project(tmp_path / "project", config=CONFIG + BUDGET))
    use(await driver.session(1), 5000)
    await until(first, run_id, held)
    await first.close()
    clock.to_the_next_day()
    second = await Supervisor.open(tmp_path / "store", **place)  # type: ignore[arg-type]
    (await driver.session(2)).done()
    await until(second, run_id, done)
    await second.close()


async def used_today(supervisor: Supervisor, tokens: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while [budget.used for budget in (await supervisor.status()).budgets] != [tokens]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_clock_that_is_set_back_forgets_nothing_and_holds_nobody_for_days(
    driver: PuppetDriver, tmp_path: Path
) -> None:
    clock = LateClock()
    place = {"drivers": {"scripted": driver}, "clock": clock}
    first = await Supervisor.open(tmp_path / "store", **place)  # type: ignore[arg-type]
    run_id = await start(first, a_project(tmp_path / "project", config=CONFIG + BUDGET))
    puppet = await driver.session(1)
    use(puppet, 900)
    await used_today(first, 900)
    clock.to_the_next_day()  # by mistake
    await used_today(first, 0)
    use(puppet, 2000)
    await until(first, run_id, held)
    clock.ahead = timedelta()
    await used_today(first, 2000)
    await first.close()
    second = await Supervisor.open(tmp_path / "store", **place)  # type: ignore[arg-type]
    midnight = next_midnight(clock.now())
    await until(
        second, run_id, lambda s: held(s) and getattr(s.run.blocked, "until", 0) == midnight
    )
    await second.close()


async def test_an_agents_own_budget_holds_only_who_needs_it(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    config = CONFIG.replace('name = "coder"', 'name = "coder"\nmax_cost_usd_per_day = 0.5')
    project = a_project(tmp_path / "project", config=config)
    other = WORKFLOW.replace('"change"', '"review"').replace('"coder"', '"reviewer"')
    (project / ".longwatch/workflows/review.toml").write_text(other)
    run_id = await start(supervisor, project)
    use(await driver.session(1), 10, 0.75)
    state = await until(supervisor, run_id, held)
    assert state.run.blocked is not None
    assert state.run.blocked.message.startswith(
        "agents have used $0.75 today (max_cost_usd_per_day of agent coder: 0.5)"
    )
    request = Request(text="look", user="ada")
    await supervisor.execute(cmd.StartRun(request=request, project=str(project), workflow="review"))
    (await driver.session(2)).done()


async def test_the_environment_gives_the_whole_store_a_budget(
    driver: PuppetDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKENS_VARIABLE, "1_000")
    monkeypatch.setenv(COST_VARIABLE, "20")
    supervisor = await Supervisor.open(tmp_path / "store", drivers={"scripted": driver})
    runs = [await start(supervisor, a_project(tmp_path / name)) for name in ("one", "two")]
    use(await driver.session(1), 700)
    use(await driver.session(2), 700)
    for run_id in runs:
        state = await until(supervisor, run_id, held)
        assert state.run.blocked is not None and "of this store" in state.run.blocked.message
    await supervisor.close()
    monkeypatch.setenv(COST_VARIABLE, "lots")
    with pytest.raises(ConfigError, match="LONGWATCH_MAX_COST_USD_PER_DAY = 'lots'"):
        await Supervisor.open(tmp_path / "store")
