"""How every command starts and ends: streams that can be written, one sentence, an exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

import click

from app.cli import INTERRUPTED
from app.cli.group import root
from app.cli.output import OutputError, complain, flush
from app.garbage import collect_seldom
from app.plugins import no_plugins

FAILED, USAGE = 1, 2


def run(args: Sequence[str] | None) -> int:
    """Carry a command line out; the exit code."""
    collect_seldom()
    no_plugins()
    _open_streams()
    try:
        code = root.main(args, prog_name="longwatch", standalone_mode=False)
        flush()
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.UsageError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        _let_go_of_stdout()
        return FAILED
    except Exception as error:
        return _told(error)
    return code if isinstance(code, int) else 0


def _open_streams() -> None:
    """Make both outputs usable: one that was closed is thrown away, and a character that the
    locale's encoding does not have becomes `?`."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def _told(error: Exception) -> int:
    """Say what went wrong in one sentence; LONGWATCH_DEBUG=1 shows where."""
    from app.domain.errors import LongwatchError

    if os.environ.get("LONGWATCH_DEBUG"):
        raise error
    if isinstance(error, OutputError):
        _let_go_of_stdout()  # what could not be written must not be tried again at exit
    if isinstance(error, LongwatchError):
        complain(str(error))
    else:
        complain(
            f"unexpected {type(error).__name__}: {error} (a defect of Longwatch; "
            "LONGWATCH_DEBUG=1 shows where)"
        )
    return FAILED


def _let_go_of_stdout() -> None:
    """Nobody takes what we print: keep Python from complaining when it flushes at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
