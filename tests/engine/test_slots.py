"""Slots: limits hold, who is canceled keeps none, and runs are served in turn."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from app.domain.base import RunId
from app.domain.errors import ConfigError
from app.engine.slots import LIMIT_VARIABLE, Slots, limit_of_the_store

ONE, TWO = RunId("r-1"), RunId("r-2")
AGENT = {"agent ada": 1}


async def _hold(slots: Slots, run_id: RunId, said: list[str], limits: dict[str, int]) -> None:
    async with slots.slot(run_id, limits):
        said.append(run_id)
        await asyncio.sleep(0)


async def test_the_narrowest_limit_holds() -> None:
    slots, at_work, most = Slots(5), 0, 0

    async def work() -> None:
        nonlocal at_work, most
        async with slots.slot(ONE, {"workflow w": 3, "agent ada": 2}):
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(0.001)
            at_work -= 1

    await asyncio.gather(*(work() for _ in range(20)))
    assert most == 2
    assert slots.waiting == 0


async def test_a_run_that_holds_fewer_is_served_first() -> None:
    slots, said = Slots(2), list[str]()
    async with slots.slot(ONE, {}) as first, slots.slot(ONE, {}):
        waiting = [asyncio.create_task(_hold(slots, run, said, {})) for run in (ONE, ONE, TWO)]
        await asyncio.sleep(0)
        first.pause()
        await asyncio.sleep(0)
        assert said == [TWO]
    await asyncio.gather(*waiting)


async def test_who_waits_for_a_person_holds_no_slot() -> None:
    slots, said = Slots(1), list[str]()
    async with slots.slot(ONE, {}) as slot:
        slot.pause()
        await _hold(slots, TWO, said, {})
        slot.resume()
        other = asyncio.create_task(_hold(slots, TWO, said, {}))
        await asyncio.sleep(0)
        assert said == [TWO]
    await other
    assert said == [TWO, TWO]


async def test_one_canceled_in_the_instant_in_which_a_slot_becomes_free_loses_none() -> None:
    slots, said = Slots(0), list[str]()
    async with slots.slot(ONE, AGENT) as slot:
        gone = asyncio.create_task(_hold(slots, ONE, said, AGENT))
        stays = asyncio.create_task(_hold(slots, TWO, said, AGENT))
        await asyncio.sleep(0)
        gone.cancel()
        slot.pause()
        with suppress(asyncio.CancelledError):
            await gone
    await stays
    assert said == [TWO]
    await _hold(slots, ONE, said, AGENT)
    assert said == [TWO, ONE]


async def test_one_canceled_after_its_turn_came_gives_it_back() -> None:
    slots, said = Slots(1), list[str]()
    async with slots.slot(ONE, {}) as slot:
        gone = asyncio.create_task(_hold(slots, TWO, said, {}))
        await asyncio.sleep(0)
        slot.pause()
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone
    assert said == []
    await _hold(slots, ONE, said, {})
    assert said == [ONE]


def test_the_environment_says_how_many_work_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LIMIT_VARIABLE, raising=False)
    assert limit_of_the_store() == 32
    monkeypatch.setenv(LIMIT_VARIABLE, "4")
    assert limit_of_the_store() == 4


@pytest.mark.parametrize("said", ["0", "-1", "many", "1e3", "99999"])
def test_a_limit_that_is_none_is_an_error_with_its_name(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, said)
    with pytest.raises(ConfigError, match=f"{LIMIT_VARIABLE} = '{said}': .* from 1 to 10000"):
        limit_of_the_store()
