"""Hiding a command behind others never lowers its risk."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.request import Risk
from app.domain.risk import assess
from app.domain.shell import parse
from tests.support.calls import WORKSPACE, risk_table, shell

# Here-documents and comments end at a line's end, and an open quote swallows what follows.
COMMANDS = [
    command
    for command, _ in risk_table()
    if "<<" not in command and "#" not in command and not parse(command).unparsable
]
WRAPPERS: dict[str, Callable[[str], str]] = {
    "bash -c": lambda c: f"bash -c {shlex.quote(c)}",
    "bash -lc": lambda c: f"/bin/bash -lc {shlex.quote(c)}",
    "sh -c, twice": lambda c: f"sh -c {shlex.quote(f'sh -c {shlex.quote(c)}')}",
    "sudo": lambda c: f"sudo -u nobody bash -c {shlex.quote(c)}",
    "env": lambda c: f"env -i A=1 bash -c {shlex.quote(c)}",
    "nohup": lambda c: f"nohup sh -c {shlex.quote(c)} &",
    "timeout": lambda c: f"timeout -k 1 5 sh -c {shlex.quote(c)}",
    "eval": lambda c: f"eval {shlex.quote(c)}",
    "ssh": lambda c: f"ssh -p 22 host {shlex.quote(c)}",
    "subshell": lambda c: f"( {c} )",
    "substitution": lambda c: f"echo $({c} )",
    "backticks": lambda c: f"echo `{c}`" if "`" not in c and "\\" not in c else c,
    "process substitution": lambda c: f"cat <({c} )",
    "piped away": lambda c: f"( {c} ) | cat",
    "piped into": lambda c: f"true | ( {c} )",
    "after a success": lambda c: f"true && ( {c} )",
    "after a failure": lambda c: f"false || ( {c} )",
    "before another": lambda c: f"( {c} ); ls",
    "after another": lambda c: f"ls; {c}",
    "in a condition": lambda c: f"if ( {c} ); then ls; fi",
    "in a loop": lambda c: f"for x in 1; do ( {c} ); done",
    "in a function": lambda c: f"f() {{ ( {c} ); }}; f",
    "in a trap": lambda c: f"trap {shlex.quote(c)} EXIT",
    "in a here-document": lambda c: f"cat <<EOF\n$({c} )\nEOF",
    "fed by echo": lambda c: f"echo {shlex.quote(c)} | sh",
    "find": lambda c: f"find . -exec sh -c {shlex.quote(c)} \\;",
    "xargs": lambda c: f"xargs -n1 sh -c {shlex.quote(c)}",
    "time": lambda c: f"time bash -c {shlex.quote(c)}",
    "script": lambda c: f"script -qc {shlex.quote(c)} /dev/null",
    "nice": lambda c: f"ionice -c3 nice -n 19 setsid sh -c {shlex.quote(c)}",
    "xargs for each": lambda c: f"ls | xargs -I@ sh -c {shlex.quote(c)}",
    "a here-string": lambda c: f"bash <<< {shlex.quote(c)}",
    "what echo says": lambda c: f'bash -c "$(echo {shlex.quote(c)})"',
    "a variable": lambda c: f'x={shlex.quote(c)}; bash -c "$x"',
    "another variable": lambda c: f'y={shlex.quote(c)}; bash -c "$y"',
    "a variable that is evaluated": lambda c: f'x={shlex.quote(c)}; eval "$x"',
    "a variable given before": lambda c: f'x=a; x=b; x=c; x=d; x={shlex.quote(c)}; sh -c "$x"',
    "a function's argument": lambda c: f'f() {{ eval "$1"; }}; f {shlex.quote(c)}',
    "in an assignment": lambda c: f"x=$({c} )",
}


def risk(command: str) -> Risk:
    return assess(shell(command), WORKSPACE).risk


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(COMMANDS), st.lists(st.sampled_from(sorted(WRAPPERS)), max_size=3))
@example("'rm' -rf /", ["sh -c, twice"] * 3)  # more signs than are read
@example("rm -rf ~/", ["a variable", "a variable", "nice"])  # too deep, and in doubt before that
@example("rm -rf ~/", ["sh -c, twice"] * 5)  # longer than what is read
@example("rm -rf ~/", ["a variable"] * 3)
@example("rm -rf ~/", ["another variable", "a variable", "another variable"])
@example("rm -rf ~/", ["a variable"] * 5)
@example("rm -rf ~/", ["a variable that is evaluated"] * 2)
@example("rm -rf ~/", ["a variable that is evaluated"] * 3)
@example("rm -rf ~/", ["a variable that is evaluated"] * 5)
@example("rm -rf ~/", ["a variable that is evaluated", "a variable", "another variable"])
@example("rm -rf ~/", ["a function's argument"] * 4)
@example("rm -rf ~/", ["a variable given before", "a variable given before"])
def test_wrapping_never_lowers_the_risk(command: str, names: list[str]) -> None:
    wrapped = command
    for name in names:
        wrapped = WRAPPERS[name](wrapped)
    assert risk(wrapped).rank >= risk(command).rank, wrapped


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(COMMANDS), min_size=2, max_size=4))
def test_the_worst_command_counts(commands: list[str]) -> None:
    joined = " ; ".join(f"( {command} )" for command in commands)
    assert risk(joined).rank >= max(risk(command).rank for command in commands)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_judged(text: str) -> None:
    found = assess(shell(text), WORKSPACE)
    assert found.reasons
