"""Waking who waits for a change, and tasks that last as long as something else."""

from __future__ import annotations

import asyncio

from app.engine.background import BackgroundTask
from app.engine.changed import Changed
from tests.support.waiting import PATIENCE


async def test_a_change_wakes_who_waits_and_one_before_it_needs_no_waiting() -> None:
    changed = Changed()
    waiting = asyncio.create_task(changed.wait())
    await asyncio.sleep(0)
    changed.set()
    await asyncio.wait_for(waiting, PATIENCE)
    await changed.wait()


async def test_a_change_that_is_cleared_in_the_same_moment_wakes_nobody() -> None:
    changed = Changed()
    waiting = asyncio.create_task(changed.wait())
    await asyncio.sleep(0)
    changed.set()
    changed.clear()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    changed.set()
    await asyncio.wait_for(waiting, PATIENCE)


async def test_who_gives_up_waiting_can_wait_again() -> None:
    changed = Changed()
    given_up = asyncio.create_task(changed.wait())
    await asyncio.sleep(0)
    changed.set()
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    changed.clear()
    waiting = asyncio.create_task(changed.wait())
    await asyncio.sleep(0)
    changed.set()
    await asyncio.wait_for(waiting, PATIENCE)


async def test_what_is_over_at_once_begins_nothing_beside_it() -> None:
    begun: list[str] = []

    async def watch() -> None:
        begun.append("begun")
        await asyncio.sleep(3600)

    await BackgroundTask(watch).end()
    await asyncio.sleep(0)
    assert begun == []


async def test_what_lasts_has_its_task_until_it_ends() -> None:
    ended = asyncio.Event()

    async def watch() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    beside = BackgroundTask(watch)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not ended.is_set()
    await beside.end()
    assert ended.is_set()
