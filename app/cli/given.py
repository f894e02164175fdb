"""Text that somebody gives on the command line or on stdin: whole characters, or a usage error.

Python lets bytes that are no text through as halves of surrogate pairs, which nothing can write
down again: not the journal, not the socket.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click


class _Words(click.types.StringParamType):
    """A text that can be written as UTF-8, whatever the locale made of its bytes."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = super().convert(value, param, ctx)
        if not isinstance(text, str) or text.isascii():
            return text
        try:
            return os.fsencode(text).decode()
        except UnicodeError:
            self.fail(f"{text!a} is not UTF-8 text", param, ctx)


_WORDS = _Words()


def only_text(command: click.Command) -> None:
    """Let every text among the command's arguments and options, and those of its own commands,
    be checked."""
    for param in command.params:
        if param.type is click.STRING:
            param.type = _WORDS
    for inner in getattr(command, "commands", {}).values():
        only_text(inner)


def stdin_text() -> str:
    """All of standard input. Raises UsageError when there is none, or it is not UTF-8."""
    if sys.stdin is None:
        raise click.UsageError("there is no standard input to read from")
    return _decoded(sys.stdin.buffer.read(), "standard input")


def file_text(path: Path) -> str:
    """A file's text, or standard input's for "-". Raises UsageError."""
    if str(path) == "-":
        return stdin_text()
    try:
        return _decoded(path.read_bytes(), str(path))
    except OSError as error:
        raise click.UsageError(f"{path}: cannot be read: {error.strerror}") from None


def _decoded(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise click.UsageError(f"{what} is not UTF-8 text (line {line})") from None
