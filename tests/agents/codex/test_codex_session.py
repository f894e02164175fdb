"""Sessions with an app-server that misbehaves in every way we could think of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from app.agents.codex import CodexDriver
from app.agents.codex.session import CodexSession
from app.agents.protocol import (
    AgentEvent,
    Answer,
    ApprovalAsked,
    ApprovalGone,
    ItemDone,
    Prompt,
    SessionSpec,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnDone,
)
from app.domain.approval import Action, Scope
from app.domain.errors import DriverError
from app.domain.run import FailureKind
from app.domain.session import ChunkKind, Continuity
from tests.agents.playing import Journal, end_of, play

Spec = Callable[[str], SessionSpec]
ALLOW = Answer(Action.ALLOW)


async def turn(spec: SessionSpec, *answers: Answer) -> list[AgentEvent]:
    """Open a session, run one turn, close."""
    session = await CodexDriver().open(spec)
    try:
        return await play(session, "go", *answers)
    finally:
        await session.close()


async def test_what_is_not_the_protocol_is_passed_over(fake_spec: Spec) -> None:
    events = await turn(fake_spec("garbage"))
    assert end_of(events) == TurnDone("completed", "still here")
    notices = [e.text for e in events if isinstance(e, ItemDone) and e.kind is ChunkKind.NOTICE]
    assert notices == [
        "codex: a message cannot be read: item/agentMessage/delta: delta: Field required"
    ]


async def test_lines_of_a_megabyte_arrive_whole(fake_spec: Spec) -> None:
    events = await turn(fake_spec("big_line"))
    assert len(end_of(events).text) == 1_048_576
    assert [len(e.text) for e in events if isinstance(e, TextDelta)] == [1_048_576]


async def test_stderr_is_drained(fake_spec: Spec) -> None:
    assert end_of(await turn(fake_spec("chatters_on_stderr"))).text == "was heard"


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("dies", "codex ended unexpectedly with exit status 7; its last words: thread 'main' pani"),
        ("closes", "codex was stopped because it closed its output"),
        ("too_big_line", "codex was stopped because it sent a line beyond the limit of 16 MiB"),
    ],
)
async def test_death_in_a_turn_ends_it(fake_spec: Spec, mode: str, says: str) -> None:
    session = await CodexDriver().open(fake_spec(mode))
    done = end_of(await play(session, "go"))
    assert done.status == "failed" and done.failure is not None
    assert done.failure.kind is FailureKind.BROKEN_PIPE
    assert done.failure.message.startswith(says)
    assert "\x1b" not in done.failure.message and "\x07" not in done.failure.message
    again = end_of(await play(session, "go on"))
    assert again.failure == done.failure
    await session.close()


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("silent", "did not answer initialize within 0.5 s"),
        ("babbles", "did not answer initialize within 3 s; it printed: 'Usage: codex [OPTIONS]'"),
        ("fails", "exit status 1; its last words: Error: config.toml is broken ␛[2J"),
        ("other_words", "codex's reply cannot be read: thread/start: thread: Field required"),
    ],
)
async def test_a_failed_handshake_is_one_clear_sentence(
    fake_spec: Spec, mode: str, says: str
) -> None:
    spec = fake_spec(mode)
    if mode in ("silent", "babbles"):
        # It may take a while until it is there to babble.
        seconds = 0.5 if mode == "silent" else 3
        spec = replace(spec, agent=spec.agent.model_copy(update={"start_seconds": seconds}))
    with pytest.raises(DriverError) as caught:
        await CodexDriver().open(spec)
    assert str(caught.value).startswith("agent coder: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_cancelled_handshake_leaves_no_process(fake_spec: Spec) -> None:
    spec = fake_spec("silent")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await CodexDriver().open(spec)


async def test_unknown_requests_are_refused_not_left_hanging(fake_spec: Spec) -> None:
    events = await turn(fake_spec("unknown_request"))
    assert end_of(events).text == "error -32601"
    assert ItemDone("", ChunkKind.NOTICE, "codex was refused: Longwatch does not answer "
                    "item/tool/call") in events  # fmt: skip


async def test_an_approval_that_cannot_be_read_is_refused(fake_spec: Spec) -> None:
    events = await turn(fake_spec("bad_approval"))
    assert end_of(events).text == "error -32602"
    assert not any(isinstance(e, ApprovalAsked) for e in events)


async def test_an_unreadable_end_fails_the_turn(fake_spec: Spec) -> None:
    failure = end_of(await turn(fake_spec("bad_end"))).failure
    assert failure is not None and failure.kind is FailureKind.PROTOCOL
    assert "turn/completed: turn.status: Field required" in failure.message


async def test_a_refused_prompt_fails_the_turn(fake_spec: Spec) -> None:
    failure = end_of(await turn(fake_spec("refuses"))).failure
    assert failure is not None and failure.kind is FailureKind.BAD_REQUEST
    assert failure.message == "codex refused the prompt: no such thread"


async def test_a_withdrawn_question_can_no_longer_be_answered(fake_spec: Spec) -> None:
    session = await CodexDriver().open(fake_spec("withdraws"))
    events = await play(session, "go")
    assert [type(e) for e in events] == [ApprovalAsked, ApprovalGone, TurnDone]
    with pytest.raises(DriverError, match="no longer waits"):
        await session.answer("c1", ALLOW)
    await session.close()


async def test_questions_open_at_the_turns_end_are_withdrawn(fake_spec: Spec) -> None:
    events = await turn(fake_spec("ends_while_asking"))
    assert isinstance(events[-2], ApprovalGone)
    failure = end_of(events).failure
    assert failure is not None and failure.kind is FailureKind.BAD_REQUEST


async def test_a_second_question_about_an_item_is_a_second_call(fake_spec: Spec) -> None:
    events = await turn(fake_spec("asks_twice"), ALLOW, ALLOW)
    told = [e for e in events if isinstance(e, ApprovalAsked | ToolStarted | ToolFinished)]
    assert [type(e) for e in told] == [
        ApprovalAsked, ToolStarted, ToolFinished, ApprovalAsked, ToolStarted, ToolFinished,
    ]  # fmt: skip
    first, second = (e.call for e in told if isinstance(e, ApprovalAsked))
    assert (first.call_id, second.call_id) == ("c1", "c1#2")
    assert first.fingerprint == second.fingerprint
    ends = {e.call_id: e.outcome.ok for e in told if isinstance(e, ToolFinished)}
    assert ends == {"c1": False, "c1#2": True}
    assert end_of(events).text == "accept accept"


async def test_only_offered_answers_are_given(fake_spec: Spec) -> None:
    events = await turn(fake_spec("offers"), Answer(Action.ALLOW, Scope.SESSION))
    assert end_of(events).text == "acceptForSession"
    session = await CodexDriver().open(fake_spec("offers"))
    with pytest.raises(DriverError, match="it offers: acceptForSession, acceptWithExecpolicy"):
        await play(session, "go", ALLOW)
    await session.answer("c1", Answer(Action.DENY))  # the question is still open
    await session.close()


async def test_a_sub_agents_calls_count_but_not_its_words(fake_spec: Spec) -> None:
    events = await turn(fake_spec("sub_agent"), ALLOW)
    asked = next(e for e in events if isinstance(e, ApprovalAsked))
    assert [c.path for c in asked.call.changes] == ["/ws/b"]
    assert any(isinstance(e, ToolFinished) and e.outcome.ok for e in events)
    assert end_of(events) == TurnDone("completed", "accept")


async def test_a_quiet_command_shows_before_it_ends(fake_spec: Spec, tmp_path: Path) -> None:
    session = await CodexDriver().open(fake_spec("quiet_command"))
    seen: list[type[AgentEvent]] = []
    async for event in session.prompt(Prompt("go", 1)):
        seen.append(type(event))
        if isinstance(event, ToolStarted):
            (tmp_path / "shown").touch()  # only now does it end
        if isinstance(event, ToolFinished):
            assert event.outcome.exit_code == 3 and not event.outcome.ok
    assert seen.index(ToolStarted) < seen.index(ToolFinished)
    await session.close()


async def test_an_undelivered_reason_is_told_with_the_next_prompt(fake_spec: Spec) -> None:
    session = await CodexDriver().open(fake_spec("no_steering"))
    denied = await play(session, "go", Answer(Action.DENY, reason="too risky"))
    assert end_of(denied).text == "decline"
    told = end_of(await play(session, "second prompt", turn=2)).text
    assert "too risky" in told and told.endswith("second prompt")
    assert "too risky" not in end_of(await play(session, "third", turn=3)).text
    await session.close()


async def test_an_abandoned_turn_is_ended_before_the_next(fake_spec: Spec) -> None:
    session = await CodexDriver().open(fake_spec("never_ends"))
    stream = session.prompt(Prompt("go", 1))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await anext(stream)
    await stream.aclose()
    second = asyncio.create_task(play(session, "again", turn=2))
    while not second.done():  # once it is there to be interrupted
        await session.interrupt()
        await asyncio.sleep(0.01)
    assert end_of(await second) == TurnDone("interrupted")
    await session.close()


@pytest.mark.parametrize("mode", ["ignores_interrupts", "ignores_prompts"])
async def test_a_codex_that_does_not_react_is_stopped(
    fake_spec: Spec, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = "_INTERRUPT_SECONDS" if mode == "ignores_interrupts" else "_REQUEST_SECONDS"
    monkeypatch.setattr(f"app.agents.codex.session.{limit}", 0.3)
    session = await CodexDriver().open(fake_spec(mode))
    running = asyncio.create_task(play(session, "go"))
    await asyncio.sleep(0.1)
    if mode == "ignores_interrupts":
        await session.interrupt()
    failure = end_of(await running).failure
    assert failure is not None and failure.kind is FailureKind.BROKEN_PIPE
    assert failure.message.startswith("codex did not") and "it was stopped" in failure.message
    await session.close()


@pytest.mark.parametrize("how", ["interrupt", "close"])
async def test_a_reader_that_stands_still_stops_codex_but_not_us(
    fake_spec: Spec, journal: Journal, how: str
) -> None:
    session = await CodexDriver().open(fake_spec("floods"))
    stream = session.prompt(Prompt("go", 1))
    await anext(stream)
    while (used := cpu_seconds(journal.pids[-1])) != await later_cpu_seconds(journal.pids[-1]):
        assert used < 30  # it does not stop by itself
    if how == "interrupt":
        await session.interrupt()
    else:
        await session.close()
    assert [event async for event in stream][-1] == TurnDone("interrupted")
    await session.close()


def cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


async def later_cpu_seconds(pid: int) -> float:
    await asyncio.sleep(0.3)
    return cpu_seconds(pid)


async def test_close_ends_a_running_turn_as_interrupted(fake_spec: Spec) -> None:
    session = await CodexDriver().open(fake_spec("never_ends"))
    running = asyncio.create_task(play(session, "go"))
    await asyncio.sleep(0.1)
    await session.close()
    assert end_of(await running) == TurnDone("interrupted")
    await session.close()


async def test_between_turns_there_is_nothing_to_steer(fake_spec: Spec) -> None:
    session: CodexSession = await CodexDriver().open(fake_spec("garbage"))
    assert (session.native_id, session.continuity) == ("thread-1", Continuity.FRESH)
    await session.interrupt()
    with pytest.raises(DriverError, match="no turn to steer"):
        await session.steer("hello")
    await session.close()
