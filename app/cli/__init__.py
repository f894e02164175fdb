"""The command line: the same commands as the screens, for scripts and pipes.

Nothing here imports a screen, an agent or a template before the command that needs it runs, and
this module nothing at all: Ctrl-C is answered in order from the first instant.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

INTERRUPTED = 130  # 128 + the signal's number, as shells have it


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run `longwatch`. Exits 0, 1 (one sentence on stderr), 2 (usage) or 130 (Ctrl-C)."""
    try:
        from app.cli.loading import loading

        with loading():
            from app.cli.entry import run

        code = run(args)
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)
