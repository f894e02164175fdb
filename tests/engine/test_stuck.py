"""Sessions that seem to get nowhere: who notices, what a person is told, and when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.agents.protocol import (
    ApprovalAsked,
    ItemDone,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnDone,
    UsageReported,
)
from app.domain import commands as cmd
from app.domain.attention import AttentionKind, attention
from app.domain.base import RunId
from app.domain.errors import DriverError, MissingCredentials, MissingProgram
from app.domain.helping import what_helps
from app.domain.run import Failure, FailureKind, RunState
from app.domain.session import ChunkKind, SessionState, Stuck, StuckKind, Usage
from app.domain.task_state import TaskState
from app.domain.toolcall import ToolCall, ToolKind, ToolOutcome
from app.engine.progress import Progress
from app.engine.supervisor import Supervisor
from tests.support.hand_clock import HandClock
from tests.support.puppet import CONFIG, WORKFLOW, Puppet, PuppetDriver, a_project, shell
from tests.support.runs import start, until
from tests.support.story import ADA, START
from tests.support.waiting import PATIENCE

HASTY = CONFIG.replace('name = "coder"', 'name = "coder"\nquiet_seconds = 1\nrepeat_limit = 3')


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def timed(
    tmp_path: Path, driver: PuppetDriver, clock: HandClock
) -> AsyncIterator[Supervisor]:
    """One whose agents are silent for as long as a test says."""
    drivers = {"scripted": driver}
    made = await Supervisor.open(tmp_path / "store", drivers=drivers, clock=clock)
    yield made
    await made.close()


async def begin(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> tuple[RunId, Puppet]:
    project = a_project(tmp_path / "project", config=HASTY)
    run_id = await start(supervisor, project)
    return run_id, await driver.session(1)


async def silence(supervisor: Supervisor, run_id: RunId, clock: HandClock) -> RunState:
    """Let time pass until the agent seems to get nowhere."""
    async with asyncio.timeout(PATIENCE):
        while stuck(state := await supervisor.run(run_id)) is None:
            await clock.next()
    return state


def stuck(state: RunState) -> Stuck | None:
    (session,) = state.sessions.values()
    return session.stuck


async def test_silence_is_told_until_the_agent_speaks(
    timed: Supervisor, clock: HandClock, driver: PuppetDriver, tmp_path: Path
) -> None:
    run_id, puppet = await begin(timed, driver, tmp_path)
    state = await silence(timed, run_id, clock)
    found = stuck(state)
    assert found is not None and found.kind is StuckKind.QUIET
    assert found.why.startswith("no word from its agent for ")
    (item,) = attention(state, START)
    assert item.kind is AttentionKind.STUCK
    assert item.title.startswith("coder on work: no word from its agent for ")
    puppet.events.put_nowait(UsageReported(Usage(input_tokens=1)))
    await asyncio.sleep(0.2)
    assert stuck(await timed.run(run_id)) is not None, "counting tokens is no progress"
    puppet.events.put_nowait(TextDelta("i1", ChunkKind.MESSAGE, "here I am"))
    state = await until(timed, run_id, lambda s: stuck(s) is None)
    assert attention(state, START) == []
    puppet.done()
    await until(timed, run_id, lambda s: s.run.state is TaskState.DONE)


async def test_a_word_to_it_gives_it_its_time_again(
    timed: Supervisor, clock: HandClock, driver: PuppetDriver, tmp_path: Path
) -> None:
    run_id, puppet = await begin(timed, driver, tmp_path)
    state = await silence(timed, run_id, clock)
    (session_id,) = state.sessions
    steer = cmd.SteerSession(run_id=run_id, session_id=session_id, text="well?", by=ADA)
    await timed.execute(steer)
    assert puppet.steered == ["well?"]
    assert stuck(await timed.run(run_id)) is None
    await silence(timed, run_id, clock)  # still nothing


async def test_pausing_and_resuming_starts_its_agent_anew(
    timed: Supervisor, clock: HandClock, driver: PuppetDriver, tmp_path: Path
) -> None:
    run_id, _ = await begin(timed, driver, tmp_path)
    await silence(timed, run_id, clock)
    await timed.execute(cmd.PauseRun(run_id=run_id, by=ADA))
    state = await until(timed, run_id, lambda s: s.run.state is TaskState.BLOCKED)
    assert stuck(state) is None
    await timed.execute(cmd.ResumeRun(run_id=run_id, by=ADA))
    again = await driver.session(2)
    again.done()
    await until(timed, run_id, lambda s: s.run.state is TaskState.DONE)


async def test_waiting_for_a_person_is_not_silence(
    timed: Supervisor, clock: HandClock, driver: PuppetDriver, tmp_path: Path
) -> None:
    run_id, puppet = await begin(timed, driver, tmp_path)
    puppet.ask("git push")
    await until(
        timed,
        run_id,
        lambda s: next(iter(s.sessions.values())).state is SessionState.WAITING,
    )
    await clock.next(3)
    await clock.all_asleep()
    assert stuck(await timed.run(run_id)) is None


async def test_the_same_call_again_and_again_is_told_until_another_comes(
    timed: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    run_id, puppet = await begin(timed, driver, tmp_path)
    for number in range(3):
        puppet.events.put_nowait(ToolStarted(shell("make test", f"c{number}")))
        puppet.events.put_nowait(ToolFinished(f"c{number}", ToolOutcome(ok=False)))
    state = await until(timed, run_id, lambda s: stuck(s) is not None)
    found = stuck(state)
    assert found is not None and found.kind is StuckKind.REPEATS
    assert found.why == "made the same call 3 times in a row: make test"
    puppet.events.put_nowait(TextDelta("i1", ChunkKind.MESSAGE, "once more"))
    await asyncio.sleep(0.2)
    assert stuck(await timed.run(run_id)) is not None, "talk does not end a repetition"
    puppet.events.put_nowait(ToolStarted(shell("git status", "c9")))
    await until(timed, run_id, lambda s: stuck(s) is None)


# ---- what counts


def started(command: str, call_id: str, kind: ToolKind = ToolKind.SHELL) -> ToolStarted:
    call = ToolCall(call_id=call_id, tool="t", kind=kind, title=command, command=command)
    return ToolStarted(call)


def test_one_call_told_twice_counts_once() -> None:
    progress = Progress(900, 2, 0)
    first = started("a", "1")
    assert progress.heard(ApprovalAsked(first.call), 0) is None
    assert progress.heard(first, 0) is None
    assert progress.heard(started("a", "2"), 0) is not None


def test_a_look_at_a_running_process_is_no_repetition() -> None:
    progress = Progress(900, 2, 0)
    for number in range(5):
        assert progress.heard(started("poll", str(number), ToolKind.PROCESS), 0) is None


def test_silence_counts_from_the_last_word_and_is_told_once() -> None:
    progress = Progress(10, 2, 0)
    assert progress.silent(9, []) is None
    progress.heard(ItemDone("", ChunkKind.NOTICE, "x"), 9)
    assert progress.silent(18, []) is None
    assert progress.silent(19, []) == "no word from its agent for 10 s"
    assert progress.silent(30, []) is None
    progress.rest(31)
    call = started("make all", "1").call
    assert progress.silent(41, [call]) == "no word for 10 s from: make all"


@pytest.mark.parametrize(
    ("output", "asks"),
    [
        ("Cloning…\nPassword for 'https://ada@example.org': ", True),
        ("Enter passphrase for key '/home/ada/.ssh/id': ", True),
        ("Are you sure you want to continue connecting (yes/no/[fingerprint])? ", True),
        ("Do you want to continue? [Y/n] ", True),
        ("Overwrite config.json?", True),
        ("-- press any key --", True),
        ("the password was changed\n", False),
        ("continue with the next test\n42 passed", False),
        ("", False),
    ],
)
def test_a_program_that_waits_for_somebody_to_type_is_known_by_its_words(
    output: str, asks: bool
) -> None:
    progress = Progress(900, 10, 0, prompt_seconds=60)
    for piece in (output[:7], output[7:]):
        progress.heard(TextDelta("c1", ChunkKind.OUTPUT, piece), 5)
    assert progress.prompt(64) is None
    assert (progress.prompt(65) is not None) is asks
    assert progress.prompt(70) is None, "it is told once"


async def test_a_prompt_that_nobody_answers_is_told_long_before_silence_is(
    timed: Supervisor, clock: HandClock, driver: PuppetDriver, tmp_path: Path
) -> None:
    config = CONFIG.replace('name = "coder"', 'name = "coder"\nprompt_seconds = 1')
    run_id = await start(timed, a_project(tmp_path / "project", config=config))
    puppet = await driver.session(1)
    puppet.events.put_nowait(ToolStarted(shell("ssh deploy@example.org", "c1")))
    puppet.events.put_nowait(TextDelta("c1", ChunkKind.OUTPUT, "deploy@example.org's password: "))
    state = await silence(timed, run_id, clock)
    found = stuck(state)
    assert found is not None and found.kind is StuckKind.PROMPT
    assert found.why == (
        "a program of it seems to wait for an answer: deploy@example.org's password:"
    )
    puppet.done()
    await until(timed, run_id, lambda s: s.run.state is TaskState.DONE)


@pytest.mark.parametrize(
    ("failure", "kind", "helps"),
    [
        (FailureKind.UNAUTHORIZED, "credentials", "set the key or sign in"),
        (FailureKind.OVERLOADED, "model_unavailable", "fallbacks"),
        (FailureKind.RATE_LIMIT, "model_unavailable", "try again later"),
        (FailureKind.PROTOCOL, "dead_pipe", "starts its agent anew"),
        (FailureKind.OTHER, "agent_failure", ""),
    ],
)
async def test_each_way_to_fail_is_a_state_of_its_own_and_says_what_helps(
    supervisor: Supervisor,
    driver: PuppetDriver,
    tmp_path: Path,
    failure: FailureKind,
    kind: str,
    helps: str,
) -> None:
    workflow = WORKFLOW + "retry = { max_retries = 0 }\n"
    run_id = await start(supervisor, a_project(tmp_path / "project", workflow=workflow))
    puppet = await driver.session(1)
    failed = TurnDone("failed", failure=Failure(kind=failure, message="it is so"))
    puppet.events.put_nowait(failed)
    state = await until(supervisor, run_id, lambda s: s.run.blocked is not None)
    assert state.run.blocked is not None and state.run.blocked.kind == kind
    assert helps in what_helps(state.run.blocked)


async def test_an_agent_whose_pipe_breaks_again_and_again_is_put_to_a_person(
    supervisor: Supervisor, driver: PuppetDriver, tmp_path: Path
) -> None:
    run_id = await start(supervisor, a_project(tmp_path / "project"))
    for number in (1, 2, 3):
        (await driver.session(number)).die()
    state = await until(supervisor, run_id, lambda s: s.run.blocked is not None)
    assert state.run.blocked is not None and state.run.blocked.kind == "dead_pipe"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MissingCredentials("KEY is not set"), "credentials"),
        (MissingProgram("codex is not on PATH"), "no_program"),
        (DriverError("no"), "agent_failure"),
    ],
)
async def test_an_agent_that_cannot_be_had_says_why_by_its_state(
    supervisor: Supervisor,
    driver: PuppetDriver,
    tmp_path: Path,
    error: DriverError,
    kind: str,
) -> None:
    driver.error = error
    run_id = await start(supervisor, a_project(tmp_path / "project"))
    state = await until(supervisor, run_id, lambda s: s.run.blocked is not None)
    assert state.run.blocked is not None
    assert (state.run.blocked.kind, state.run.blocked.message) == (kind, str(error))
