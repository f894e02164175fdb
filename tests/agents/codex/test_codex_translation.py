"""Single notifications, items and errors in our words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.agents.capped import DIFF_CAP
from app.agents.codex import asks, calls, models
from app.agents.codex.failures import failure_of
from app.agents.codex.tools import ToolTable
from app.agents.codex.translation import Translator
from app.agents.codex.wire import Notification
from app.agents.protocol import (
    AgentEvent,
    ItemDone,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnDone,
)
from app.domain.run import FailureKind
from app.domain.session import ChunkKind
from app.domain.toolcall import FileChange, ToolCall, ToolKind, ToolOutcome


@pytest.mark.parametrize(
    ("info", "message", "kind"),
    [
        ("unauthorized", "", FailureKind.UNAUTHORIZED),
        ("usageLimitExceeded", "", FailureKind.RATE_LIMIT),
        ("serverOverloaded", "", FailureKind.OVERLOADED),
        ("contextWindowExceeded", "", FailureKind.BAD_REQUEST),
        ("somethingNew", "", FailureKind.OTHER),
        ("other", "exceeded retry limit, last status: 429 Too Many", FailureKind.RATE_LIMIT),
        (None, "", FailureKind.OTHER),
        ({}, "", FailureKind.OTHER),
        ({"httpConnectionFailed": {"httpStatusCode": 403}}, "", FailureKind.UNAUTHORIZED),
        ({"responseStreamDisconnected": {"httpStatusCode": 503}}, "", FailureKind.OVERLOADED),
        ({"responseStreamDisconnected": {"httpStatusCode": None}}, "", FailureKind.OVERLOADED),
        ({"responseTooManyFailedAttempts": {"httpStatusCode": 400}}, "", FailureKind.BAD_REQUEST),
        ({"activeTurnNotSteerable": {"turnKind": "review"}}, "", FailureKind.OTHER),
    ],
)
def test_the_class_of_an_error(
    info: str | dict[str, object] | None, message: str, kind: FailureKind
) -> None:
    failure = failure_of(models.TurnError(message=message, codex_error_info=info))
    assert failure.kind is kind
    assert failure.message.startswith("codex: ")


def test_a_failure_without_an_error_is_told_as_such() -> None:
    assert "without a reason" in failure_of(None).message


def translate(*messages: tuple[str, dict[str, object]]) -> list[AgentEvent]:
    """What a turn `u` of thread `t` makes of some notifications."""
    translator = Translator("t")
    translator.begin()
    events: list[AgentEvent] = []
    for method, params in messages:
        given = {"threadId": "t", "turnId": "u", **params}
        events += translator.translate(Notification(method, given))
    return events


def completed(item: dict[str, object]) -> tuple[str, dict[str, object]]:
    return "item/completed", {"item": {"id": "i", **item}}


def end(status: str) -> tuple[str, dict[str, object]]:
    return "turn/completed", {"turn": {"id": "u", "status": status}}


def test_commentary_is_not_the_result() -> None:
    message = {"type": "agentMessage"}
    events = translate(
        completed({**message, "text": "the result"}),
        completed({**message, "text": "by the way", "phase": "commentary"}),
        end("completed"),
    )
    assert events[-1] == TurnDone("completed", "the result")
    only = translate(completed({**message, "text": "hm", "phase": "commentary"}), end("completed"))
    assert only[-1] == TurnDone("completed", "hm")


def test_thoughts_are_joined_as_they_were_streamed() -> None:
    method = "item/reasoning/summaryTextDelta"
    part = "item/reasoning/summaryPartAdded"
    events = translate(
        (part, {"itemId": "i", "summaryIndex": 0}),
        (method, {"itemId": "i", "delta": "one", "summaryIndex": 0}),
        (part, {"itemId": "i", "summaryIndex": 1}),
        (method, {"itemId": "i", "delta": "two", "summaryIndex": 1}),
        completed({"type": "reasoning", "summary": ["one", "two"]}),
    )
    streamed = "".join(e.text for e in events if isinstance(e, TextDelta))
    assert events[-1] == ItemDone("i", ChunkKind.THOUGHT, streamed) == ItemDone(
        "i", ChunkKind.THOUGHT, "one\n\ntwo"
    )  # fmt: skip


def test_other_tools_are_calls_too() -> None:
    mcp = {"type": "mcpToolCall", "server": "db", "tool": "drop", "arguments": {"b": 1, "a": "ü"}}
    events = translate(
        ("item/started", {"item": {"id": "i", **mcp, "status": "inProgress"}}),
        completed({**mcp, "status": "failed", "error": {"message": "no such table"}}),
        completed({"type": "webSearch", "query": "why", "id": "w"}),
    )
    started = [e.call for e in events if isinstance(e, ToolStarted)]
    assert [call.tool for call in started] == ["mcp:db/drop", "web_search"]
    assert started[0].arguments == '{"a": "ü", "b": 1}'
    ends = [e.outcome for e in events if isinstance(e, ToolFinished)]
    assert ends == [ToolOutcome(ok=False, summary="no such table"), ToolOutcome(ok=True)]


def test_stragglers_of_the_last_turn_do_not_leak_into_the_next() -> None:
    translator = Translator("t")
    translator.begin()
    method, params = end("interrupted")
    assert translator.translate(Notification(method, {"threadId": "t", **params}))
    translator.begin()
    late: dict[str, object] = {"threadId": "t", "turnId": "u", "itemId": "i", "delta": "late"}
    assert translator.translate(Notification("item/agentMessage/delta", late)) == []


def edit(*changes: dict[str, Any]) -> ToolCall:
    item = {"id": "i", "changes": changes, "status": "inProgress"}
    return calls.edit_call(models.FileChangeItem.model_validate(item))


def test_an_edit_names_every_path_in_a_fixed_order() -> None:
    moved = {"path": "/w/b", "kind": {"type": "update", "move_path": "/w/c"}, "diff": "@@"}
    added = {"path": "/w/a", "kind": {"type": "add"}, "diff": "x\n"}
    call = edit(moved, added)
    assert call.changes == (
        FileChange(path="/w/a", change="add", diff="x\n"),
        FileChange(path="/w/b", change="update", diff="@@"),
        FileChange(path="/w/c", change="add"),
    )
    assert call.fingerprint == edit(added, moved).fingerprint
    assert call.title == "change 3 files: a, b, c"


def test_long_diffs_are_capped_but_stay_distinct() -> None:
    def of(text: str) -> ToolCall:
        return edit({"path": "/w/a", "kind": {"type": "add"}, "diff": text})

    long = "x" * (2 * DIFF_CAP)
    first, second = of(long + "1"), of(long + "2")
    assert len(first.changes[0].diff) < DIFF_CAP + 100
    assert "more characters" in first.changes[0].diff
    assert first.fingerprint != second.fingerprint


def approval(**more: object) -> ToolCall:
    params = {"threadId": "t", "turnId": "u", "itemId": "i", **more}
    return calls.command_asked(asks.CommandApproval.model_validate(params), None)


def test_network_and_terminal_questions_are_not_taken_for_commands() -> None:
    network = approval(networkApprovalContext={"host": "example.org", "protocol": "https"})
    assert (network.kind, network.title) == (ToolKind.FETCH, "https access to example.org")
    stdin = approval(kind="writeStdin", command="bash -lc 'cat'")
    assert (stdin.tool, stdin.title) == ("writeStdin", "writeStdin: cat")
    assert approval(command="bash -lc 'cat'").fingerprint != stdin.fingerprint
    assert approval().title == "a command that codex does not name"


def test_a_question_has_the_fingerprint_of_what_then_runs() -> None:
    item = models.CommandExecution.model_validate(
        {"id": "j", "command": "bash -lc 'make'", "cwd": "/w", "status": "inProgress"}
    )
    asked = approval(command="bash -lc 'make'", cwd="/w", reason="because")
    assert asked.reason == "because"
    assert asked.fingerprint == calls.command_call(item).fingerprint


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("bhapAfr"), st.sampled_from("xy")), max_size=30))
def test_calls_begin_before_they_end_and_each_once(steps: list[tuple[str, str]]) -> None:
    """Whatever order codex tells things in: b(egin), h(eld), a(sk), p(ermit), A(sk sub-call),
    f(inish), r(elease). An item's id may be used again once it has ended."""
    table = ToolTable()
    asked: dict[str, ToolCall] = {}
    begun: set[str] = set()
    for number, (step, item_id) in enumerate(steps):
        call = ToolCall(call_id=item_id, tool="shell", kind=ToolKind.SHELL, title="t")
        events: list[AgentEvent] = []
        if step in "bh":
            events = table.begin(call, hold=step == "h")
        elif step in "aA":
            known, events = table.ask(call, f"sub-{number}" if step == "A" else None)
            asked[item_id] = known
        elif step == "p" and item_id in asked:
            events = table.permit(asked.pop(item_id), item_id)
        elif step == "f":
            asked.pop(item_id, None)
            events = table.finish(item_id, ToolOutcome(ok=True))
        elif step == "r":
            events = table.release()
        started = [e.call.call_id for e in events if isinstance(e, ToolStarted)]
        ended = [e.call_id for e in events if isinstance(e, ToolFinished)]
        assert not begun & set(started)
        assert len(set(ended)) == len(ended)
        begun = (begun | set(started)) - set(ended)
