"""What becomes of a command while the store cannot be written."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from app.domain.errors import Refused
from app.store.journal import Journal

if TYPE_CHECKING:
    from app.domain.commands import Done

PATIENCE = 3.0  # seconds for a disk to be well again, before who waits is told
_LATER = "this is not recorded yet: it will be once it can be written, if process {} is still there"
_NOT = "this is not recorded: say it again once the store can be written"


async def recorded(journal: Journal, work: Coroutine[Any, Any, Done], *, hosts: bool) -> Done:
    """What a command has done, once that is on disk. Who hosts stays, so the command waits there
    for the disk to be well; a script that works on the store itself ends.

    Raises StoreError when the store could not be written for some seconds.
    """
    task = asyncio.ensure_future(work)
    try:
        return await journal.written(task, _LATER.format(os.getpid()) if hosts else _NOT, PATIENCE)
    except asyncio.CancelledError:
        task.cancel()
        raise
    except Refused as refused:
        if journal.problem and journal.committed_seq < journal.seq:
            # Something that was said before may be why, and a crash would take that back.
            told = f"{refused}; but {journal.problem}, so that is not on the disk yet"
            raise type(refused)(told) from refused
        raise
