"""How far something is, in one line on stderr that is written over; nothing where nobody looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from threading import Lock

from app.domain.moving import Progress
from app.domain.text import one_line

_EVERY = 0.1  # seconds
_UNITS = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"))


class ProgressLine:
    """Call it with each `Progress`, from any thread; `end` leaves a clean line. `size` says how
    much something is: bytes, if nothing else is counted."""

    def __init__(self, size: Callable[[int], str] | None = None) -> None:
        self._size = size or size_text
        self._shows = sys.stderr.isatty()
        self._lock, self._last, self._phase = Lock(), 0.0, ""
        self._drawn = False

    def __call__(self, progress: Progress) -> None:
        if not self._shows:
            return
        with self._lock:
            now = time.monotonic()
            if progress.phase == self._phase and now - self._last < _EVERY:
                return
            self._phase, self._last = progress.phase, now
            self._drawn = True
            sys.stderr.write(f"\r\x1b[K{progress_text(progress, self._size)}")
            sys.stderr.flush()

    def end(self) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def progress_text(progress: Progress, size: Callable[[int], str]) -> str:
    """Such as `copying 34 % (1.2 GB of 3.4 GB)`."""
    if not progress.total:
        return f"{one_line(progress.phase, 40)}…"
    percent = progress.done * 100 // progress.total
    done, total = size(progress.done), size(progress.total)
    return f"{one_line(progress.phase, 40)} {percent} % ({done} of {total})"


def size_text(size: int) -> str:
    """In the largest unit that fits."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"
