"""Recorded traffic of codex 0.169, replayed through the translation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.agents.codex.approvals import COMMAND, FILE_CHANGE, Questions
from app.agents.codex.translation import Translator
from app.agents.codex.wire import Notification, Reply, ServerRequest, parse
from app.agents.protocol import (
    AgentEvent,
    ApprovalAsked,
    ItemDone,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnDone,
    UsageReported,
)
from app.domain.run import FailureKind
from app.domain.session import ChunkKind

RECORDING = Path(__file__).with_name("recorded_0_169.jsonl")


def turns() -> Iterator[tuple[str, list[AgentEvent]]]:
    """Each prompt of the recording with the events that our code makes of what followed."""
    translator, questions = Translator(""), Questions()
    prompt, events = "", list[AgentEvent]()
    for line in RECORDING.read_text().splitlines():
        record = json.loads(line)
        message = parse(json.dumps(record["msg"]).encode())
        if record["dir"] == "client->server":
            if isinstance(message, ServerRequest) and message.method == "turn/start":
                if prompt:
                    yield prompt, events
                prompt, events = record["msg"]["params"]["input"][0]["text"], []
                translator.begin()
        elif isinstance(message, Reply) and "thread" in message.result:
            translator = Translator(record["msg"]["result"]["thread"]["id"])
        elif isinstance(message, ServerRequest):
            assert message.method in (COMMAND, FILE_CHANGE)
            events += questions.ask(message, translator.tools)
        elif isinstance(message, Notification):
            events += translator.translate(message)
    yield prompt, events


@pytest.fixture(scope="module")
def replayed() -> list[tuple[str, list[AgentEvent]]]:
    return list(turns())


def test_every_turn_ends_as_recorded(replayed: list[tuple[str, list[AgentEvent]]]) -> None:
    ends = [
        (prompt[:12], next((e.status for e in events if isinstance(e, TurnDone)), "lost"))
        for prompt, events in replayed
    ]
    assert ends == [
        ("RUN: touch a", "completed"),
        ("RUN: touch d", "completed"),
        ("RUN: touch c", "interrupted"),
        ("PATCH: hello", "completed"),
        ("SLOW: 20", "interrupted"),
        ("RUN: touch a", "lost"),  # killed while it asked
        ("RUN: echo re", "completed"),
        ("RUN: touch /", "completed"),
        ("RUN: touch /", "completed"),
        ("RUN: touch /", "completed"),
        ("RUN: python3", "completed"),
        ("ERRONCE: 500", "completed"),
        ("ERR: 401", "failed"),
        ("ERR: 429", "failed"),
    ]
    for _, events in replayed:
        assert sum(isinstance(e, TurnDone) for e in events) <= 1
        assert not any(isinstance(e, TurnDone) for e in events[:-1])


def test_the_final_message_is_the_turns_text(
    replayed: list[tuple[str, list[AgentEvent]]],
) -> None:
    for _, events in replayed:
        done = events[-1]
        if not isinstance(done, TurnDone) or done.status != "completed":
            continue
        said = [e for e in events if isinstance(e, ItemDone) and e.kind is ChunkKind.MESSAGE]
        assert done.text == said[-1].text != ""
        deltas = [
            e.text for e in events if isinstance(e, TextDelta) and e.item_id == said[-1].item_id
        ]
        assert "".join(deltas) == done.text


def test_calls_are_unwrapped_and_end_once(replayed: list[tuple[str, list[AgentEvent]]]) -> None:
    for prompt, events in replayed:
        calls = [e.call for e in events if isinstance(e, ApprovalAsked | ToolStarted)]
        if prompt.startswith("RUN: "):
            assert {call.command for call in calls} == {prompt.removeprefix("RUN: ")}
        finished = [e.call_id for e in events if isinstance(e, ToolFinished)]
        assert len(set(finished)) == len(finished)


def test_what_the_recorded_approvals_ask(replayed: list[tuple[str, list[AgentEvent]]]) -> None:
    asked = [e for _, events in replayed for e in events if isinstance(e, ApprovalAsked)]
    assert len(asked) == 6
    edit = next(e.call for e in asked if e.call.changes)
    assert (edit.changes[0].path, edit.changes[0].change) == ("/srv/repo/hello_patch.txt", "add")
    assert {e.offered for e in asked} == {
        ("accept", "acceptWithExecpolicyAmendment", "cancel"),
        (),
    }


def test_recorded_failures_have_their_class(
    replayed: list[tuple[str, list[AgentEvent]]],
) -> None:
    ends = [e for _, events in replayed for e in events if isinstance(e, TurnDone)]
    kinds = [e.failure.kind for e in ends if e.failure]
    assert kinds == [FailureKind.UNAUTHORIZED, FailureKind.RATE_LIMIT]


def test_usage_only_grows_within_a_thread(
    replayed: list[tuple[str, list[AgentEvent]]],
) -> None:
    used = [
        e.usage.total_tokens
        for _, events in replayed[:6]
        for e in events
        if isinstance(e, UsageReported)
    ]
    assert used == sorted(used) and used[-1] > 6000
