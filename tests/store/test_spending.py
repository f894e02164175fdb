"""Use by day and agent, summed up in SQL from what sessions told."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

from app.domain import events as ev
from app.domain.base import RunId, SessionId
from app.domain.session import Session, Usage
from app.store.day import day_so_far
from app.store.journal import Draft, Journal
from app.store.paths import StorePaths
from app.store.spending import spending
from tests.support.story import ADA, START, FixedClock, a_run

RUN = RunId("r-1")


class SetClock(FixedClock):
    """A clock that stands where the test puts it."""

    def now(self) -> datetime:
        return self.time


def opened(name: str, agent: str, at: datetime) -> ev.SessionOpened:
    session = Session(
        session_id=SessionId(name),
        run_id=RUN,
        step="work",
        agent=agent,
        driver="codex",
        workspace="/w",
        opened_at=at,
    )
    return ev.SessionOpened(session=session)


def told(name: str, tokens: int, cost: float | None = None) -> ev.UsageUpdated:
    used = Usage(input_tokens=tokens - 1, output_tokens=1, total_tokens=tokens, cost_usd=cost)
    return ev.UsageUpdated(session_id=SessionId(name), usage=used)


def test_a_day_has_what_its_sessions_grew_by(tmp_path: Path) -> None:
    clock = SetClock()
    clock.time = datetime.now().astimezone().replace(hour=12, minute=0)

    async def written() -> StorePaths:
        paths = StorePaths(tmp_path)
        journal = await Journal.open(paths, clock)
        first = a_run(RUN)
        await journal.append([Draft(ev.RunCreated(run=first), run_id=RUN)])
        for name, agent in (("s-1", "coder"), ("s-2", "coder"), ("s-3", "judge")):
            await journal.append([Draft(opened(name, agent, clock.time), run_id=RUN)])
        today = clock.time
        for days, name, tokens, cost in (
            (9, "s-1", 1000, 0.1),  # too long ago to be asked for
            (1, "s-1", 1500, 0.3),
            (1, "s-2", 200, None),
            (0, "s-1", 1600, 0.35),
            (0, "s-1", 50, 0.01),  # started anew, it counts from nothing
            (0, "s-3", 7, None),
        ):
            clock.time = today - timedelta(days=days)
            await journal.append([Draft(told(name, tokens, cost), run_id=RUN)])
        await journal.close()
        return paths

    async def found() -> list[tuple[int, str, int, int, float | None]]:
        days = await spending(await written(), 3)
        today = datetime.now().astimezone().date()
        return [
            (
                (today - one.day).days,
                one.agent,
                one.runs,
                one.usage.total_tokens,
                None if one.usage.cost_usd is None else round(one.usage.cost_usd, 6),
            )
            for one in days
        ]

    assert asyncio.run(found()) == [
        (1, "coder", 1, 700, 0.2),
        (0, "coder", 1, 150, 0.06),
        (0, "judge", 1, 7, None),
    ]


async def test_what_came_before_a_clock_went_wrong_is_of_today_too(tmp_path: Path) -> None:
    clock = FixedClock()
    journal = await Journal.open(StorePaths(tmp_path), clock)
    for total, at, idle in ((1, START, 30), (2, START + timedelta(hours=1), 0)):
        clock.time = at
        granted = ev.BudgetGranted(
            day=at.date(), project="", agent="", unit="tokens", total=total, by=ADA
        )
        await journal.append([Draft(granted)])
        clock.time = START - timedelta(days=20_000)
        await journal.append([Draft(ev.SupervisorStopped(epoch=1))] * idle)
    _, grants = await day_so_far(StorePaths(tmp_path), START, journal.seq)
    await journal.close()
    assert [grant.total for grant in grants] == [1, 2]
