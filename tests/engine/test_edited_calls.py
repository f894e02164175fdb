"""A call that an operator changes before allowing it: judged anew, journaled, told to the agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain import commands as cmd
from app.domain import events as ev
from app.domain.approval import Action, Approval, ApprovalState, Settlement
from app.domain.errors import Refused
from app.domain.request import Risk
from app.engine.supervisor import Supervisor
from tests.support.model_server import ModelServer
from tests.support.puppet import CONFIG, PuppetDriver, a_project
from tests.support.runs import start, until
from tests.support.story import ADA
from tests.support.waiting import PATIENCE

AGENT = """
default_workflow = "change"

[[agent]]
name = "coder"
driver = "model"
model = "local/scripted"
base_url = "{url}"
api = "chat"

[[approval.rule]]
name = "no pushes"
command = "git push*"
action = "deny"
reason = "not from here"
"""


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    with ModelServer() as server:
        yield server


def edit(approval: Approval, text: str) -> cmd.EditApproval:
    return cmd.EditApproval(
        approval_id=approval.approval_id, revision=approval.revision, text=text, by=ADA
    )


def allow(approval: Approval) -> cmd.DecideApproval:
    return cmd.DecideApproval(
        approval_id=approval.approval_id,
        revision=approval.revision,
        action=Action.ALLOW,
        by=ADA,
    )


async def pending(supervisor: Supervisor) -> Approval:
    async with asyncio.timeout(PATIENCE):
        while not (found := await supervisor.approvals()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found[0]


async def test_an_edited_call_is_judged_anew_and_made_instead(
    tmp_path: Path, model: ModelServer
) -> None:
    project = a_project(tmp_path / "p", config=AGENT.format(url=model.base_url))
    supervisor = await Supervisor.open(tmp_path / "store")
    try:
        text = (
            "now\nRUN: touch asked.txt\n"
            'CALL: write_file {"path": "b.txt", "content": "one\\n"}\n'
            "RUN: touch third.txt"
        )
        run_id = await start(supervisor, project, text)
        first = await pending(supervisor)
        assert first.editable == "touch asked.txt"
        with pytest.raises(Refused, match="no pushes: not from here"):
            await supervisor.execute(edit(first, "git push"))
        with pytest.raises(Refused, match="nothing was changed"):
            await supervisor.execute(edit(first, first.editable))
        with pytest.raises(Refused, match="it holds what cannot be shown as it is"):
            await supervisor.execute(edit(first, "echo \x1b[2J"))
        with pytest.raises(Refused, match="the call cannot be changed so: the arguments of shell"):
            await supervisor.execute(edit(first, ""))
        done = await supervisor.execute(edit(first, "git reset --hard; touch edited.txt"))
        assert done.message.startswith("changed, high risk")
        riskier = await pending(supervisor)
        assert riskier.risk is Risk.HIGH and riskier.revision > first.revision
        with pytest.raises(Refused, match="changed meanwhile"):
            await supervisor.execute(allow(first))
        await supervisor.execute(edit(riskier, "touch edited.txt"))
        second = await pending(supervisor)
        assert second.original is not None and second.original.command == "touch asked.txt"
        assert (second.call.command, second.edited_by) == ("touch edited.txt", ADA)
        await supervisor.execute(allow(second))
        write = await _another(supervisor, second)
        assert write.editable == "one\n"
        await supervisor.execute(edit(write, "two\n"))
        changed = await pending(supervisor)
        assert "+two" in changed.call.changes[0].diff or changed.call.changes[0].diff == "two\n"
        await supervisor.execute(allow(changed))
        third = await _another(supervisor, changed)
        await supervisor.execute(allow(third))
        state = await until(supervisor, run_id, lambda s: s.run.state.terminal)
        diff = await supervisor.diff(run_id)
        assert "edited.txt" in diff and "asked.txt" not in diff and "+two" in diff
        states = [approval.state for approval in state.approvals.values()]
        assert states == [ApprovalState.EXECUTED] * 3
        told = "The operator changed this call before allowing it. What was done instead:\ntouch"
        assert told in model.conversations()[-1].text
        edits = [
            event.payload
            for event in await supervisor.events(run_id)
            if isinstance(event.payload, ev.ApprovalEdited)
        ]
        assert [one.text for one in edits] == [
            "git reset --hard; touch edited.txt",
            "touch edited.txt",
            "two\n",
        ]
        (session,) = state.sessions.values()
        transcript = await supervisor.transcript(run_id, session.session_id)
        assert "ada changed the call: touch edited.txt" in [chunk.text for chunk in transcript]
        assert (await supervisor.verify()).ok
    finally:
        await supervisor.close()


async def _another(supervisor: Supervisor, before: Approval) -> Approval:
    async with asyncio.timeout(PATIENCE):
        while (found := await pending(supervisor)).approval_id == before.approval_id:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found


async def test_an_edit_survives_a_restart(tmp_path: Path, model: ModelServer) -> None:
    project = a_project(tmp_path / "p", config=AGENT.format(url=model.base_url))
    first = await Supervisor.open(tmp_path / "store")
    run_id = await start(first, project, "now\nRUN: touch asked.txt")
    await first.execute(edit(await pending(first), "touch edited.txt"))
    await first.close()
    second = await Supervisor.open(tmp_path / "store")
    try:
        waiting = await pending(second)
        await second.execute(allow(waiting))
        await until(second, run_id, lambda s: s.run.state.terminal)
        diff = await second.diff(run_id)
        assert "edited.txt" in diff and "asked.txt" not in diff
    finally:
        await second.close()


async def test_agents_that_take_a_yes_or_a_no_say_so(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    await start(supervisor, a_project(tmp_path / "p", config=CONFIG))
    puppet = await driver.session(1)
    puppet.ask("git push", "c1")
    approval = await pending(supervisor)
    assert approval.editable is None
    with pytest.raises(Refused, match="its agent takes a yes or a no"):
        await supervisor.execute(edit(approval, "git status"))


async def test_a_file_that_changes_after_the_edit_is_left_alone(
    tmp_path: Path, model: ModelServer
) -> None:
    project = a_project(tmp_path / "p", config=AGENT.format(url=model.base_url))
    supervisor = await Supervisor.open(tmp_path / "store")
    try:
        run_id = await start(
            supervisor, project, 'now\nCALL: write_file {"path": "a.txt", "content": "two\\n"}'
        )
        approval = await pending(supervisor)
        await supervisor.execute(edit(approval, "three\n"))
        changed = await pending(supervisor)
        (session,) = (await supervisor.run(run_id)).sessions.values()
        (Path(session.workspace) / "a.txt").write_text("somebody else's\n")
        await supervisor.execute(allow(changed))
        state = await until(supervisor, run_id, lambda s: s.run.state.terminal)
        (after,) = state.approvals.values()
        assert after.state is ApprovalState.FAILED and after.outcome is not None
        assert "has changed since the operator changed it" in after.outcome.summary
        assert after.settlement is not Settlement.ABORT
    finally:
        await supervisor.close()
