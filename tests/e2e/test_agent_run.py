"""A whole run with real agents and a scripted model: answered, denied, killed, resumed.

Each agent with each victim takes minutes: `LONGWATCH_VICTIMS=all` takes them, the suite those in
which an agent differs from the others.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from app.domain.approval import Action, ApprovalState, Settlement
from app.domain.commands import SettleApproval
from app.domain.session import Continuity
from app.domain.task_state import TaskState
from tests.e2e.place import EFFECT, SLOW, begin, decision, finished, only, place, until, waits
from tests.support import waiting
from tests.support.story import ADA

MARKS = {"codex": pytest.mark.codex, "opencode": pytest.mark.acp, "qwen": pytest.mark.acp}
VICTIMS = {
    "model": ("nobody", "longwatch"),
    "codex": ("agent", "longwatch", "both"),
    "opencode": ("both",),
    "qwen": ("both",),  # its session/load replays
}
if os.environ.get("LONGWATCH_VICTIMS") == "all":
    VICTIMS |= dict.fromkeys(MARKS, ("nobody", "agent", "longwatch", "both"))
AGENTS = pytest.mark.parametrize(
    "agent", [pytest.param(agent, marks=MARKS.get(agent, ())) for agent in VICTIMS]
)
KILLED = pytest.mark.parametrize(
    ("agent", "victim"),
    [
        pytest.param(agent, victim, marks=MARKS.get(agent, ()))
        for agent, victims in VICTIMS.items()
        for victim in victims
    ],
)


@KILLED
async def test_an_approval_outlives_whoever_is_killed(
    tmp_path: Path, agent: str, victim: str
) -> None:
    async with place(tmp_path, EFFECT, agent) as here:
        client = await here.up()
        run_id = await begin(client, here.project)
        before = only(await until(client, run_id, waits))
        if victim in ("agent", "both"):
            here.kill_agent()
        if victim in ("longwatch", "both"):
            here.kill_host()
            await client.close()
            client = await here.up()
        if victim != "nobody":
            await until(client, run_id, lambda s: only(s).call.call_id != before.call.call_id)
        after = only(await client.run(run_id))
        assert (after.approval_id, after.revision) == (before.approval_id, before.revision)
        await client.execute(decision(before, Action.ALLOW))
        state = await finished(client, run_id)
        (session,) = state.sessions.values()
        assert session.continuity is (
            Continuity.FRESH if victim == "nobody" else Continuity.RESUMED
        )
        assert only(state).state is ApprovalState.EXECUTED
        assert (await client.diff(run_id)).count("+PUSHED") == 1
        assert (await client.verify()).ok
        await client.close()


@AGENTS
async def test_a_denial_reaches_the_agent_with_its_reason(tmp_path: Path, agent: str) -> None:
    async with place(tmp_path, EFFECT, agent) as here:
        client = await here.up()
        run_id = await begin(client, here.project)
        approval = only(await until(client, run_id, waits))
        await client.execute(decision(approval, Action.DENY, "not on a Friday"))
        state = await finished(client, run_id)
        assert only(state).state is ApprovalState.DENIED
        assert "PUSHED" not in await client.diff(run_id)
        (attempt,) = state.attempts.values()
        assert attempt.output is not None and "Then I leave it." in attempt.output
        await client.close()


@AGENTS
async def test_a_call_cut_off_while_it_ran_is_asked_about_and_not_repeated(
    tmp_path: Path, agent: str
) -> None:
    async with place(tmp_path, SLOW, agent) as here:
        client = await here.up()
        run_id = await begin(client, here.project)
        state = await until(client, run_id, waits)
        (session,) = state.sessions.values()
        await client.execute(decision(only(state), Action.ALLOW))
        await waiting.until((Path(session.workspace) / "begun.log").exists)
        here.kill_host()
        await client.close()
        client = await here.up()
        state = await until(client, run_id, lambda s: only(s).state is ApprovalState.UNCERTAIN)
        await asyncio.sleep(0.5)
        assert (await client.run(run_id)).run.state is TaskState.IN_PROGRESS
        settle = SettleApproval(
            approval_id=only(state).approval_id,
            revision=only(state).revision,
            settlement=Settlement.RUN_AGAIN,
            by=ADA,
        )
        await client.execute(settle)
        state = await finished(client, run_id)
        assert only(state).state is ApprovalState.EXECUTED
        await client.close()
