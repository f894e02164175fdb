"""Real `longwatch` processes for tests: started, waited for, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import PATIENCE

LONGWATCH = (sys.executable, "-P", "-m", "app")


def environment(store: Path, **more: str) -> dict[str, str]:
    """The test's environment with its own store."""
    return {**os.environ, "LONGWATCH_STORE": str(store), **more}


def run(
    store: Path, *arguments: str | Path, timeout: float = PATIENCE
) -> subprocess.CompletedProcess[str]:
    """A command to its end."""
    return subprocess.run(
        [*LONGWATCH, *arguments],
        env=environment(store),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


@contextmanager
def started(store: Path, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on; killed with all that it started if the test leaves it running."""
    process = subprocess.Popen(
        [*LONGWATCH, *arguments],
        env=environment(store),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
