"""Framing, and taking a shell's wrapping off."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.agents.codex.shell import plain_words, unwrap
from app.agents.codex.wire import Garbage, Notification, Reply, ServerRequest, frame, parse

PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(deadline=None, max_examples=60)
@given(st.binary())
def test_no_line_breaks_the_reader(line: bytes) -> None:
    assert isinstance(parse(line), Garbage | Notification | Reply | ServerRequest)


@settings(deadline=None, max_examples=60)
@given(
    st.fixed_dictionaries(
        {}, optional={"id": JSON, "method": JSON, "params": JSON, "result": JSON, "error": JSON}
    )
)
def test_no_object_breaks_the_reader(message: dict[str, object]) -> None:
    line = json.dumps(message).encode()
    assert isinstance(parse(line), Garbage | Notification | Reply | ServerRequest)


@settings(deadline=None, max_examples=60)
@given(st.text(), st.dictionaries(st.text(), JSON.filter(lambda v: v == v)))
def test_a_frame_is_one_line_that_says_the_same(method: str, params: dict[str, object]) -> None:
    line = frame({"method": method, "params": params})
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    message = parse(line)
    assert isinstance(message, Notification) and message.method == method
    assert json.dumps(message.params) == json.dumps(params)


def test_replies_carry_result_or_error() -> None:
    good, bad = parse(b'{"id":1,"result":null}'), parse(b'{"id":1,"error":{"message":"no"}}')
    assert isinstance(good, Reply) and good.error is None
    assert isinstance(bad, Reply) and str(bad.error) == "no"


@settings(deadline=None, max_examples=60)
@given(PLAIN)
def test_the_script_comes_out_as_it_went_in(script: str) -> None:
    assert unwrap(shlex.join(["/bin/bash", "-lc", script])) == script
    assert unwrap(f"/bin/zsh -c {double_quoted(script)}") == script


def double_quoted(word: str) -> str:
    """The other way in which codex quotes: double quotes, with four characters escaped."""
    for char in '\\"$`':
        word = word.replace(char, "\\" + char)
    return f'"{word}"'


@pytest.mark.parametrize(
    "command",
    [
        "/bin/bash -lc 'touch a && ls'",
        '/bin/bash -lc "echo \\"\\$HOME\\" \\`id\\` \'x\' \\\\ !"',
        "bash -lc ls",
        "bash -c 'it'\"'\"'s'\\''one'",
        "sh -c 'two\nlines'",
        "bash -c ''",
        'bash -c "a \\x b"',
    ],
)
def test_words_are_those_of_a_real_shell(command: str) -> None:
    printed = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True, text=True
    ).stdout
    words = printed.removesuffix("\0").split("\0")
    assert plain_words(command) == words
    assert unwrap(command) == words[2]


@pytest.mark.parametrize(
    "command",
    [
        "ls -la",
        "bash -lc 'a' 'b'",
        "python -c 'print(1)'",
        "bash -lc $SCRIPT",
        'bash -lc "echo $HOME"',
        "bash -lc 'a'; rm -rf x",
        "bash -lc 'unclosed",
        "bash --norc 'x'",
        "FOO=1 bash -lc 'x'",
        "",
    ],
)
def test_anything_else_stays_as_it_is(command: str) -> None:
    assert unwrap(command) == command
