"""A whole run whose agent calls tools of an MCP server: asked about, denied, allowed, cut off."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from app.domain.approval import Action, Approval, ApprovalState, Settlement
from app.domain.base import RunId
from app.domain.commands import SettleApproval
from app.domain.mcp import McpServer
from app.domain.request import Risk
from app.link.remote import SocketClient
from tests.e2e.place import begin, decision, finished, place, until, waits
from tests.support.model_replies import Call, Reply, Rule, Script
from tests.support.story import ADA
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]


def call(name: str, **arguments: object) -> Reply:
    return Reply(call=Call(name=f"mcp__notes__{name}", arguments=arguments))


SCRIPT = Script(
    [
        Rule(
            when="Do this",
            replies=(
                call("write", path="a.txt", text="no"),
                call("write", path="b.txt", text="yes"),
                call("slowly", seconds=250),
                Reply(say="It is done."),
            ),
        )
    ]
)


async def _pending(client: SocketClient, run_id: RunId) -> Approval:
    state = await until(client, run_id, waits)
    (found,) = [a for a in state.approvals.values() if a.state is ApprovalState.PENDING]
    return found


async def test_calls_of_an_mcp_server_are_asked_about_denied_allowed_and_never_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = (sys.executable, "-m", "tests.support.mcp_server")
    server = McpServer(name="notes", command=command, env=("PYTHONPATH",), start_seconds=PATIENCE)
    async with place(tmp_path, SCRIPT, "model", [server]) as here:
        client = await here.up()
        run_id = await begin(client, here.project)
        first = await _pending(client, run_id)
        assert (first.call.tool, first.risk) == ("mcp:notes/write", Risk.HIGH)
        assert '"path": "a.txt"' in first.call.arguments
        await client.execute(decision(first, Action.DENY, "not these notes"))
        second = await _pending(client, run_id)
        await client.execute(decision(second, Action.ALLOW))
        third = await _pending(client, run_id)
        assert third.call.tool == "mcp:notes/slowly"
        await client.execute(decision(third, Action.ALLOW))
        await until(
            client, run_id, lambda s: s.approvals[third.approval_id].permitted_at is not None
        )
        here.kill_host()
        await client.close()
        client = await here.up()
        state = await until(
            client,
            run_id,
            lambda s: s.approvals[third.approval_id].state is ApprovalState.UNCERTAIN,
        )
        assert (await client.diff(run_id)).count("+yes") == 1
        settle = SettleApproval(
            approval_id=third.approval_id,
            revision=state.approvals[third.approval_id].revision,
            settlement=Settlement.TREAT_AS_DONE,
            by=ADA,
        )
        await client.execute(settle)
        state = await finished(client, run_id)
        states = [approval.state for approval in state.approvals.values()]
        denied, executed, settled = (
            ApprovalState.DENIED,
            ApprovalState.EXECUTED,
            ApprovalState.SETTLED,
        )
        assert states == [denied, executed, settled]
        diff = await client.diff(run_id)
        assert "+yes" in diff and "+no" not in diff
        assert (await client.verify()).ok
        await client.close()
