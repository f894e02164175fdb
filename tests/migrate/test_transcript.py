"""Sessions of OpenClaw: every kind of line, bad ones, long ones, branches; no line is fatal."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.past import PastEntry, PastKind
from app.domain.text import printable
from app.migrate.openclaw import transcript
from app.migrate.openclaw.branch import Branch, current_branch
from app.migrate.openclaw.transcript import Faults, entries, lines
from tests.support.past import CHAT, as_lines, call, header, result, said, text


def read(data: bytes) -> tuple[list[PastEntry], Faults]:
    faults = Faults("s.jsonl")
    return list(entries(lines(io.BytesIO(data)), faults)), faults


def shown(*found: dict[str, Any] | str) -> list[tuple[str, str, str]]:
    return [(e.kind, e.tool, e.text) for e in read(as_lines(*found))[0]]


def test_a_conversation_is_read_in_order() -> None:
    found, faults = read(as_lines(header(), *CHAT))
    assert [(e.line, e.kind, e.tool, e.text) for e in found] == [
        (2, "user", "", "How do I retry the uploader?"),
        (3, "assistant", "", "Let me look."),
        (3, "tool_call", "exec", "cat uploader.py"),
        (4, "tool_result", "exec", "def upload(): ..."),
        (5, "assistant", "", "Wrap it in a loop."),
    ]
    assert [e.at.second for e in found if e.at] == [1, 2, 2, 3, 4]
    assert not faults.count


def test_every_kind_of_entry_has_words() -> None:
    image = {"type": "image", "data": "AAAA", "mimeType": "image/png"}
    (pictured,), _ = read(as_lines(said("user", [text("see"), image, image])))
    assert (pictured.text, pictured.images) == ("see", 2)
    (failed,), _ = read(as_lines(result("exec", "boom", isError=True)))
    assert failed.failed
    assert shown(
        said("assistant", [{"type": "thinking", "thinking": "hm"}, call("read", path="a", line=3)]),
        {"type": "compaction", "summary": "so far"},
        {"type": "branch_summary", "summary": "elsewhere"},
        {"type": "custom_message", "content": "injected"},
        {"type": "model_change", "provider": "openai", "modelId": "gpt"},
        {"type": "session_info", "name": "Retry"},
        {"type": "reset"},
        {"type": "thinking_level_change", "thinkingLevel": "high"},
        {"type": "custom", "data": {"a": 1}},
        {"type": "hologram"},
        {"role": "user", "content": "an older file"},
        said("bashExecution", None) | {"message": {"role": "bashExecution", "command": "ls"}},
        said("assistant", []) | {"message": {"role": "assistant", "errorMessage": "no key"}},
    ) == [
        ("thought", "", "hm"),
        ("tool_call", "read", '{"path": "a", "line": 3}'),
        ("summary", "", "so far"),
        ("summary", "", "elsewhere"),
        ("user", "", "injected"),
        ("note", "", "model: openai/gpt"),
        ("note", "", "named: Retry"),
        ("note", "", "the conversation was begun anew here"),
        ("note", "", "an entry of another kind: hologram"),
        ("user", "", "an older file"),
        ("tool_call", "bash", "ls"),
        ("tool_result", "bash", ""),
        ("note", "", "it failed: no key"),
    ]


def test_bad_lines_are_counted_and_named() -> None:
    data = as_lines(header(), "{torn", "[1]", "", "7", said("user", "still here")) + b'{"type":"mes'
    found, faults = read(data)
    assert [e.text for e in found if e.kind is PastKind.USER] == ["still here"]
    assert faults.count == 4
    assert faults.told[0].startswith("s.jsonl:2: no JSON: ")
    assert faults.told[1] == "s.jsonl:3: JSON, but not an object"
    assert faults.told[3].startswith("s.jsonl:7: no JSON: ")
    deep = '{"type":"message","message":{"role":"user","content":' + "[" * 100_000
    assert read(as_lines(deep))[1].count == 1


def test_a_line_that_is_too_long_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript, "LINE_LIMIT", 300)
    long = said("user", "x" * 5_000)
    found, faults = read(as_lines(header(), long, said("user", "after")))
    assert faults.told == [
        f"s.jsonl:2: a line of {len(as_lines(long)):,} bytes, more than the 300 that are read"
    ]
    assert (found[-1].line, found[-1].text) == (3, "after")
    whole = list(lines(io.BytesIO(as_lines(header(), long))))
    assert sum(line.size for line in whole) == len(as_lines(header(), long))


def test_a_long_text_keeps_head_and_tail_and_no_escape_gets_through() -> None:
    (one,), _ = read(as_lines(said("user", "a" * 900_000 + "\x1b]52;c;evil\x07\u202e end")))
    assert len(one.text) < 70_000
    assert one.text.endswith(" end")
    assert "left out" in one.text
    assert printable(one.text) == one.text


KEYS = ["type", "role", "content", "message", "text", "name", "arguments", "timestamp", "id"]
KINDS = ["message", "user", "assistant", "toolResult", "toolCall", "image"]
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS), inner | st.sampled_from(KINDS), max_size=5)
    ),
    max_leaves=12,
)


@given(found=st.lists(ANY, max_size=5))
@example(found=[{"type": "message", "timestamp": 1e300, "message": {"role": [], "content": {}}}])
@example(found=[{"type": "message", "message": {"role": "user", "content": "\ud800"}}])
def test_any_json_gives_printable_entries_and_no_error(found: list[Any]) -> None:
    data = as_lines(*(json.dumps(one) for one in found))
    for entry in read(data)[0]:
        assert printable(entry.text) == entry.text
        assert 1 <= entry.line <= len(found)
    branch = current_branch(lines(io.BytesIO(data)))
    assert branch.lines <= set(range(1, len(found) + 1))


@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_to_their_end(data: bytes) -> None:
    assert sum(line.size for line in lines(io.BytesIO(data))) == len(data)
    read(data)


def branch_of(*found: dict[str, Any]) -> Branch:
    return current_branch(lines(io.BytesIO(as_lines(*found))))


def one(name: str, parent: str | None) -> dict[str, Any]:
    return said("user", name, id=name, parentId=parent)


def test_the_current_branch_is_the_path_to_the_last_entry() -> None:
    tree = (header(), one("a", None), one("b", "a"), one("c", "b"), one("d", "a"), one("e", "d"))
    assert branch_of(*tree) == Branch(None, frozenset({2, 5, 6}))
    back = {"type": "leaf", "id": "l", "parentId": "e", "targetId": "c"}
    assert branch_of(*tree, back) == Branch(None, frozenset({2, 3, 4}))
    side = one("f", "a") | {"appendMode": "side"}
    assert branch_of(*tree, side) == Branch(None, frozenset({2, 5, 6}))


def test_entries_without_ids_are_one_line() -> None:
    assert branch_of(header(), *CHAT) == Branch(None, frozenset({2, 3, 4, 5}))


def test_a_summary_stands_for_what_is_before_the_first_entry_that_it_keeps() -> None:
    told = {"type": "compaction", "id": "k", "parentId": "c", "summary": "s"}
    tree = (header(), one("a", None), one("b", "a"), one("c", "b"))
    kept = told | {"firstKeptEntryId": "c"}
    assert branch_of(*tree, kept, one("d", "k")) == Branch(5, frozenset({4, 6}))
    assert branch_of(*tree, told, one("d", "k")) == Branch(5, frozenset({6}))
    reset = {"type": "reset", "id": "k", "parentId": "c"}
    assert branch_of(*tree, reset, one("d", "k")) == Branch(None, frozenset({6}))
