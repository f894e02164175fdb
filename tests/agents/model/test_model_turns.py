"""Turns of the built-in agent with a scripted model: asked, allowed, denied, steered, failed."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.agents.model import ModelDriver
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
    TurnDone,
    UsageReported,
)
from app.domain.approval import Action
from app.domain.errors import DriverError
from app.domain.run import FailureKind
from app.domain.session import ChunkKind, Continuity, Usage
from app.domain.toolcall import ToolKind
from tests.agents.model.conftest import Spec
from tests.agents.playing import end_of, play
from tests.support.model_server import ModelServer

ALLOW, DENY = Answer(Action.ALLOW), Answer(Action.DENY)


async def turn(spec: SessionSpec, text: str, *answers: Answer) -> list[AgentEvent]:
    """Open a session, run one turn, close."""
    session = await ModelDriver().open(spec)
    try:
        return await play(session, text, *answers)
    finally:
        await session.close()


def asked(events: list[AgentEvent]) -> list[ApprovalAsked]:
    return [event for event in events if isinstance(event, ApprovalAsked)]


def notices(events: list[AgentEvent]) -> list[str]:
    return [e.text for e in events if isinstance(e, ItemDone) and e.kind is ChunkKind.NOTICE]


@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
async def test_a_call_is_asked_about_and_its_output_goes_back(
    spec: Spec, workspace: Path, api: str
) -> None:
    events = await turn(spec(api=api), "RUN: echo some words | tee out.txt", ALLOW)
    (question,) = asked(events)
    assert (question.call.kind, question.call.command) == (
        ToolKind.SHELL,
        "echo some words | tee out.txt",
    )
    assert question.call.cwd == str(workspace)
    assert end_of(events) == TurnDone("completed", "DONE: some words\n")
    assert (workspace / "out.txt").read_text() == "some words\n"
    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    assert (finished.call_id, finished.outcome.ok, finished.outcome.exit_code) == (
        question.call.call_id,
        True,
        0,
    )
    usage = [event.usage for event in events if isinstance(event, UsageReported)][-1]
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens) == (2400, 68, 400)
    assert (usage.context_tokens, usage.context_window) == (1234, 200_000)


@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
async def test_text_is_streamed_and_kept_whole(spec: Spec, api: str) -> None:
    events = await turn(spec(api=api), "SLOW: 0.4")
    pieces = [e for e in events if isinstance(e, TextDelta) and e.kind is ChunkKind.MESSAGE]
    assert len(pieces) > 1
    (item,) = [e for e in events if isinstance(e, ItemDone) and e.kind is ChunkKind.MESSAGE]
    assert item.text == "".join(piece.text for piece in pieces) == end_of(events).text
    assert {piece.item_id for piece in pieces} == {item.item_id}


async def test_a_denial_reaches_the_model_with_its_reason(spec: Spec, workspace: Path) -> None:
    answer = Answer(Action.DENY, reason="not on a Friday")
    events = await turn(spec(), "RUN: touch it", answer)
    assert end_of(events).text.startswith("DONE: The operator denied this call: not on a Friday.")
    assert not (workspace / "it").exists()
    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    assert not finished.outcome.ok


async def test_a_denial_can_end_the_turn(spec: Spec, model: ModelServer) -> None:
    session = await ModelDriver().open(spec())
    answer = Answer(Action.DENY, reason="stop", interrupt=True)
    events = await play(session, "RUN: touch it", answer)
    assert end_of(events).status == "interrupted"
    assert len(model.requests) == 1
    # The next turn knows of it.
    assert end_of(await play(session, "SAY: fine", turn=2)).text == "fine"
    assert "The operator denied this call: stop" in model.conversations()[-1].text
    await session.close()


async def test_several_calls_of_one_answer_are_asked_in_turn(spec: Spec) -> None:
    events = await turn(spec(), "RUN: echo one\nRUN: echo two", ALLOW, DENY)
    assert [question.call.command for question in asked(events)] == ["echo one", "echo two"]
    assert "denied this call" in end_of(events).text


async def test_steering_is_read_with_the_next_request(spec: Spec, model: ModelServer) -> None:
    session = await ModelDriver().open(spec())
    async with aclosing(session.prompt(Prompt("RUN: echo hi", 1))) as stream:
        async for event in stream:
            if isinstance(event, ApprovalAsked):
                await session.steer("SAY: as you wish")
                await session.answer(event.call.call_id, ALLOW)
            if isinstance(event, TurnDone):
                assert event.text == "as you wish"
    await session.close()
    with pytest.raises(DriverError, match="no turn is running"):
        await session.steer("too late")


async def test_an_interrupt_ends_a_running_command(spec: Spec, workspace: Path) -> None:
    session = await ModelDriver().open(spec())
    events: list[AgentEvent] = []
    async with aclosing(session.prompt(Prompt("RUN: echo begun; tail -f /dev/null", 1))) as stream:
        async for event in stream:
            events.append(event)
            if isinstance(event, ApprovalAsked):
                await session.answer(event.call.call_id, ALLOW)
            if isinstance(event, TextDelta) and "begun" in event.text:
                await session.interrupt()
    assert end_of(events).status == "interrupted"
    await session.close()


async def test_an_interrupt_withdraws_the_question(spec: Spec) -> None:
    session = await ModelDriver().open(spec())
    events: list[AgentEvent] = []
    async with aclosing(session.prompt(Prompt("RUN: echo hi", 1))) as stream:
        async for event in stream:
            events.append(event)
            if isinstance(event, ApprovalAsked):
                await session.interrupt()
    (gone,) = [event for event in events if isinstance(event, ApprovalGone)]
    assert gone.call_id == asked(events)[0].call.call_id
    with pytest.raises(DriverError, match="no longer waits"):
        await session.answer(gone.call_id, ALLOW)
    # The call that was not made is told as such in the next turn.
    assert end_of(await play(session, "SAY: on we go", turn=2)).text == "on we go"
    await session.close()


async def test_calls_that_cannot_be_made_are_explained_and_not_asked(spec: Spec) -> None:
    lines = (
        'CALL: fly {"to": "the moon"}',
        'CALL: shell {"timeout_seconds": 3}',
        'CALL: edit_file {"path": "a.txt", "old": "x", "new": "y"}',
        'CALL: read_file {"path": "../secret"}',
    )
    events = await turn(spec(), "\n".join(lines))
    assert asked(events) == []
    said = "\n".join(notices(events))
    assert "there is no tool 'fly'; there are: read_file," in said
    assert "the arguments of shell are wrong: command: Field required" in said
    assert "there is no file a.txt; write_file makes one" in said
    assert "../secret is outside this session's workspace" in said
    assert end_of(events).status == "completed"


async def test_a_model_that_only_makes_mistakes_is_stopped(spec: Spec) -> None:
    events = await turn(spec(), "\n".join(["CALL: fly {}"] * 11))
    failure = end_of(events).failure
    assert failure is not None and failure.kind is FailureKind.PROTOCOL
    assert (
        "10 calls in a row could not be made; the last: there is no tool 'fly'" in failure.message
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, FailureKind.UNAUTHORIZED),
        (400, FailureKind.BAD_REQUEST),
        (404, FailureKind.BAD_REQUEST),
        (429, FailureKind.RATE_LIMIT),
        (500, FailureKind.OVERLOADED),
        (503, FailureKind.OVERLOADED),
    ],
)
@pytest.mark.parametrize("api", ["chat", "messages"])
async def test_an_error_of_the_endpoint_has_its_class(
    spec: Spec, api: str, status: int, kind: FailureKind
) -> None:
    session = await ModelDriver().open(spec(api=api))
    failure = end_of(await play(session, f"ERR: {status}")).failure
    assert failure is not None and failure.kind is kind
    assert failure.message.startswith("model local/scripted: ") and str(status) in failure.message
    # The conversation is whole: the next turn works.
    assert end_of(await play(session, "SAY: again", turn=2)).text == "again"
    await session.close()


async def test_nobody_at_the_address(spec: Spec) -> None:
    failure = end_of(await turn(spec(base_url="http://127.0.0.1:9/v1"), "SAY: hi")).failure
    assert failure is not None and failure.kind is FailureKind.BROKEN_PIPE


async def test_a_missing_key_is_told_at_the_start(
    spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    with pytest.raises(DriverError, match=r"^agent coder: GROQ_API_KEY is not set where the"):
        await ModelDriver().open(spec(model="groq/llama", base_url=""))


async def test_the_key_goes_to_the_endpoint_and_not_to_commands(
    spec: Spec, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_MODEL_KEY", "planted-key")
    events = await turn(spec(api_key_env="MY_MODEL_KEY"), "RUN: env", ALLOW)
    assert model.headers[0]["authorization"] == "Bearer planted-key"
    assert "planted-key" not in str(events) and "planted-key" not in str(model.requests)


async def test_keys_come_from_what_the_engine_hands_over_and_instructions_are_told(
    spec: Spec, model: ModelServer
) -> None:
    asked_for = spec(api_key_env="ITS_KEY", instructions="You are called Ada.")
    given = replace(asked_for, variables={"ITS_KEY": "planted-key"})
    assert "planted-key" not in repr(given)
    events = await turn(given, "SAY: hi")
    assert end_of(events).text == "hi"
    assert model.headers[0]["authorization"] == "Bearer planted-key"
    assert "You are called Ada." in str(model.requests[0]["messages"])


async def test_a_reader_is_offered_nothing_that_writes(spec: Spec, model: ModelServer) -> None:
    await turn(spec(sandbox="read-only"), "SAY: hi")
    tools = [tool["function"]["name"] for tool in model.requests[0]["tools"]]  # type: ignore[attr-defined]
    assert tools == ["read_file", "list_files", "search", "fetch"]
    events = await turn(spec(sandbox="read-only"), 'CALL: shell {"command": "touch it"}')
    assert asked(events) == []


async def test_one_turn_at_a_time(spec: Spec) -> None:
    session = await ModelDriver().open(spec())
    async with aclosing(session.prompt(Prompt("RUN: echo hi", 1))) as stream:
        await anext(stream)
        with pytest.raises(DriverError, match="a turn is running already"):
            await anext(session.prompt(Prompt("SAY: hi", 2)))
    await session.close()


@pytest.mark.parametrize(
    ("sandbox", "said"),
    [
        ("read-only", []),
        (
            "workspace-write",
            ["its commands are not confined: what you allow runs with your rights"],
        ),
        pytest.param(
            "bubblewrap",
            [
                "its commands are confined by bubblewrap: they write in its workspace only, and"
                " have no network"
            ],
            marks=pytest.mark.bwrap,
        ),
    ],
)
async def test_how_its_commands_are_confined_is_told(
    spec: Spec, sandbox: str, said: list[str]
) -> None:
    assert notices(await turn(spec(sandbox=sandbox), "SAY: hi")) == said


async def test_what_was_used_is_used_though_its_conversation_is_gone(spec: Spec) -> None:
    before = Usage(input_tokens=9_000, output_tokens=1_000, total_tokens=10_000, cost_usd=2.5)
    session = await ModelDriver().resume(replace(spec(), used=before), "s-1")
    events = await play(session, "SAY: hi")
    usage = [event.usage for event in events if isinstance(event, UsageReported)][-1]
    assert usage.input_tokens > 9_000 and usage.output_tokens > 1_000
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert usage.cost_usd is not None and usage.cost_usd >= 2.5
    assert usage.context_tokens is not None and usage.context_tokens < 9_000
    await session.close()


async def test_a_session_is_its_own(spec: Spec) -> None:
    with pytest.raises(DriverError, match="conversation s-2 is not the one of session s-1"):
        await ModelDriver().resume(spec(), "s-2")
    session = await ModelDriver().resume(spec(), "s-1")
    assert session.continuity is Continuity.RESTARTED
    assert notices(await play(session, "SAY: hi"))[0].startswith("its conversation is gone: ")
    await asyncio.sleep(0)
    await session.close()


async def test_of_what_it_reads_the_transcript_has_the_beginning(
    spec: Spec, model: ModelServer, workspace: Path
) -> None:
    (workspace / "long.txt").write_text("".join(f"line {n}\n" for n in range(1, 101)))
    events = await turn(spec(), 'CALL: read_file {"path": "long.txt"}', ALLOW)
    (shown,) = [e.text for e in events if isinstance(e, ItemDone) and e.kind is ChunkKind.OUTPUT]
    assert shown.splitlines()[-2:] == ["line 8", "[… 92 more lines]"]
    assert "line 100" in model.conversations()[-1].text


async def test_a_secret_that_a_command_prints_stays_here(
    spec: Spec, model: ModelServer, tmp_path: Path
) -> None:
    made = replace(spec(), clean=lambda text: text.replace("planted", "[redacted]"))
    events = await turn(made, "RUN: printf 'it is pla%s' nted", ALLOW)
    assert end_of(events).text == "DONE: it is [redacted]"
    assert "planted" not in str(model.requests)
    assert "planted" not in (tmp_path / "session" / "conversation.jsonl").read_text()
