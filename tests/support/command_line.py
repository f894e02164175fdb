"""Running the command line in this process, and a supervisor for it in another thread."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.link.connect import connect
from app.store.paths import StorePaths
from tests.support.supervisor import FakeSupervisor
from tests.support.waiting import PATIENCE


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


class CommandLine:
    """`longwatch` as a function."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str | Path) -> Ran:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        said = self._capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Ran(code, said.out, said.err)


class HostThread:
    """A fake supervisor that hosts a store, on an event loop in a thread of its own."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.supervisor: FakeSupervisor | None = None
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, name="fake host")

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        async def opener(store: Path, *, run: bool = True) -> FakeSupervisor:
            self.supervisor = await FakeSupervisor.open(store, run=run)
            return self.supervisor

        client = await connect(self.store, host=True, opener=opener)
        StorePaths(self.store).database.touch()
        self._ready.set()
        await client.wait_stopped()  # type: ignore[union-attr]
        await client.close()

    def start(self) -> FakeSupervisor:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        assert self.supervisor is not None
        return self.supervisor

    def stop(self) -> None:
        if self.supervisor is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.supervisor.stopped.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@contextmanager
def hosting(store: Path) -> Iterator[FakeSupervisor]:
    """A supervisor on `store` for the length of a test."""
    host = HostThread(store)
    supervisor = host.start()
    try:
        yield supervisor
    finally:
        host.stop()
