"""The past that a rule is held against, and identical calls of several sessions."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.domain.approval import Action, Approval, ApprovalState, Scope
from app.domain.commands import DecideApproval
from app.domain.errors import Refused
from app.domain.identical import likeness
from app.engine.supervisor import Supervisor
from tests.support.puppet import PuppetDriver, a_project
from tests.support.runs import start
from tests.support.story import ADA
from tests.support.waiting import PATIENCE


async def asked(supervisor: Supervisor, count: int) -> list[Approval]:
    async with asyncio.timeout(PATIENCE):
        while len(found := await supervisor.approvals()) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return list(found)


def answer(approval: Approval, action: Action, scope: Scope = Scope.ONCE) -> DecideApproval:
    return DecideApproval(
        approval_id=approval.approval_id,
        revision=approval.revision,
        action=action,
        scope=scope,
        by=ADA,
    )


async def test_a_rule_is_held_against_the_past_of_its_project(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    run_id = await start(supervisor, a_project(tmp_path / "one"))
    mine = await driver.session(1)
    await start(supervisor, a_project(tmp_path / "two"))
    other = await driver.session(2)
    other.ask("git push", "c0")
    await asked(supervisor, 1)
    for number, action in enumerate((Action.ALLOW, Action.DENY, Action.ALLOW)):
        mine.ask("git push", f"c{number}")
        (ours,) = [a for a in await asked(supervisor, 2) if a.run_id == run_id]
        await supervisor.execute(answer(ours, action))
        if action is Action.ALLOW:
            mine.finish_call(f"c{number}")
    mine.ask("git push origin", "c8")
    mine.ask("git push", "c9")
    ours_now = [a for a in await asked(supervisor, 3) if a.run_id == run_id]
    ids = {str(a.call.command): a.approval_id for a in ours_now}
    found = await supervisor.covered(ids["git push"], Scope.ALWAYS)
    assert found.total == 3
    assert dict(found.decided) == {"allowed": 2, "denied": 1}
    how = [call.how for call in found.recent]
    assert how == ["allowed by ada", "denied by ada", "allowed by ada"]
    assert found.rule.match.command_exact == "git push"
    other_text = await supervisor.covered(ids["git push origin"], Scope.ALWAYS)
    assert other_text.total == 0
    with pytest.raises(Refused, match="writes no rule"):
        await supervisor.covered(ids["git push"], Scope.ONCE)


async def test_identical_calls_of_two_sessions_are_answered_each_by_itself(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    project = a_project(tmp_path / "project")
    await start(supervisor, project)
    await start(supervisor, project)
    first, second = await driver.session(1), await driver.session(2)
    assert first.spec.workspace != second.spec.workspace
    first.ask("git push", "c1")
    second.ask("git push", "c2")
    second.ask("git push origin", "c3")
    states = {a.approval_id: await supervisor.run(a.run_id) for a in await asked(supervisor, 3)}
    waiting = await asked(supervisor, 3)
    like = {a.call.call_id: likeness(states[a.approval_id], a) for a in waiting}
    assert like["c1"] == like["c2"] != like["c3"]
    by_call = {a.call.call_id: a for a in waiting}
    await supervisor.execute(answer(by_call["c2"], Action.DENY))  # it changes before the bulk
    await supervisor.execute(answer(by_call["c1"], Action.ALLOW))
    with pytest.raises(Refused, match="denied already"):
        await supervisor.execute(answer(by_call["c2"], Action.ALLOW))
    after = {a.call.call_id: a for a in await supervisor.approvals(open_only=False)}
    assert after["c1"].state is ApprovalState.PERMITTED
    assert (after["c2"].state, after["c3"].state) == (ApprovalState.DENIED, ApprovalState.PENDING)
    decided = [a.decision for a in after.values() if a.decision is not None]
    assert {str(decision.by) for decision in decided} == {"ada"}


async def test_what_was_denied_and_is_asked_once_more_is_a_new_question(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    await start(supervisor, a_project(tmp_path / "project"))
    puppet = await driver.session(1)
    puppet.ask("git push", "c1")
    (first,) = await asked(supervisor, 1)
    await supervisor.execute(answer(first, Action.DENY))
    puppet.ask("git push", "c2")
    (second,) = await asked(supervisor, 1)
    assert second.approval_id != first.approval_id
    await supervisor.execute(answer(second, Action.ALLOW))
    assert [given.action for _, given in puppet.answers] == [Action.DENY, Action.ALLOW]
