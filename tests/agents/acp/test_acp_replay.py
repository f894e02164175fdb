"""Recorded traffic of four real agents, replayed through the translation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from acp import schema

from app.agents.acp.options import choose, names
from app.agents.acp.updates import Translator
from app.agents.protocol import (
    AgentEvent,
    Answer,
    ApprovalAsked,
    ItemDone,
    TextDelta,
    ToolFinished,
    ToolStarted,
    UsageReported,
)
from app.domain.approval import Action
from app.domain.session import ChunkKind
from app.domain.toolcall import ToolKind

FOLDER = Path(__file__).with_name("recorded")
AGENTS = ("claude_agent", "opencode", "qwen", "vibe")


def messages(agent: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in (FOLDER / f"{agent}.jsonl").read_text().splitlines():
        record = json.loads(line)
        yield record["dir"], record["msg"]


def turns(agent: str) -> Iterator[tuple[str, list[AgentEvent]]]:
    """Each prompt with the events that our code makes of what followed."""
    translator = Translator()
    prompt, events, prompts = "", list[AgentEvent](), set[int]()
    for direction, message in messages(agent):
        method, params = message.get("method"), message.get("params", {})
        if direction == "client->agent" and method == "initialize":
            # What a killed process left open has no end; what it used stays used.
            used = [event.usage for event in events if isinstance(event, UsageReported)]
            translator, prompt = Translator(used[-1] if used else None), ""
        elif direction == "client->agent" and method == "session/prompt":
            prompt, events = params["prompt"][0]["text"], []
            prompts.add(message["id"])
            translator.begin()
        elif method == "session/update" and prompt:
            update = schema.SessionNotification.model_validate(params).update
            events += translator.translate(update)
        elif method == "session/request_permission":
            asked = schema.RequestPermissionRequest.model_validate(params)
            call = translator.ask(asked.tool_call)
            events += [*translator.close_item(), ApprovalAsked(call, names(asked.options))]
        elif "result" in message and message.get("id") in prompts and prompt:
            events += translator.close_item()
            yield prompt, events
            prompt = ""
    assert set(translator.ignored) <= {
        "AvailableCommandsUpdate",
        "SessionInfoUpdate",
        "UserMessageChunk",  # our own words
    }


@pytest.fixture(params=AGENTS)
def replayed(request: pytest.FixtureRequest) -> list[tuple[str, list[AgentEvent]]]:
    return list(turns(request.param))


def test_each_agent_asks_about_its_command_before_it_runs(
    replayed: list[tuple[str, list[AgentEvent]]],
) -> None:
    asked = [e.call for _, events in replayed for e in events if isinstance(e, ApprovalAsked)]
    commands = [call for call in asked if call.kind is ToolKind.SHELL]
    assert commands and all(call.command for call in commands)
    assert len({call.call_id for call in asked}) == len(asked)
    assert all(call.title for call in asked)


def test_what_was_asked_about_is_told_when_it_ends(
    replayed: list[tuple[str, list[AgentEvent]]],
) -> None:
    for prompt, events in replayed:
        ended = {event.call_id for event in events if isinstance(event, ToolFinished)}
        started = {event.call.call_id for event in events if isinstance(event, ToolStarted)}
        asked = {event.call.call_id for event in events if isinstance(event, ApprovalAsked)}
        assert ended <= started | asked, prompt
    assert any(isinstance(event, ToolFinished) for _, events in replayed for event in events)


def test_streamed_text_and_whole_items_agree(
    replayed: list[tuple[str, list[AgentEvent]]],
) -> None:
    for _, events in replayed:
        streamed: dict[str, str] = {}
        for event in events:
            if isinstance(event, TextDelta):
                streamed[event.item_id] = streamed.get(event.item_id, "") + event.text
            elif isinstance(event, ItemDone) and event.item_id in streamed:
                assert streamed.pop(event.item_id) == event.text
        assert streamed == {}
    said = [
        event.text
        for _, events in replayed
        for event in events
        if isinstance(event, ItemDone) and event.kind is ChunkKind.MESSAGE
    ]
    assert said


def test_usage_never_shrinks(replayed: list[tuple[str, list[AgentEvent]]]) -> None:
    totals = [
        event.usage.total_tokens
        for _, events in replayed
        for event in events
        if isinstance(event, UsageReported)
    ]
    assert totals == sorted(totals)


@pytest.mark.parametrize("agent", AGENTS)
def test_every_offer_lets_us_allow_once_and_refuse(agent: str) -> None:
    offers = [
        schema.RequestPermissionRequest.model_validate(message["params"]).options
        for _, message in messages(agent)
        if message.get("method") == "session/request_permission"
    ]
    assert offers
    for options in offers:
        kinds = {option.option_id: option.kind for option in options}
        allowed = choose(Answer(Action.ALLOW), options)
        assert allowed is not None and kinds[allowed] == "allow_once"
        refused = choose(Answer(Action.DENY), options)
        assert refused is not None and kinds[refused] == "reject_once"
