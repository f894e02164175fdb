"""What codex asks besides commands and edits is put to the operator, and answered as was shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from app.agents.codex import CodexDriver
from app.agents.codex.extras import _within
from app.agents.protocol import (
    AgentEvent,
    Answer,
    ApprovalAsked,
    Edited,
    ItemDone,
    Prompt,
    SessionSpec,
    ToolFinished,
    TurnDone,
)
from app.domain.approval import Action
from app.domain.errors import DriverError
from app.domain.toolcall import ToolKind
from tests.agents.playing import end_of

Spec = Callable[[str], SessionSpec]
ALLOW, DENY = Answer(Action.ALLOW), Answer(Action.DENY, reason="no")


async def turn(
    spec: SessionSpec, answer: Answer, text: str | None = None, refused: str = ""
) -> tuple[ApprovalAsked, Any, list[AgentEvent]]:
    """One turn with one question; `text` is what the operator makes of it, if it is not refused."""
    session = await CodexDriver().open(spec)
    events: list[AgentEvent] = []
    asked: list[ApprovalAsked] = []
    try:
        async with aclosing(session.prompt(Prompt("go", 1))) as stream:
            async for event in stream:
                events.append(event)
                if not isinstance(event, ApprovalAsked):
                    continue
                asked.append(event)
                if refused:
                    with pytest.raises(DriverError, match=refused):
                        await session.preview(event.call.call_id, text or "")
                elif text is not None:
                    call = await session.preview(event.call.call_id, text)
                    answer = Answer(Action.ALLOW, edited=Edited(text, call))
                await session.answer(event.call.call_id, answer)
    finally:
        await session.close()
    done = [e for e in events if isinstance(e, TurnDone)][-1]
    return asked[0], json.loads(done.text), events


async def test_rights_are_granted_for_the_turn_or_not_at_all(fake_spec: Spec) -> None:
    asked, said, events = await turn(fake_spec("wants_rights"), ALLOW)
    assert (asked.call.tool, asked.call.reason) == ("permissions", "to install it")
    rights = {"network": {"enabled": True}, "fileSystem": {"write": ["/a", "/b"]}}
    assert said == {"permissions": rights, "scope": "turn"}
    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    assert (finished.outcome.ok, finished.outcome.summary) == (True, "granted for this turn")
    _, said, _ = await turn(fake_spec("wants_rights"), DENY)
    assert said == {"permissions": {}, "scope": "turn"}


@pytest.mark.parametrize(
    "fewer",
    [
        {"fileSystem": {"write": ["/b"]}},
        {"network": {"enabled": False}, "fileSystem": {"write": []}},
        {},
    ],
)
async def test_some_of_the_rights_can_be_granted(fake_spec: Spec, fewer: dict[str, object]) -> None:
    _, said, _ = await turn(fake_spec("wants_rights"), ALLOW, json.dumps(fewer))
    assert said == {"permissions": fewer, "scope": "turn"}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('{"fileSystem": {"write": ["/"]}}', "only what was asked for"),
        ('{"fileSystem": {"read": ["/a"]}}', "only what was asked for"),
        ("[]", "not a JSON object"),
        ("{", "not JSON"),
    ],
)
async def test_more_rights_than_were_asked_for_are_refused(
    fake_spec: Spec, more: str, says: str
) -> None:
    await turn(fake_spec("wants_rights"), DENY, more, refused=says)


def test_an_exception_from_a_right_is_not_left_out() -> None:
    write = {"access": "write", "path": {"type": "path", "path": "/a"}}
    deny = {"access": "deny", "path": {"type": "path", "path": "/a/keys"}}
    whole = {"network": {"enabled": True}, "fileSystem": {"entries": [write, deny]}}
    assert _within({"network": {"enabled": True}}, whole) and _within({"fileSystem": {}}, whole)
    assert _within(whole, whole)
    assert not _within({"fileSystem": {"entries": [write]}}, whole)


async def test_questions_of_the_model_are_answered(fake_spec: Spec) -> None:
    text = '{"q1": "blue", "q2": "because"}'
    asked, said, _ = await turn(fake_spec("wants_answers"), ALLOW, text)
    assert asked.call.kind is ToolKind.QUESTION
    assert asked.call.notes == ("q1: Which colour? · blue: like the sky", "q2: Why?")
    assert said == {"answers": {"q1": {"answers": ["blue"]}, "q2": {"answers": ["because"]}}}
    for answer in (ALLOW, DENY):
        _, said, _ = await turn(fake_spec("wants_answers"), answer)
        assert said == {"answers": {}}
    await turn(fake_spec("wants_answers"), DENY, '{"q3": "x"}', refused="a text is wanted for")


async def test_a_secret_is_not_asked_for_here(fake_spec: Spec) -> None:
    session = await CodexDriver().open(fake_spec("wants_a_secret"))
    async with aclosing(session.prompt(Prompt("go", 1))) as stream:
        events = [event async for event in stream]
    await session.close()
    why = "it asks for a secret, and what is answered here is recorded"
    assert end_of(events).text == why
    assert next(e.text for e in events if isinstance(e, ItemDone)) == f"codex was refused: {why}"


async def test_a_call_of_an_mcp_server_is_asked_about_as_one(fake_spec: Spec) -> None:
    asked, said, events = await turn(fake_spec("calls_mcp"), ALLOW)
    assert (asked.call.tool, asked.call.kind) == ("mcp:notes/write", ToolKind.MCP)
    assert (asked.call.call_id, asked.call.arguments) == ("m1", '{"path": "a"}')
    assert said == {"action": "accept", "content": {}}
    # It begins with the answer, and its end is that of the call.
    kinds = [type(event).__name__ for event in events]
    assert kinds.index("ApprovalAsked") < kinds.index("ToolStarted") < kinds.index("ToolFinished")
    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    assert (finished.call_id, finished.outcome.ok) == ("m1", True)
    _, said, events = await turn(fake_spec("calls_mcp"), DENY)
    assert said == {"action": "decline"}
    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    assert (finished.call_id, finished.outcome.ok) == ("m1", False)
    assert not [event for event in events if type(event).__name__ == "ToolStarted"]


async def test_what_an_mcp_server_asks_is_answered(fake_spec: Spec) -> None:
    text = '{"name": "Ada", "loud": true}'
    asked, said, _ = await turn(fake_spec("server_asks"), ALLOW, text)
    assert (asked.call.tool, asked.call.title) == (
        "mcp:notes/elicitation",
        "notes asks you: Who are you?",
    )
    assert asked.call.kind is ToolKind.MCP, "what it does with a yes is not known"
    assert asked.editable == '{\n  "name": "",\n  "loud": false\n}'
    assert said == {"action": "accept", "content": {"name": "Ada", "loud": True}}
    _, said, _ = await turn(fake_spec("server_asks"), DENY)
    assert said["action"] == "decline"
    _, said, events = await turn(fake_spec("server_asks"), ALLOW)
    assert said["action"] == "decline", "allowed without what it needs"
    assert "it wants an answer to: name" in str(events)
    await turn(fake_spec("server_asks"), DENY, '{"loud": true}', refused="an answer to: name")
    await turn(fake_spec("server_asks"), DENY, '{"name": "x", "y": 1}', refused="not ask for: y")
