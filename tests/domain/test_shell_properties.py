"""Whatever the text, it is parsed within bounds and without an error."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.shell import parse
from tests.support.calls import risk_table

PIECES = st.sampled_from(
    [
        *(
            "ls",
            "rm -rf /",
            "git status",
            "$X",
            '"$X"',
            "'a b'",
            "~",
            "$(",
            ")",
            "`",
            "{a,b}",
            "[[",
        ),
        *(
            "]]",
            "|",
            "||",
            "&&",
            ";",
            "&",
            "\n",
            "(",
            "{",
            "}",
            ">",
            "<<EOF\n",
            "EOF\n",
            "<(",
            "$((",
        ),
        *(
            "))",
            "if",
            "then",
            "fi",
            "do",
            "done",
            "for x in",
            "case x in",
            "esac",
            "x()",
            "bash -c",
        ),
        *(
            "sudo",
            "env A=1",
            "eval",
            "xargs",
            "find . -exec",
            "\\;",
            "cd ..",
            "#",
            "\\\n",
            "\\",
            "'",
        ),
        *('"', "$'\\x41'", "${x:-", "=", "2>&1", "echo", "trap", "ssh h", "timeout 5", "\x1b", "é"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=25).map(" ".join)))
def test_parse_never_raises(text: str) -> None:
    parsed = parse(text)
    assert parsed.unparsable == bool(parsed.why)
    for index, command in enumerate(parsed.commands):
        assert all(0 <= other < len(parsed.commands) for other in command.stdin_from)
        assert command.inside is None or command.inside < index
        assert command.cwds


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([command for command, _ in risk_table()]), st.data())
def test_a_cut_command_is_parsed_too(command: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(command)))
    assert parse(command[:cut]) == parse(command[:cut])


def test_nesting_cannot_take_long() -> None:
    for text in (
        "(" * 60_000,
        "$(" * 30_000,
        "a=" * 30_000,
        "{" * 60_000,
        "`" * 60_000,
        "'" * 60_001,
    ):
        start = time.thread_time()
        parse(text)
        assert time.thread_time() - start < 3, text[:10]
