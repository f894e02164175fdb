"""A program in a pseudo-terminal, timed from outside as a person would see it."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

TERMINAL = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}


class PtyApp:
    """Starts `argv` on a pseudo-terminal of `size` (columns, rows); ends its group on exit."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        size: tuple[int, int] = (160, 50),
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> None:
        self.output = b""
        self._mark = 0
        self._master, slave = os.openpty()
        columns, rows = size
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, **TERMINAL, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> PtyApp:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.close_terminal()

    def close_terminal(self) -> None:
        """The window is closed, or the connection is gone: every read and write fails."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def mark(self) -> None:
        """Look from here on for what `wait_for` waits for."""
        self._mark = len(self.output)

    def write(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def wait_for(self, text: bytes, timeout: float = 120.0) -> float:
        """Read until `text` has appeared after the mark; the time at which it had.

        Raises TimeoutError with the end of the output, also when the program has ended.
        """
        deadline = time.perf_counter() + timeout
        while self.output.find(text, self._mark) < 0:
            left = deadline - time.perf_counter()
            if left <= 0 or not self._read(left):
                tail = self.output[-800:]
                raise TimeoutError(f"{text!r} did not appear; the output ends in {tail!r}")
        return time.perf_counter()

    def drain(self, seconds: float) -> None:
        """Read what comes in this time."""
        deadline = time.perf_counter() + seconds
        while (left := deadline - time.perf_counter()) > 0:
            if not self._read(left):
                return

    def _read(self, timeout: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], timeout)
        if not ready:
            return True
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:  # the program has closed its end
            return False
        self.output += data
        return bool(data)
