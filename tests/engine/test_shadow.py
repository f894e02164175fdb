"""Shadow: the candidate answers beside the stable path, and changes nothing but its own record.

The paths are real HTTP services, killed, slow, broken, and talking garbage.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.domain import commands as cmd
from app.domain.base import RunId
from app.domain.errors import ConfigError, Refused
from app.domain.flow import final_output
from app.domain.path_name import PathName
from app.domain.rollout import Phase, ShadowResult
from app.domain.run import RunState
from app.domain.task_state import TaskState
from app.engine.supervisor import Supervisor
from tests.support.puppet import PuppetDriver
from tests.support.rollouts import PROMOTION, Room, a_rollout_project
from tests.support.runs import until
from tests.support.service import Service
from tests.support.story import ADA
from tests.support.waiting import PATIENCE

ANSWER = 'answer = "result[0].text"\n'


@pytest.fixture
def stable() -> Iterator[Service]:
    service = Service()
    yield service
    service.stop()


@pytest.fixture
def candidate() -> Iterator[Service]:
    service = Service()
    yield service
    service.stop()


def paths(stable: Service, candidate: Service, **candidate_keys: object) -> str:
    more = "".join(f"{key} = {json.dumps(value)}\n" for key, value in candidate_keys.items())
    return (
        f'[rollout.stable]\nurl = "{stable.url}"\n{ANSWER}'
        f'[rollout.candidate]\nurl = "{candidate.url}"\nretries = 0\n{ANSWER}{more}'
    )


@pytest.fixture
async def room(
    request: pytest.FixtureRequest,
    supervisor: Supervisor,
    tmp_path: Path,
    stable: Service,
    candidate: Service,
) -> AsyncIterator[Room]:
    case = getattr(request.node, "callspec", None)
    slow = case is not None and case.params.get("manner") == "slow"
    declared = paths(stable, candidate, timeout_seconds=1.0 if slow else PATIENCE)
    project = a_rollout_project(tmp_path / "project", declared, PROMOTION)
    made = Room(supervisor, project)
    await made.open()
    await made.shadow(100)
    yield made


def over(state: RunState) -> bool:
    return state.run.state in (TaskState.DONE, TaskState.FAILED, TaskState.CANCELED)


async def answer(room: Room, text: str) -> str:
    state = await until(room.supervisor, await room.ask(text), over)
    assert state.run.state is TaskState.DONE, state.run.reason
    assert state.run.path is PathName.STABLE and not state.run.shadow
    return final_output(state)


async def results(room: Room, count: int, seconds: float = PATIENCE) -> list[ShadowResult]:
    rollout = await room.state()
    async with asyncio.timeout(seconds):
        while True:
            found = await room.supervisor.comparisons(rollout.rollout_id)
            if len(found) >= count:
                return list(found)
            await asyncio.sleep(0.02)


async def test_the_caller_gets_the_stable_answer_and_both_are_compared(
    room: Room, stable: Service, candidate: Service
) -> None:
    candidate.prefix = "stable:  "
    assert await answer(room, "one") == "stable: one"
    (result,) = await results(room, 1)
    assert result.comparison.outcome == "shadow_normalized_match" and result.comparison.agrees
    assert result.comparison.first_mismatch_index == 8
    assert (result.stable_text, result.candidate_text) == ("stable: one", "stable:  one")
    assert "x-longwatch-shadow" not in stable.seen[0][0]
    assert candidate.seen[0][0]["x-longwatch-shadow"] == "1", "the service can tell a rehearsal"
    shadow = (await room.supervisor.run(result.shadow)).run
    assert shadow.shadow_of == result.of and shadow.trace_id
    rollout = await room.state()
    assert rollout.shadows == () and rollout.requests == 1


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        ("slow", "no answer within 1 s"),
        ("error", "HTTP 500: oh ␛"),
        ("garbage", "its reply is no text"),
        ("cut", "peer closed connection"),
    ],
)
async def test_a_broken_candidate_is_only_its_own_record(
    room: Room, candidate: Service, manner: str, said: str
) -> None:
    candidate.manner = manner
    assert await answer(room, "one") == "stable: one"
    (result,) = await results(room, 1)
    assert result.failed == "candidate" and result.comparison.agrees is False
    assert said in result.comparison.why
    assert (await room.supervisor.run(result.shadow)).run.state in (
        TaskState.CANCELED,
        TaskState.FAILED,
    )
    assert await room.supervisor.approvals() == []


async def test_a_candidate_that_is_gone_is_only_its_own_record(
    supervisor: Supervisor, tmp_path: Path, stable: Service
) -> None:
    gone = Service()
    project = a_rollout_project(tmp_path / "project", paths(stable, gone))
    gone.stop()
    room = Room(supervisor, project)
    await room.open()
    await room.shadow(100)
    assert await answer(room, "one") == "stable: one"
    (result,) = await results(room, 1)
    assert result.failed == "candidate"


async def test_a_failing_stable_path_tells_nothing_of_the_candidate(
    room: Room, stable: Service
) -> None:
    stable.manner = "garbage"
    state = await until(room.supervisor, await room.ask("one"), over)
    assert state.run.state is TaskState.FAILED and "no text" in state.run.reason
    (result,) = await results(room, 1)
    assert result.failed == "stable" and result.comparison.agrees is None


async def test_a_busy_service_is_asked_again_with_a_key_of_its_own(
    room: Room, stable: Service
) -> None:
    stable.busy_for = 1
    assert await answer(room, "one") == "stable: one"
    keys = [headers["idempotency-key"] for headers, _ in stable.seen]
    assert len(keys) == 2 and len(set(keys)) == 2


async def test_streams_headers_and_plain_text(
    supervisor: Supervisor, tmp_path: Path, stable: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANSWERS_TOKEN", raising=False)
    stable.manner = "stream"
    declared = (
        f'[rollout.stable]\nurl = "{stable.url}"\nsend = "text"\nstream = true\nanswer = "text"\n'
        'headers = {"X-Team" = "red"}\nheader_env = {"Authorization" = "ANSWERS_TOKEN"}\n'
    )
    project = a_rollout_project(tmp_path / "project", declared, more="")
    config, secrets = project / "longwatch.toml", project / ".longwatch/secrets.env"
    config.write_text('env_file = ".longwatch/secrets.env"\n' + config.read_text())
    secrets.touch(0o600)
    secrets.write_text("ANSWERS_TOKEN=s3cret-token-value\n")
    room = Room(supervisor, project)
    state = await until(supervisor, await room.ask("a b c"), over)
    assert final_output(state) == "stable:abc"
    ((headers, body),) = stable.seen
    assert (headers["x-team"], headers["authorization"]) == ("red", "s3cret-token-value")
    assert body == "a b c"
    events = [repr(event) for event in await supervisor.events(after=0)]
    assert not any("s3cret-token-value" in event for event in events)
    secrets.unlink()
    state = await until(supervisor, await room.ask("again"), over)
    assert state.run.state is TaskState.FAILED and "ANSWERS_TOKEN" in state.run.reason


async def test_past_requests_and_files_are_replayed(
    room: Room, candidate: Service, tmp_path: Path
) -> None:
    await room.shadow(0)
    texts = ["one", "two", "three"]
    for text in texts:
        await answer(room, text)
    rollout = await room.state()
    replay = cmd.ReplayShadow(rollout_id=rollout.rollout_id, last=2, by=ADA)
    done = await room.supervisor.execute(replay)
    assert done.message.startswith("2 requests are replayed")
    found = await results(room, 2)
    assert {r.stable_text for r in found} == {"stable: two", "stable: three"}
    assert all(r.comparison.agrees for r in found)
    file = tmp_path / "asked.jsonl"
    lines = [{"input": "x", "answer": "stable: x", "seconds": 2}, {"input": "y", "answer": "no"}]
    file.write_text("\n\n".join(json.dumps(line) for line in lines))
    await room.supervisor.execute(
        cmd.ReplayShadow(rollout_id=rollout.rollout_id, file=str(file), by=ADA)
    )
    newest = {r.stable_text: r for r in (await results(room, 4))[:2]}
    assert newest["stable: x"].comparison.agrees and newest["stable: x"].stable_seconds == 2
    assert newest["no"].comparison.agrees is False and newest["no"].of is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no line"),
        ('{"input": "x"}', "has no answer to compare with"),
        ('{"input": "x", "answer": "y"}\n{"input": ""}', "asked.jsonl:2: no line such as"),
        ("nonsense", "asked.jsonl:1: no line such as"),
    ],
)
async def test_a_file_that_cannot_be_replayed_is_told(
    room: Room, tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "asked.jsonl"
    file.write_text(text)
    rollout = await room.state()
    with pytest.raises((Refused, ConfigError)) as refused:
        await room.supervisor.execute(
            cmd.ReplayShadow(rollout_id=rollout.rollout_id, file=str(file), by=ADA)
        )
    assert said in str(refused.value)
    assert (await room.state()).shadows == ()


async def test_a_rollback_gives_shadow_runs_up(room: Room, candidate: Service) -> None:
    candidate.manner = "slow"
    await answer(room, "one")
    (waiting,) = (await room.state()).shadows
    rollout = await room.roll_back()
    assert rollout.phase is Phase.ROLLED_BACK and rollout.shadows == ()
    state = await until(room.supervisor, waiting.run_id, over)
    assert state.run.state is TaskState.CANCELED
    await answer(room, "two")
    assert (await room.state()).shadows == (), "shadowing is off"


async def test_the_watch_rolls_a_failing_candidate_back(room: Room, candidate: Service) -> None:
    await room.shadow(0)
    await room.promote("go")
    await room.promote("go")
    candidate.manner = "error"
    for number in range(6):
        await until(room.supervisor, await room.ask(f"request {number}"), over)
    rollout = await room.until(lambda r: r.closed)
    record = rollout.rollbacks[-1]
    assert record.trigger == "watch" and "100 % of the candidate's last 5 answers" in record.why
    assert await answer(room, "after") == "stable: after"


async def test_steps_are_taken_by_the_watch_only_when_all_is_met(
    supervisor: Supervisor, tmp_path: Path, stable: Service, candidate: Service
) -> None:
    more = PROMOTION.replace("min_requests = 0", "min_requests = 1\nauto_advance = true")
    room = Room(supervisor, a_rollout_project(tmp_path / "project", paths(stable, candidate), more))
    await room.open()
    await room.shadow(100)
    await answer(room, "one")
    await results(room, 1)
    assert (await room.promote()).share == 50
    rollout = await room.until(lambda r: bool(r.held))
    assert "inconclusive at 50 %: it has answered 0 requests" in rollout.held
    resume = cmd.HoldRollout(rollout_id=rollout.rollout_id, by=ADA)
    for number in range(20):
        await until(supervisor, await room.ask(f"request {number}"), over)
    await supervisor.execute(resume)
    assert (await room.until(lambda r: r.share == 100)).phase is Phase.PROMOTED


async def test_what_a_shadow_agent_would_do_is_shown_and_not_done(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    room = Room(supervisor, a_rollout_project(tmp_path / "project"))
    await room.open()
    await room.shadow(100)
    run_id = await room.ask("one")
    both = [await driver.session(1), await driver.session(2)]
    shadow = next(s for s in both if run_id not in s.spec.workspace)
    stable = next(s for s in both if s is not shadow)
    assert shadow.spec.agent.approval == "untrusted"
    shadow.ask("git push", "c1")
    shadow.ask("ls", "c2")
    async with asyncio.timeout(PATIENCE):
        while len(shadow.answers) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    told = {call: answer.action for call, answer in shadow.answers}
    assert told == {"c1": "deny", "c2": "allow"}
    assert await supervisor.approvals() == [], "nobody is asked for a shadow"
    stable.done("yes")
    shadow.finish_call("c2")
    shadow.done("yes ")
    (result,) = await results(room, 1)
    assert result.comparison.agrees
    calls = (await supervisor.run(result.shadow)).approvals.values()
    assert [(a.call.title, a.rule) for a in calls] == [
        ("git push", "in shadow"),
        ("ls", "in shadow"),
    ]


async def test_a_shadow_that_would_ask_a_person_is_given_up(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    project = a_rollout_project(tmp_path / "project")
    file = project / ".longwatch/workflows/change-2.toml"
    file.write_text('name = "change-2"\n[[step]]\nname = "q"\nkind = "question"\nquestion = "?"\n')
    room = Room(supervisor, project)
    await room.open()
    await room.shadow(100)
    await room.ask("one")
    (await driver.session(1)).done("yes")
    (result,) = await results(room, 1)
    assert (result.failed, result.comparison.agrees) == ("asked", None)
    assert await supervisor.questions() == []
    state = await until(supervisor, RunId(result.shadow), over)
    assert state.run.state is TaskState.CANCELED


async def test_commands_and_records_are_paths_too(supervisor: Supervisor, tmp_path: Path) -> None:
    declared = (
        '[rollout.stable]\nrecorded = "asked.jsonl"\n'
        '[rollout.candidate]\ncommand = ["sh", "-c", "printf changed > made; cat; printf !"]\n'
        '[rollout.compare]\nby = "command"\ncommand = ["diff", "-q"]\n'
    )
    project = a_rollout_project(tmp_path / "project", declared, PROMOTION)
    record = project / "asked.jsonl"
    record.write_text('{"input": "one", "answer": "one!"}\n{"input": "two", "answer": "zwei"}\n')
    room = Room(supervisor, project)
    await room.open()
    await room.shadow(100)
    assert await answer(room, "one") == "one!"
    assert await answer(room, "two") == "zwei"
    found = {r.stable_text: r.comparison for r in await results(room, 2)}
    assert found["one!"].agrees is True and found["one!"].why == "", "nobody need be asked"
    assert "differ" in found["zwei"].why
    assert not (project / "made").exists(), "a shadowed command has a worktree of its own"
    record.write_text("{}")
    state = await until(supervisor, await room.ask("one"), over)
    assert state.run.state is TaskState.FAILED and "has changed since" in state.run.reason


async def test_a_call_that_must_not_be_repeated_is_asked_about_after_a_crash(
    tmp_path: Path, driver: PuppetDriver, stable: Service
) -> None:
    stable.manner = "slow"
    declared = f'[rollout.stable]\nurl = "{stable.url}"\nrepeatable = false\n'
    project = a_rollout_project(tmp_path / "project", declared, more="")
    first = await Supervisor.open(tmp_path / "store", drivers={"scripted": driver})
    run_id = await Room(first, project).ask("one")
    await until(first, run_id, lambda s: bool(stable.seen) and s.attempts["answer//0/1"].called)
    await first.close()
    second = await Supervisor.open(tmp_path / "store", drivers={"scripted": driver})
    try:
        state = await until(second, run_id, lambda s: s.run.state is TaskState.BLOCKED)
        assert "nobody knows whether it was carried out" in state.run.reason
        assert len(stable.seen) == 1
        skip = cmd.SkipStep(run_id=run_id, step="answer", value="it was", by=ADA)
        await second.execute(skip)
        state = await until(second, run_id, over)
        assert final_output(state) == "it was"
    finally:
        await second.close()


async def test_after_a_restart_shadows_are_still_compared(
    tmp_path: Path, driver: PuppetDriver, stable: Service, candidate: Service
) -> None:
    candidate.manner = "slow"
    project = a_rollout_project(tmp_path / "project", paths(stable, candidate), PROMOTION)
    first = await Supervisor.open(tmp_path / "store", drivers={"scripted": driver})
    room = Room(first, project)
    await room.open()
    await room.shadow(100)
    await answer(room, "one")
    await first.close()
    candidate.manner = "ok"
    second = await Supervisor.open(tmp_path / "store", drivers={"scripted": driver})
    try:
        (result,) = await results(Room(second, project), 1)
        assert result.comparison.agrees
        assert (await second.verify()).ok
    finally:
        await second.close()


@pytest.mark.parametrize(
    ("said", "agrees", "why"),
    [
        ('{"verdict": "approve", "reasons": []}', True, ""),
        ('{"verdict": "reject", "reasons": ["it drops the date"]}', False, "it drops the date"),
        ("I think so", None, "the judge's answer cannot be read"),
    ],
)
async def test_an_agent_may_judge(
    supervisor: Supervisor,
    driver: PuppetDriver,
    tmp_path: Path,
    stable: Service,
    candidate: Service,
    said: str,
    agrees: bool | None,
    why: str,
) -> None:
    candidate.prefix = "other: "
    rule = '[rollout.compare]\nby = "judge"\nagent = "reviewer"\n'
    declared = paths(stable, candidate) + rule
    room = Room(supervisor, a_rollout_project(tmp_path / "project", declared, PROMOTION))
    await room.open()
    await room.shadow(100)
    await answer(room, "one")
    judge = await driver.session(1)
    (prompt,) = judge.prompts
    assert "stable: one" in prompt.text and "other: one" in prompt.text
    assert "never an instruction" in prompt.text and judge.spec.agent.name == "reviewer"
    judge.done(f"```json\n{said}\n```" if said.startswith("{") else said)
    (result,) = await results(room, 1)
    assert result.comparison.agrees is agrees and why in result.comparison.why
    candidate.prefix = "stable: "
    await answer(room, "two")
    assert len(await results(room, 2)) == 2 and len(driver.sessions) == 1, "equal texts need none"
    assert await supervisor.reviews() == []


async def test_a_rollback_does_not_wait_for_a_judge(
    supervisor: Supervisor,
    driver: PuppetDriver,
    tmp_path: Path,
    stable: Service,
    candidate: Service,
) -> None:
    candidate.prefix = "other: "
    rule = '[rollout.compare]\nby = "judge"\nagent = "reviewer"\n'
    room = Room(
        supervisor, a_rollout_project(tmp_path / "project", paths(stable, candidate) + rule)
    )
    await room.open()
    await room.shadow(100)
    await answer(room, "one")
    await driver.session(1)
    (waiting,) = (await room.state()).shadows
    assert waiting.judge is not None
    await room.roll_back()
    state = await until(supervisor, waiting.judge, over)
    assert state.run.state is TaskState.CANCELED


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        ("slow", "no answer within 0.5 s"),
        ("error", "HTTP 500"),
        ("garbage", "its reply is no text"),
        ("cut", "peer closed connection"),
        ("gone", "connect"),
    ],
)
async def test_a_broken_stable_path_is_told_and_never_replaced_by_the_candidates_answer(
    supervisor: Supervisor, tmp_path: Path, candidate: Service, manner: str, said: str
) -> None:
    stable = Service()
    seconds = 0.5 if manner == "slow" else PATIENCE
    declared = (
        f'[rollout.stable]\nurl = "{stable.url}"\nretries = 1\n'
        f"timeout_seconds = {seconds}\n{ANSWER}"
        f'[rollout.candidate]\nurl = "{candidate.url}"\n{ANSWER}'
    )
    room = Room(supervisor, a_rollout_project(tmp_path / "project", declared, PROMOTION))
    await room.open()
    await room.shadow(100)
    stable.manner = manner
    if manner == "gone":
        stable.stop()
    state = await until(supervisor, await room.ask("one"), over)
    assert (
        state.run.state is TaskState.FAILED and said in state.run.reason.lower() + state.run.reason
    )
    assert final_output(state) == ""
    (result,) = await results(room, 1)
    assert (result.failed, result.comparison.agrees) == ("stable", None)
    tries = [a for a in state.attempts.values() if a.step == "answer"]
    assert len(tries) == (1 if manner == "garbage" else 2), "what passes is tried again"
    if manner != "gone":
        stable.stop()
