"""Writing a text in the person's own editor: awaited, so that everything else goes on."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from textual.app import App, SuspendNotSupported

from app.domain.errors import LongwatchError
from app.domain.text import printable

FALLBACK = "vi"
MOST_BYTES = 1_000_000


class EditorError(LongwatchError):
    """The editor could not be used; the text is as it was."""


def editor_command() -> list[str]:
    """`$VISUAL`, `$EDITOR` or vi, as words."""
    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR") or FALLBACK
    try:
        words = shlex.split(chosen)
    except ValueError as error:
        raise EditorError(f"$EDITOR is not a command line ({error}): {chosen}") from None
    return words or [FALLBACK]


async def edit(app: App[Any], text: str) -> str:
    """The text as the person left it in the editor. Raises EditorError.

    While the editor has the terminal nothing is drawn; the feed, timers and the engine go on.
    """
    words = editor_command()
    with tempfile.TemporaryDirectory(prefix="longwatch-") as folder:
        path = Path(folder) / "reason.md"
        path.write_text(text, encoding="utf-8")
        try:
            with app.batch_update(), app.suspend(), _interrupts_ignored():
                code = await _run([*words, str(path)])
        except SuspendNotSupported:
            raise EditorError("this terminal cannot be handed to an editor") from None
        except OSError as error:
            raise EditorError(f"cannot start {words[0]}: {error.strerror}; set $EDITOR") from None
        if code != 0:
            raise EditorError(f"{words[0]} ended with code {code}: the text is as it was")
        return _read(path)


async def _run(words: list[str]) -> int:
    # In our own process group: only the foreground group may use the terminal.
    process = await asyncio.create_subprocess_exec(*words)
    try:
        return await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise


def _read(path: Path) -> str:
    if path.stat().st_size > MOST_BYTES:
        raise EditorError(f"the text is longer than {MOST_BYTES:,} bytes")
    return printable(path.read_text(encoding="utf-8", errors="replace")).rstrip("\n")


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ctrl+C in the editor is the editor's. A handler, unlike SIG_IGN, is not inherited."""

    def nothing(number: int, frame: FrameType | None) -> None:
        """The editor hears it too, and does with it what it likes."""

    before = signal.signal(signal.SIGINT, nothing)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
