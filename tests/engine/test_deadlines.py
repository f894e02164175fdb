"""An approval that nobody answers: an outcome of its own, which never permits anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from app.domain import events as ev
from app.domain.approval import Action, ActorKind, Approval, ApprovalState
from app.domain.commands import DecideApproval
from app.domain.errors import Refused
from app.domain.trace import entries_of
from app.engine.supervisor import Supervisor
from app.ui.cards import resolution
from tests.support.hand_clock import HandClock
from tests.support.puppet import CONFIG, Puppet, PuppetDriver, a_project
from tests.support.runs import start
from tests.support.story import ADA
from tests.support.waiting import PATIENCE

SOON = "\n[approval]\ndeadline_seconds = 0.2\n"


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def only(supervisor: Supervisor) -> Approval:
    (approval,) = await supervisor.approvals(open_only=False)
    return approval


async def answered(puppet: Puppet) -> None:
    await until(lambda: bool(puppet.answers))


async def test_nobody_answered_is_told_and_is_no_denial(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    project = a_project(tmp_path / "project", config=CONFIG + SOON)
    run_id = await start(supervisor, project)
    puppet = await driver.session(1)
    puppet.ask("git push", "c1")
    await answered(puppet)
    ((call, answer),) = puppet.answers
    assert (call, answer.action, answer.interrupt) == ("c1", Action.DENY, False)
    assert answer.reason == "nobody answered within 0.2 s, so this was not permitted"
    approval = await only(supervisor)
    assert approval.state is ApprovalState.TIMED_OUT
    assert approval.decision is not None
    assert approval.decision.by.kind is ActorKind.TIMEOUT
    assert approval.permitted_at is None
    assert "nobody answered" in resolution(approval)
    late = DecideApproval(
        approval_id=approval.approval_id, revision=approval.revision, action=Action.ALLOW, by=ADA
    )
    with pytest.raises(Refused, match="is timed_out already"):
        await supervisor.execute(late)
    state = await supervisor.run(run_id)
    events = await supervisor.events(run_id)
    outcomes = {entry.outcome for event in events for entry in entries_of(event, state)}
    assert "approval_timed_out" in outcomes
    assert "approval_denied" not in outcomes


async def test_what_ran_out_while_nobody_was_there_times_out_at_the_start(
    driver: PuppetDriver, tmp_path: Path
) -> None:
    project = a_project(tmp_path / "project", config=CONFIG + SOON.replace("0.2", "0.6"))
    clock, drivers = HandClock(), {"scripted": driver}
    first = await Supervisor.open(tmp_path / "store", drivers=drivers, clock=clock)
    await start(first, project)
    puppet = await driver.session(1)
    puppet.ask("git push", "c1")
    async with asyncio.timeout(PATIENCE):
        while not await first.approvals():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await first.close()
    assert puppet.answers == []
    clock.move(0.6)
    second = await Supervisor.open(tmp_path / "store", drivers=drivers, clock=clock)
    try:
        again = await driver.session(2)
        again.ask("git push", "c2")
        await answered(again)
        ((call, answer),) = again.answers
        assert (call, answer.action) == ("c2", Action.DENY)
        assert "nobody answered within 0.6 s" in answer.reason
        told = [e for e in await second.events() if isinstance(e.payload, ev.ApprovalDecided)]
        assert len(told) == 1
    finally:
        await second.close()


async def test_an_answer_in_time_counts_and_without_a_deadline_it_waits(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    await start(supervisor, a_project(tmp_path / "project"))
    puppet = await driver.session(1)
    puppet.ask("git push", "c1")
    async with asyncio.timeout(PATIENCE):
        while not (waiting := await supervisor.approvals()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert waiting[0].deadline is None
    allow = DecideApproval(
        approval_id=waiting[0].approval_id,
        revision=waiting[0].revision,
        action=Action.ALLOW,
        by=ADA,
    )
    await supervisor.execute(allow)
    assert puppet.answers[0][1].action is Action.ALLOW
