"""Handing a step's output to a gate's process: a file of its own, gone afterwards."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.domain.errors import LongwatchError
from app.domain.text import one_line
from app.engine.scratch import scratch_folder


@asynccontextmanager
async def handed_over(
    data: bytes, purpose: str, what: str = "the step's output"
) -> AsyncIterator[Path]:
    """A file with `data` that only this user can read; errors call it `what`. Raises
    LongwatchError, which says nothing about the step but that the disk is at fault."""
    folder = _folder(purpose, what)
    file = folder / "output"
    writing = asyncio.create_task(asyncio.to_thread(_hand_over, file, data, purpose, what))
    try:
        await asyncio.shield(writing)
        yield file
    finally:
        if not writing.done():  # canceled: what is written meanwhile must be removed as well
            await asyncio.wait([writing])
            writing.exception()  # nobody is left to be told
        # Two unlinks, and they must happen in a cancelled task too: not worth a thread.
        shutil.rmtree(folder, ignore_errors=True)


def _folder(purpose: str, what: str) -> Path:
    """A new folder for the output. Not in a thread: were that cancelled, who would remove it?"""
    try:
        return scratch_folder("gate")
    except OSError as error:
        raise _not_handed_over(purpose, what, error) from error


def _hand_over(file: Path, data: bytes, purpose: str, what: str) -> None:
    """The output in a file that only this user can read."""
    try:
        file.touch(mode=0o600)
        file.write_bytes(data)
    except OSError as error:
        raise _not_handed_over(purpose, what, error) from error


def _not_handed_over(purpose: str, what: str, error: OSError) -> LongwatchError:
    said = f"{purpose}: {what} cannot be written to a temporary file for it"
    why = one_line(f"{error.strerror}, {error.filename}", 300)
    return LongwatchError(f"{said} ({why}): make room or set TMPDIR, then retry the run")
