"""The command line: the same commands as the screens, for scripts and pipes.

Nothing here imports a screen, an agent or a template before the command that needs it runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from app.cli.group import root

FAILED, USAGE, INTERRUPTED = 1, 2, 130


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run `longwatch`. Exits 0, 1 (one sentence on stderr), 2 (usage) or 130 (Ctrl-C)."""
    try:
        code = root.main(args, prog_name="longwatch", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as exit_:
        code = exit_.exit_code
    except click.UsageError as error:
        error.show()
        code = USAGE
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except BrokenPipeError:
        _let_go_of_stdout()
        code = FAILED
    except Exception as error:
        code = _told(error)
    sys.exit(code if isinstance(code, int) else 0)


def _told(error: Exception) -> int:
    """Say what went wrong in one sentence; LONGWATCH_DEBUG=1 shows where."""
    from app.cli.output import complain
    from app.domain.errors import LongwatchError

    if os.environ.get("LONGWATCH_DEBUG"):
        raise error
    if isinstance(error, LongwatchError):
        complain(str(error))
    else:
        complain(
            f"unexpected {type(error).__name__}: {error} (a defect of Longwatch; "
            "LONGWATCH_DEBUG=1 shows where)"
        )
    return FAILED


def _let_go_of_stdout() -> None:
    """The reader of our pipe is gone: keep Python from complaining when it flushes at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
