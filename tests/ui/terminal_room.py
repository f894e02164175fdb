"""The control room on the terminal it is started in: `python -m tests.ui.terminal_room CASE`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from msgspec.structs import replace
from pydantic import TypeAdapter

from app.domain.errors import StoreError
from app.domain.feed import Streamed
from app.domain.run import RunState
from app.domain.session import Chunk, ChunkKind
from app.link.client import Client
from app.ui.launch import open_screen
from tests.ui import canned
from tests.ui.fakes import FakeClient
from tests.ui.parts import NOW

# Clipboard write, title, screen wipe, bell, C1 control sequence, bidi override, markup.
STATE = TypeAdapter(RunState)
EVIL = "\x1b]52;c;ZXZpbA==\x07\x1b]0;evil\x07\x1b[2J\x1bc\x9b31m\u202eevil[/foo][bold]EVIL"


def hostile() -> FakeClient:
    """Every text that an agent or a file can bring into the room, as bad as can be."""
    states = [_evil(state) for state in (canned.waiting_edit_run(), canned.review_run())]
    chunks = [replace(chunk, text=EVIL) for state in states for chunk in canned.story(state)]
    client = FakeClient(*states, tails=chunks, problem=EVIL)
    client.refuse = StoreError(EVIL)
    client.diffs[("", 0)] = EVIL
    return client


def _evil(state: RunState) -> RunState:
    """The same state with every free text replaced."""
    text = STATE.dump_json(state).decode()
    for words in ("retry uploads", "add retry to the uploader", "change uploader.py", "No test"):
        text = text.replace(words, _json(EVIL))
    for words in ("changes 1 file in the workspace", "import time", "Backs off", "# Plan"):
        text = text.replace(words, _json(EVIL))
    return STATE.validate_json(text)


def _json(text: str) -> str:
    import json

    return json.dumps(text)[1:-1]


async def flood(client: FakeClient, lines: int) -> None:
    """Output of an agent, without a pause for anybody who cannot keep up."""
    [session] = canned.running_run().sessions
    for number in range(1, lines + 1):
        text = f"line {number} of {lines}\n" + "x" * 300 + "\n"
        chunk = Chunk(
            session_id=session,
            ordinal=1000 + number,
            kind=ChunkKind.OUTPUT,
            text=text,
            at=NOW,
        )
        client.push(Streamed(chunks=(chunk,)))
        await asyncio.sleep(0.01)


def main(case: str, report: str) -> int:
    flooding: asyncio.Task[None] | None = None
    client = hostile() if case == "hostile" else FakeClient(canned.running_run())
    client.hosts = case == "host"

    async def connect() -> Client:
        if case == "broken":
            raise StoreError("/s/journal.db: the store is from a newer version; update Longwatch")
        if case == "slow":
            await asyncio.sleep(60)
        if case == "flood":
            nonlocal flooding
            flooding = asyncio.create_task(flood(client, 600))
            flooding.add_done_callback(lambda _: Path(report).write_text("all said"))
        return client

    try:
        code = open_screen(connect)
    finally:
        Path(report).write_text(f"closed={client.closed}")
    Path(report).write_text(f"closed={client.closed} code={code}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
