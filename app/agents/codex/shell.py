"""Taking a shell's wrapping off a command: `/bin/bash -lc 'git status'` is `git status`.

Codex joins an argv into one string by shell quoting. The policy must judge the script that
will run, so the wrapping is taken off exactly or not at all. `shlex.split` is not exact: inside
double quotes it leaves the backslash before `$` and a backquote standing.
"""

from __future__ import annotations

import re

_SHELLS = frozenset({"bash", "sh", "zsh", "dash", "ksh"})
_FLAGS = re.compile(r"-[a-z]*c")
_UNQUOTED = frozenset("|&;<>()$`*?[]{}~#!\n\t\r")  # means something to a shell, so not a plain word


def unwrap(command: str) -> str:
    """The script inside `SHELL -lc SCRIPT`, or `command` itself when it is anything else."""
    words = plain_words(command)
    if words is None or len(words) != 3:
        return command
    shell, flags, script = words
    if shell.rsplit("/", 1)[-1] in _SHELLS and _FLAGS.fullmatch(flags):
        return script
    return command


def plain_words(text: str) -> list[str] | None:
    """Split a command that only quotes, as a POSIX shell would; None if it does more than that."""
    words: list[str] = []
    word: list[str] | None = None
    at = 0
    while at < len(text):
        char = text[at]
        if char == " ":
            if word is not None:
                words.append("".join(word))
            word, at = None, at + 1
            continue
        piece = _piece(text, at)
        if piece is None:
            return None
        value, at = piece
        word = [*(word or ()), value]
    if word is not None:
        words.append("".join(word))
    return words


def _piece(text: str, at: int) -> tuple[str, int] | None:
    """The quoted or bare piece at `at` and where it ends; None when it is not plain."""
    char = text[at]
    if char == "'":
        end = text.find("'", at + 1)
        return None if end < 0 else (text[at + 1 : end], end + 1)
    if char == '"':
        return _double_quoted(text, at + 1)
    if char == "\\":
        escaped = text[at + 1 : at + 2]
        return None if escaped in ("", "\n") else (escaped, at + 2)
    if char in _UNQUOTED:
        return None
    end = at + 1
    while end < len(text) and text[end] not in " '\"\\" and text[end] not in _UNQUOTED:
        end += 1
    return text[at:end], end


def _double_quoted(text: str, at: int) -> tuple[str, int] | None:
    value: list[str] = []
    while at < len(text):
        char = text[at]
        if char == '"':
            return "".join(value), at + 1
        if char in "$`":
            return None
        if char == "\\" and text[at + 1 : at + 2] in ("$", "`", '"', "\\"):
            at += 1
            char = text[at]
        elif char == "\\" and text[at + 1 : at + 2] == "\n":
            return None
        value.append(char)
        at += 1
    return None
