"""Critical calls that two different persons must allow."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.domain import commands as cmd
from app.domain.approval import (
    Action,
    Actor,
    ActorKind,
    Approval,
    ApprovalState,
    Decision,
    Scope,
)
from app.domain.errors import Refused
from app.engine.deciding import check
from app.engine.supervisor import Supervisor
from app.ui.cards import approval_rows
from tests.support.puppet import CONFIG, PuppetDriver, a_project
from tests.support.runs import start
from tests.support.story import ADA
from tests.support.waiting import PATIENCE
from tests.ui.canned import waiting_run
from tests.ui.parts import NOW

BOB = Actor(kind=ActorKind.PERSON, name="bob")
TWO = """
[approval]
critical_deciders = 2

[[approval.rule]]
name = "pushes"
command = "git push*"
action = "allow"
allow_critical = true
"""


async def asked(supervisor: Supervisor, count: int = 1) -> Approval:
    async with asyncio.timeout(PATIENCE):
        while len(found := await supervisor.approvals()) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found[0]


def allow(approval: Approval, by: Actor, scope: Scope = Scope.ONCE) -> cmd.DecideApproval:
    return cmd.DecideApproval(
        approval_id=approval.approval_id,
        revision=approval.revision,
        action=Action.ALLOW,
        scope=scope,
        by=by,
    )


async def test_two_persons_must_allow_what_is_critical_and_one_may_deny(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    project = a_project(tmp_path / "project", config=CONFIG + TWO)
    run_id = await start(supervisor, project)
    puppet = await driver.session(1)
    puppet.ask("git push --force origin main", "c1")
    first = await asked(supervisor)
    assert first.deciders == 2 and "whatever a rule says" in first.risk_reasons[-1]
    with pytest.raises(Refused, match="once at a time"):
        await supervisor.execute(allow(first, ADA, Scope.SESSION))
    done = await supervisor.execute(allow(first, ADA))
    assert "one more person must allow it too" in done.message and puppet.answers == []
    second = await asked(supervisor)
    assert second.supporters == (ADA,) and second.revision > first.revision
    with pytest.raises(Refused, match="changed meanwhile"):
        await supervisor.execute(allow(first, BOB))
    with pytest.raises(Refused, match="somebody else must allow it too"):
        await supervisor.execute(allow(second, ADA))
    rows = approval_rows(await supervisor.run(run_id), second)
    assert any("2 different persons must allow it; ada allowed it" in row.text for row in rows)
    await supervisor.execute(allow(second, BOB))
    ((_, answer),) = puppet.answers
    assert answer.action is Action.ALLOW
    puppet.finish_call("c1")
    puppet.ask("git push --force origin dev", "c2")
    third = await asked(supervisor)
    deny = allow(third, BOB).model_copy(update={"action": Action.DENY, "reason": "no"})
    await supervisor.execute(deny)
    assert [answer.action for _, answer in puppet.answers] == [Action.ALLOW, Action.DENY]
    puppet.ask("git push", "c3")
    async with asyncio.timeout(PATIENCE):
        while len(puppet.answers) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert puppet.answers[2][1].action is Action.ALLOW, "what is not critical is not held up"


async def test_half_an_answer_survives_a_restart(driver: PuppetDriver, tmp_path: Path) -> None:
    project = a_project(tmp_path / "project", config=CONFIG + TWO)
    first = await Supervisor.open(tmp_path / "store", drivers={"scripted": driver})
    await start(first, project)
    puppet = await driver.session(1)
    puppet.ask("git push --force", "c1")
    await first.execute(allow(await asked(first), ADA))
    await first.close()
    second = await Supervisor.open(tmp_path / "store", drivers={"scripted": driver})
    try:
        again = await driver.session(2)
        again.ask("git push --force", "other-id")
        waiting = await asked(second)
        assert waiting.supporters == (ADA,)
        async with asyncio.timeout(PATIENCE):
            while (waiting := await asked(second)).call.call_id != "other-id":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await second.execute(allow(waiting, BOB))
        ((call, answer),) = again.answers
        assert (call, answer.action) == ("other-id", Action.ALLOW)
    finally:
        await second.close()


def test_who_comes_too_late_hears_who_was_first_and_what_they_said() -> None:
    (approval,) = waiting_run().approvals.values()
    first = Decision(action=Action.ALLOW, by=BOB, at=NOW)
    answered = approval.model_copy(update={"state": ApprovalState.FAILED, "decision": first})
    with pytest.raises(Refused, match="is failed already: bob has allowed it"):
        check(answered, answered.revision, ApprovalState.PENDING)
    by_time = first.model_copy(update={"by": Actor(kind=ActorKind.TIMEOUT, name="deadline")})
    over = {"state": ApprovalState.TIMED_OUT, "decision": by_time}
    with pytest.raises(Refused, match=r"is timed_out already$"):
        check(approval.model_copy(update=over), approval.revision, ApprovalState.PENDING)
