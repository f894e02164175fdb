"""The conversation's file: a session goes on at the very call where it was cut off."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart

from app.agents.model import ModelDriver
from app.agents.model.conversation import BrokenConversation, Conversation
from app.agents.model.session import ModelSession
from app.agents.protocol import AgentEvent, Answer, ApprovalAsked, ItemDone, Prompt, SettledCall
from app.domain.approval import Action
from app.domain.session import ChunkKind, Continuity
from app.domain.toolcall import ToolCall
from tests.agents.model.conftest import Spec
from tests.agents.playing import end_of, play
from tests.support.model_server import ModelServer

ALLOW = Answer(Action.ALLOW)
TASK = "RUN: echo one >> log\nRUN: echo two >> log"


async def cut_off(spec: Spec, *answers: Answer) -> list[ToolCall]:
    """A turn that is given up at the first question without an answer; what was asked."""
    session = await ModelDriver().open(spec())
    calls, waiting = [], list(answers)
    async with aclosing(session.prompt(Prompt(TASK, 1))) as stream:
        async for event in stream:
            if isinstance(event, ApprovalAsked):
                calls.append(event.call)
                if not waiting:
                    break
                await session.answer(event.call.call_id, waiting.pop(0))
    await session.close()
    return calls


async def again(session: ModelSession, *settled: SettledCall) -> list[AgentEvent]:
    """The same turn once more, everything allowed."""
    events = []
    async with aclosing(session.prompt(Prompt(TASK, 1, again=True, settled=settled))) as stream:
        async for event in stream:
            events.append(event)
            if isinstance(event, ApprovalAsked):
                await session.answer(event.call.call_id, ALLOW)
    return events


def asked(events: list[AgentEvent]) -> list[ToolCall]:
    return [event.call for event in events if isinstance(event, ApprovalAsked)]


async def test_an_open_question_is_asked_again_without_the_model(
    spec: Spec, model: ModelServer, workspace: Path
) -> None:
    (before,) = await cut_off(spec)
    assert len(model.requests) == 1
    session = await ModelDriver().resume(spec(), "s-1")
    assert session.continuity is Continuity.RESUMED
    events = await again(session)
    first, second = asked(events)
    assert first.fingerprint == before.fingerprint and first.call_id != before.call_id
    assert second.command == "echo two >> log"
    assert end_of(events).status == "completed"
    assert len(model.requests) == 3  # one answer each, none of them asked for twice
    assert (workspace / "log").read_text() == "one\ntwo\n"
    await session.close()


async def test_what_was_done_is_not_done_again(
    spec: Spec, model: ModelServer, workspace: Path
) -> None:
    await cut_off(spec, ALLOW)
    session = await ModelDriver().resume(spec(), "s-1")
    (call,) = asked(await again(session))
    assert call.command == "echo two >> log"
    assert (workspace / "log").read_text() == "one\ntwo\n"
    await session.close()


@pytest.mark.parametrize(
    ("fate", "summary", "says", "log"),
    [
        ("done", "it printed this", "it printed this", "two\n"),
        ("done", "", "It was done already.", "two\n"),
        ("denied", "too risky", "The operator denied this call: too risky.", "two\n"),
        ("run_again", "", "[no output]", "one\ntwo\n"),
    ],
)
async def test_what_is_known_of_a_call_is_told(
    spec: Spec, model: ModelServer, workspace: Path, fate: str, summary: str, says: str, log: str
) -> None:
    (call,) = await cut_off(spec)
    session = await ModelDriver().resume(spec(), "s-1")
    await again(session, SettledCall(call, fate, summary))  # type: ignore[arg-type]
    results = [text for role, text in model.conversations()[1].entries if role == "tool"]
    assert len(results) == 1 and says in results[0]
    assert (workspace / "log").read_text() == log
    await session.close()


async def test_a_turn_that_was_over_is_not_worked_again(spec: Spec, model: ModelServer) -> None:
    session = await ModelDriver().open(spec())
    await play(session, "SAY: the plan")
    await session.close()
    taken_up = await ModelDriver().resume(spec(), "s-1")
    async with aclosing(taken_up.prompt(Prompt("SAY: the plan", 1, again=True))) as stream:
        events = [event async for event in stream]
    assert end_of(events).text == "the plan" and len(model.requests) == 1
    await taken_up.close()


async def test_half_a_line_was_never_said(spec: Spec, tmp_path: Path) -> None:
    await cut_off(spec)
    file = tmp_path / "session" / "conversation.jsonl"
    with file.open("ab") as end:
        end.write(b'{"line":"result","ind')
    session = await ModelDriver().resume(spec(), "s-1")
    assert [call.command for call in asked(await again(session))] == [
        "echo one >> log",
        "echo two >> log",
    ]
    await session.close()
    Conversation.load(file, "")  # nothing of the torn line is left between whole ones


async def test_a_file_that_is_no_conversation_is_kept_and_told(spec: Spec, tmp_path: Path) -> None:
    folder = tmp_path / "session"
    folder.mkdir()
    (folder / "conversation.jsonl").write_text('{"line":"said","turn":1}\n')
    session = await ModelDriver().resume(spec(), "s-1")
    assert session.continuity is Continuity.RESTARTED
    events = await play(session, "SAY: hi")
    said, _ = [e.text for e in events if isinstance(e, ItemDone) and e.kind is ChunkKind.NOTICE]
    assert "conversation.jsonl:1: not a conversation" in said
    assert said.endswith("it is kept as conversation.jsonl.broken-1")
    assert (folder / "conversation.jsonl.broken-1").is_file()
    await session.close()


async def test_the_file_is_private(spec: Spec, tmp_path: Path) -> None:
    await cut_off(spec)
    folder = tmp_path / "session"
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "conversation.jsonl").stat().st_mode & 0o077 == 0


async def talk(path: Path, seed: list[int]) -> Conversation:
    """A conversation of prompts, answers with some calls, and their results."""
    made = Conversation(path, "be good")
    for turn, count in enumerate(seed, 1):
        await made.add_prompt(turn, f"prompt {turn}")
        calls = [ToolCallPart("shell", '{"command": "x"}', f"c{n}") for n in range(count)]
        await made.add_response(ModelResponse(parts=[TextPart(f"answer {turn}"), *calls]))
        for call in reversed(made.open_calls()):
            await made.add_result(call, f"result {call.index}", "success")
    return made


@given(seed=st.lists(st.integers(0, 3), min_size=1, max_size=4), cut=st.floats(0, 1))
async def test_any_beginning_of_the_file_is_a_conversation(
    tmp_path_factory: pytest.TempPathFactory, seed: list[int], cut: float
) -> None:
    folder = tmp_path_factory.mktemp("talk")
    whole = await talk(folder / "whole", seed)
    data = (folder / "whole").read_bytes()
    part = folder / "part"
    part.write_bytes(data[: int(len(data) * cut)])
    read = Conversation.load(part, "be good")
    assert read.messages == whole.messages[: len(read.messages)]
    # What comes next is written behind it, and read back as it is.
    await read.add_prompt(99, "more")
    assert Conversation.load(part, "be good").messages[-1] == read.messages[-1]


def test_a_result_of_a_call_that_is_not_there_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c"
    file.write_text(
        '{"line":"result","index":0,"part":{"tool_name":"shell","content":"x","tool_call_id":"1",'
        '"part_kind":"tool-return"}}\n'
    )
    with pytest.raises(BrokenConversation, match="c:1: not a conversation: a result of call 0"):
        Conversation.load(file, "")
