"""An agent's tool list outweighs every rule, and its denials are in the journal."""

from __future__ import annotations

import asyncio
from pathlib import Path

from app.domain.approval import Action, ActorKind
from app.domain.session import SessionState
from app.engine.supervisor import Supervisor
from tests.support.puppet import CONFIG, PuppetDriver, a_project
from tests.support.runs import start
from tests.support.waiting import PATIENCE

LISTED = CONFIG.replace('script = "script.toml"', 'script = "script.toml"\ntools = ["read"]', 1)
ALLOW_ALL = """
[[approval.rule]]
name = "echo"
command = "echo*"
action = "allow"
"""


async def test_what_is_not_listed_is_denied_before_any_rule(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    run_id = await start(supervisor, a_project(tmp_path / "p", config=LISTED + ALLOW_ALL))
    puppet = await driver.session(1)
    puppet.ask("echo hello", "c1")
    async with asyncio.timeout(PATIENCE):
        while not puppet.answers:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    ((_, answer),) = puppet.answers
    why = "shell is not in the tool list of agent coder, which has: read"
    assert (answer.action, answer.reason) == (Action.DENY, why)
    state = await supervisor.run(run_id)
    (approval,) = state.approvals.values()
    assert approval.decision is not None and approval.rule == "agent's tool list"
    by = approval.decision.by
    assert (by.kind, by.name, approval.decision.reason) == (
        ActorKind.RULE,
        "agent's tool list",
        why,
    )
    (session,) = state.sessions.values()
    assert session.state is SessionState.WORKING, "nobody is asked"
