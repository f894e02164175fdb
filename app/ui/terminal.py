"""The terminal, written to without ever waiting for it.

The supervisor may live in the window's process. A terminal that is not read from any more (a
connection that hangs, a paused multiplexer) blocks whoever writes to it, and Textual's queue of
frames is short: without this the window would stop, and the runs with it. One that is gone would
leave a window that nobody sees and that still holds the store.
"""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections.abc import Callable
from typing import Any, cast

from textual.drivers.linux_driver import LinuxDriver

_LIMIT = 256 * 1024  # characters that wait for the terminal: some frames of a large one
_LAST_SECONDS = 1.0  # how long an end waits for the terminal to be given back


class Outlet:
    """What is written waits in memory, and a thread of its own waits for the terminal.

    When more has gathered than anybody wants to see go by, it is left out; `caught_up` is called
    in that thread once the terminal takes something again, and whoever draws then draws all of it.
    `gone` is called there, once, when the terminal cannot be written to any more.
    """

    def __init__(self, fd: int, *, caught_up: Callable[[], None], gone: Callable[[], None]) -> None:
        self._fd = fd
        self._caught_up = caught_up
        self._tell_gone = gone
        self._changed = threading.Condition()
        self._waiting: list[str] = []
        self._size = 0  # characters of what waits
        self._behind = False  # something was left out
        self._ending = False  # what comes now gives the terminal back: all of it is kept
        self._closed = False
        self._gone = False
        self._thread = threading.Thread(target=self._run, name="terminal-outlet", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        with self._changed:
            if self._gone or (self._behind and not self._ending):
                return len(text)
            if self._waiting and self._size + len(text) > _LIMIT and not self._ending:
                self._waiting.clear()
                self._size, self._behind = 0, True
                return len(text)
            self._waiting.append(text)
            self._size += len(text)
            self._changed.notify_all()
        return len(text)

    def flush(self) -> None:
        """Nothing to do: what is written goes out as soon as the terminal takes it."""

    def fileno(self) -> int:
        return self._fd

    def ending(self) -> None:
        """From now on nothing is left out: it is what gives the terminal back."""
        with self._changed:
            self._ending = True

    def close(self) -> None:
        """Wait a moment for what was written; a terminal that does not take it is left alone."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(_LAST_SECONDS)

    def _run(self) -> None:
        while (text := self._next()) is not None:
            try:
                self._put(text.encode(errors="replace"))
            except OSError:
                with self._changed:
                    self._gone = True
                    self._waiting.clear()
                self._tell_gone()
                return
            with self._changed:
                behind, self._behind = self._behind, False
            if behind:
                self._caught_up()

    def _next(self) -> str | None:
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            text = "".join(self._waiting)
            self._waiting.clear()
            self._size = 0
            return text

    def _put(self, data: bytes) -> None:
        # Not through a file object: one that is blocked would hold its lock at the process's end.
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:  # another program has made the terminal so
                select.select([], [self._fd], [])


class SteadyDriver(LinuxDriver):
    """Textual's driver, on an `Outlet`."""

    _outlet: Outlet | None = None

    def start_application_mode(self) -> None:
        loop = asyncio.get_running_loop()

        def on_loop(callback: Callable[[], Any]) -> Callable[[], None]:
            def call() -> None:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(callback)

            return call

        app = self._app
        assert self._file is not None, "the room is opened on a terminal"
        self._outlet = Outlet(
            self._file.fileno(),
            caught_up=on_loop(lambda: app.refresh(layout=True)),
            gone=on_loop(app.exit),
        )
        self._file = cast(Any, self._outlet)
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def stop_application_mode(self) -> None:
        if self._outlet is not None:
            self._outlet.ending()
        super().stop_application_mode()

    def close(self) -> None:
        super().close()
        if self._outlet is not None:
            self._outlet.close()
