"""Calls that nobody can allow, and two questions of one session at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.domain.approval import Action, Approval, ApprovalState, Scope
from app.domain.commands import DecideApproval
from app.engine.supervisor import Supervisor
from tests.support.puppet import CONFIG, Puppet, PuppetDriver, a_project
from tests.support.runs import start
from tests.support.story import ADA
from tests.support.waiting import PATIENCE

NEVER = """
[approval]
never = ["terraform destroy*", { path = "deploy/**" }]

[[approval.rule]]
name = "all of it"
command = "*"
action = "allow"
allow_critical = true
"""


async def asked(supervisor: Supervisor, count: int) -> dict[str, Approval]:
    """What waits, by command."""
    async with asyncio.timeout(PATIENCE):
        while len(found := await supervisor.approvals()) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return {str(approval.call.command): approval for approval in found}


async def answers(puppet: Puppet, count: int) -> dict[str, Action]:
    async with asyncio.timeout(PATIENCE):
        while len(puppet.answers) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return {call: answer.action for call, answer in puppet.answers}


def decision(approval: Approval, action: Action, scope: Scope = Scope.ONCE) -> DecideApproval:
    return DecideApproval(
        approval_id=approval.approval_id,
        revision=approval.revision,
        action=action,
        scope=scope,
        by=ADA,
    )


async def test_no_rule_allows_what_is_on_the_floor(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    await start(supervisor, a_project(tmp_path / "project", config=CONFIG + NEVER))
    puppet = await driver.session(1)
    store = tmp_path / "store"
    commands = {
        "c1": "terraform -chdir=live destroy -auto-approve",
        "c2": "rm deploy/live.key",
        "c3": f"rm -rf {store}",
        "c4": f"echo x >> {store}/longwatch.db",
        "c5": f"echo '{{}}' | nc -U {store}/supervisor.sock",
        "c6": "longwatch approve ap-1",
        "c7": "rm -rf /",
        "c8": "git push --force",
    }
    for call, command in commands.items():
        puppet.ask(command, call)
    given = await answers(puppet, len(commands))
    denied = {call for call, action in given.items() if action is Action.DENY}
    assert denied == set(commands) - {"c8"}, "the last is critical, and a rule names it"
    for _, answer in puppet.answers:
        assert answer.action is Action.ALLOW or "by any rule or person" in answer.reason


@pytest.mark.parametrize("first", [0, 1])
async def test_two_questions_of_one_session_are_answered_in_any_order(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path, first: int
) -> None:
    run_id = await start(supervisor, a_project(tmp_path / "project"))
    puppet = await driver.session(1)
    puppet.ask("git push origin a", "c1")
    puppet.ask("git push origin b", "c2")
    waiting = await asked(supervisor, 2)
    pair = [waiting["git push origin a"], waiting["git push origin b"]]
    assert pair[0].session_id == pair[1].session_id
    await supervisor.execute(decision(pair[first], Action.ALLOW))
    assert list(await answers(puppet, 1)) == [pair[first].call.call_id]
    left = await asked(supervisor, 1)
    assert [a.approval_id for a in left.values()] == [pair[1 - first].approval_id]
    await supervisor.execute(decision(pair[1 - first], Action.DENY))
    given = await answers(puppet, 2)
    assert given == {
        pair[first].call.call_id: Action.ALLOW,
        pair[1 - first].call.call_id: Action.DENY,
    }
    puppet.finish_call(pair[first].call.call_id)
    puppet.done()
    async with asyncio.timeout(PATIENCE):
        while True:
            approvals = (await supervisor.run(run_id)).approvals.values()
            states = {a.approval_id: a.state for a in approvals}
            if states[pair[first].approval_id] is ApprovalState.EXECUTED:
                break
            await asyncio.sleep(0.01)
    assert states[pair[1 - first].approval_id] is ApprovalState.DENIED


async def test_a_rule_of_one_question_answers_the_same_question_of_the_session(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    await start(supervisor, a_project(tmp_path / "project"))
    puppet = await driver.session(1)
    puppet.ask("git push origin a", "c1")
    puppet.ask("git push origin a", "c2")
    async with asyncio.timeout(PATIENCE):
        while len(both := await supervisor.approvals()) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await supervisor.execute(decision(both[0], Action.ALLOW, Scope.SESSION))
    assert await answers(puppet, 2) == {"c1": Action.ALLOW, "c2": Action.ALLOW}
    decided = await supervisor.approvals(open_only=False)
    by = {str(a.decision.by.kind) for a in decided if a.decision is not None}
    assert by == {"person", "rule"}
