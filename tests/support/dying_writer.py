"""Plays a story into a journal and kills itself at the N-th write: run as a program by tests.

    python -m tests.support.dying_writer STORE BOUNDARY before|after

Prints `ack SEQ` once event SEQ is acknowledged, and `boundaries N` if it lives to the end.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.domain.base import RunId
from app.store import head, schema
from app.store import journal as journal_module
from app.store.journal import Draft, Journal
from app.store.paths import StorePaths
from tests.support.story import FixedClock, two_runs


class Fate:
    """Counts the writes and ends the process at the chosen one."""

    def __init__(self, boundary: int, when: str) -> None:
        self.boundary = boundary
        self.when = when
        self.count = 0

    def pass_by(self, write: Callable[[], Any]) -> Any:
        self.count += 1
        here = self.count == self.boundary
        if here and self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = write()
        if here:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


def arm(fate: Fate) -> None:
    """From here on every statement of the writing connection and every head passes by."""

    class Dying(sqlite3.Connection):
        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            found: sqlite3.Cursor = fate.pass_by(
                lambda: sqlite3.Connection.execute(self, *arguments)
            )
            return found

        def executemany(self, *arguments: Any) -> sqlite3.Cursor:
            found: sqlite3.Cursor = fate.pass_by(
                lambda: sqlite3.Connection.executemany(self, *arguments)
            )
            return found

        def executescript(self, *arguments: Any) -> sqlite3.Cursor:
            found: sqlite3.Cursor = fate.pass_by(
                lambda: sqlite3.Connection.executescript(self, *arguments)
            )
            return found

    connect = sqlite3.connect

    def dying_connect(path: Path, **options: Any) -> sqlite3.Connection:
        return connect(path, factory=Dying, **options)

    class DyingHeadFile(head.HeadFile):
        def write(self, newest: head.Head) -> None:
            fate.pass_by(lambda: head.HeadFile.write(self, newest))

    # The reader's own connection must not pass by: only the schema module's is replaced.
    library = {**vars(sqlite3), "connect": staticmethod(dying_connect)}
    vars(schema)["sqlite3"] = type("sqlite3", (), library)
    vars(journal_module)["HeadFile"] = DyingHeadFile


async def play(store: Path, fate: Fate) -> None:
    journal = await Journal.open(StorePaths(store), FixedClock())
    for run, payload in two_runs():
        await journal.append([Draft(payload, run_id=RunId(run) if run else None)])
        print(f"ack {journal.committed_seq}", flush=True)
    await journal.close()
    print(f"boundaries {fate.count}", flush=True)


def main() -> None:
    store, boundary, when = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    fate = Fate(boundary, when)
    arm(fate)
    asyncio.run(play(store, fate))


if __name__ == "__main__":
    main()
