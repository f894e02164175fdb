"""Ctrl-C while code is loaded."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.cli import INTERRUPTED


@contextmanager
def loading() -> Iterator[None]:
    """For imports: Ctrl-C ends the process at once, and nothing has begun yet.

    A KeyboardInterrupt would be lost if it came in one of the callbacks that Python itself makes
    while it imports, and the command would go on as if nobody had pressed anything.
    """
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: object) -> None:
    os._exit(INTERRUPTED)
