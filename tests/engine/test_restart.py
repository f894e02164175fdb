"""One session's agent started anew: nothing else is disturbed, nothing allowed is repeated."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.domain import commands as cmd
from app.domain.approval import Action, ApprovalState, Settlement
from app.domain.base import RunId, SessionId
from app.domain.errors import LongwatchError
from app.domain.run import RunState
from app.domain.session import Chunk, SessionState
from app.domain.task_state import TaskState
from app.engine.supervisor import Supervisor
from tests.support.puppet import PuppetDriver, a_project
from tests.support.runs import start, until
from tests.support.story import ADA

SIDE_BY_SIDE = """
name = "change"

[[step]]
kind = "fan_out"
name = "work"
agent = "coder"
prompt = "Do {{ branch }}"

[[step.branch]]
name = "left"

[[step.branch]]
name = "right"
"""


def permission(state: RunState) -> ApprovalState | None:
    return next((a.state for a in state.approvals.values()), None)


async def test_a_pause_in_the_middle_of_a_permitted_call_leaves_it_uncertain(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    run_id = await start(supervisor, a_project(tmp_path / "project"))
    puppet = await driver.session(1)
    puppet.ask("git push")
    state = await until(supervisor, run_id, lambda s: bool(s.approvals))
    (approval,) = state.approvals.values()
    await supervisor.execute(
        cmd.DecideApproval(
            approval_id=approval.approval_id,
            revision=approval.revision,
            action=Action.ALLOW,
            by=ADA,
        )
    )
    await until(supervisor, run_id, lambda s: permission(s) is ApprovalState.PERMITTED)
    await supervisor.execute(cmd.PauseRun(run_id=run_id, by=ADA))
    state = await until(supervisor, run_id, lambda s: s.run.state is TaskState.BLOCKED)
    (session,) = state.sessions.values()
    assert session.state is SessionState.LOST
    assert permission(state) is ApprovalState.UNCERTAIN


def working(state: RunState) -> bool:
    return any(session.turn_open for session in state.sessions.values())


async def restart(supervisor: Supervisor, state: RunState) -> cmd.Done:
    (session_id,) = state.sessions
    command = cmd.RestartSession(run_id=state.run.run_id, session_id=session_id, by=ADA)
    return await supervisor.execute(command)


async def test_an_agent_is_started_anew_in_the_same_turn_of_the_same_session(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    run_id = await start(supervisor, a_project(tmp_path / "project"))
    first = await driver.session(1)
    state = await until(supervisor, run_id, working)
    done = await restart(supervisor, state)
    assert first.closed and done.message == "coder on work: ended, and started anew where it stood"
    second = await driver.session(2)
    assert second.native_id == first.native_id
    assert second.prompts[0].turn == 1 and second.prompts[0].again
    second.done()
    state = await until(supervisor, run_id, lambda s: s.run.state is TaskState.DONE)
    assert len(state.sessions) == len(state.attempts) == 1
    kinds = [event.payload.type for event in await supervisor.events(run_id)]
    assert kinds.index("restart_asked") < kinds.index("session_lost")


async def test_a_question_that_waited_is_joined_to_the_one_of_the_new_agent(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    run_id = await start(supervisor, a_project(tmp_path / "project"))
    (await driver.session(1)).ask("git push")
    state = await until(supervisor, run_id, lambda s: bool(s.approvals))
    (approval,) = state.approvals.values()
    await restart(supervisor, state)
    decide = cmd.DecideApproval(
        approval_id=approval.approval_id, revision=approval.revision, action=Action.ALLOW, by=ADA
    )
    await supervisor.execute(decide)  # nobody is there to hear it: it is told later
    second = await driver.session(2)
    second.ask("git push", "another-id")
    await second.answered.wait()
    assert [call for call, _ in second.answers] == ["another-id"]
    state = await supervisor.run(run_id)
    assert list(state.approvals) == [approval.approval_id]


async def test_a_call_under_way_is_put_to_a_person_before_its_agent_is_prompted_again(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    run_id = await start(supervisor, a_project(tmp_path / "project"))
    (await driver.session(1)).ask("git push")
    state = await until(supervisor, run_id, lambda s: bool(s.approvals))
    (approval,) = state.approvals.values()
    decide = cmd.DecideApproval(
        approval_id=approval.approval_id, revision=approval.revision, action=Action.ALLOW, by=ADA
    )
    await supervisor.execute(decide)
    state = await until(supervisor, run_id, lambda s: permission(s) is ApprovalState.PERMITTED)
    await restart(supervisor, state)
    state = await supervisor.run(run_id)
    assert permission(state) is ApprovalState.UNCERTAIN and len(driver.sessions) == 1
    settle = cmd.SettleApproval(
        approval_id=approval.approval_id,
        revision=state.approvals[approval.approval_id].revision,
        settlement=Settlement.TREAT_AS_DONE,
        by=ADA,
    )
    await supervisor.execute(settle)
    second = await driver.session(2)
    (known,) = second.prompts[0].settled
    assert known.fate == "done"


async def test_other_sessions_of_the_run_are_left_alone(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    run_id = await start(supervisor, a_project(tmp_path / "project", workflow=SIDE_BY_SIDE))
    left, right = await driver.session(1), await driver.session(2)
    state = await supervisor.run(run_id)
    command = cmd.RestartSession(run_id=run_id, session_id=SessionId(left.spec.session_id), by=ADA)
    assert left.spec.session_id in state.sessions
    await supervisor.execute(command)
    third = await driver.session(3)
    assert third.spec.session_id == left.spec.session_id
    assert left.closed and not right.closed
    for puppet in (third, right):
        puppet.done()
    await until(supervisor, run_id, lambda s: s.run.state is TaskState.DONE)
    assert len(driver.sessions) == 3


async def test_a_restart_of_what_does_not_run_or_is_not_the_runs_is_refused(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    project = a_project(tmp_path / "project")
    run_id, other = await start(supervisor, project), await start(supervisor, project)
    puppets = {(await driver.session(n)).spec.session_id for n in (1, 2)}
    mine = set((await supervisor.run(run_id)).sessions)
    (foreign,) = puppets - mine
    before = (await supervisor.status()).seq

    async def refused(run: RunId, session: str) -> str:
        with pytest.raises(LongwatchError) as caught:
            await supervisor.execute(
                cmd.RestartSession(run_id=run, session_id=SessionId(session), by=ADA)
            )
        return str(caught.value)

    assert await refused(run_id, foreign) == f"session {foreign} belongs to run {other}"
    assert "has no session s-none" in await refused(run_id, "s-none")
    await supervisor.execute(cmd.PauseRun(run_id=run_id, by=ADA))
    assert "no agent runs for session" in await refused(run_id, mine.pop())
    changed = [e.payload.type for e in await supervisor.events(after=before)]
    assert "restart_asked" not in changed and "session_opened" not in changed


async def test_two_restarts_at_once_start_one_agent(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    run_id = await start(supervisor, a_project(tmp_path / "project"))
    await driver.session(1)
    state = await until(supervisor, run_id, working)
    asked = [restart(supervisor, state) for _ in range(3)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(a) for a in answers].count(cmd.Done) == 1
    (await driver.session(2)).done()
    await until(supervisor, run_id, lambda s: s.run.state is TaskState.DONE)
    assert len(driver.sessions) == 2


async def test_what_is_not_on_disk_yet_of_a_transcript_is_not_written_over(
    supervisor: Supervisor,
    driver: PuppetDriver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.store.journal._NOTE_SECONDS", 3600.0)  # a disk that has much to do
    chunks: list[Chunk] = []
    stop = supervisor._core.journal.listen(lambda events, written: chunks.extend(written))
    run_id = await start(supervisor, a_project(tmp_path / "project"))
    (await driver.session(1)).die()
    (await driver.session(2)).done()
    await until(supervisor, run_id, lambda s: s.run.state is TaskState.DONE)
    stop()
    places = [(chunk.session_id, chunk.ordinal) for chunk in chunks]
    assert len(places) > 3 and len(places) == len(set(places))
