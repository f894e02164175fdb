"""Starting a child in a session of its own, and saying in one sentence why it did not start."""

from __future__ import annotations

import asyncio
import errno
import os
from asyncio.subprocess import DEVNULL, PIPE, SubprocessStreamProtocol
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, ClassVar

from app.domain.base import Discreet, RunId, SessionId
from app.domain.errors import DriverError, MissingProgram
from app.domain.text import one_line

LINE_LIMIT = 16 * 1024 * 1024


class Launch(Discreet, frozen=True):
    """What to start. `env` is the whole environment, without the registry's marks."""

    unshown: ClassVar = ("env",)
    argv: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    purpose: str
    run_id: RunId | None = None
    piped: bool = True  # stdin is a pipe; else `stdin`, or nothing
    stdin: Path | None = None
    limit: int = LINE_LIMIT  # bytes that a reader takes ahead
    recorded: bool = True  # in the journal; not for git, which is called all the time
    session_id: SessionId | None = None  # whose child it is


class ExitProtocol(SubprocessStreamProtocol):
    """Tells the exit itself.

    `asyncio.subprocess.Process.wait` of some Python versions also waits until every pipe is
    closed, which a grandchild can delay for ever.
    """

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=limit, loop=loop)
        self.exited: asyncio.Future[None] = loop.create_future()

    def process_exited(self) -> None:
        super().process_exited()
        if not self.exited.done():
            self.exited.set_result(None)


async def start(
    launch: Launch, marks: Mapping[str, str]
) -> tuple[asyncio.SubprocessTransport, ExitProtocol]:
    """Start it in its own session and process group. Raises DriverError."""
    loop = asyncio.get_running_loop()
    stdin: int | IO[bytes] = PIPE if launch.piped else DEVNULL
    try:
        if launch.stdin is not None:
            stdin = await asyncio.to_thread(launch.stdin.open, "rb")
        return await loop.subprocess_exec(
            lambda: ExitProtocol(launch.limit, loop),
            *launch.argv,
            stdin=stdin,
            stdout=PIPE,
            stderr=PIPE,
            cwd=launch.cwd,
            env={**launch.env, **marks},
            close_fds=True,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise await asyncio.to_thread(_failed, launch, error) from error
    finally:
        if not isinstance(stdin, int):
            stdin.close()


def _failed(launch: Launch, error: OSError | ValueError) -> DriverError:
    missing = isinstance(error, FileNotFoundError) and Path(launch.cwd).is_dir()
    kind = MissingProgram if missing else DriverError
    return kind(f"{one_line(launch.purpose, 200)}: {_why(launch, error)}")


def _why(launch: Launch, error: OSError | ValueError) -> str:
    program, cwd = one_line(launch.argv[0], 200), one_line(launch.cwd, 200)
    if isinstance(error, ValueError):
        return f"{program} cannot be started: {error} in its arguments or environment"
    if not Path(launch.cwd).is_dir():
        return f"cannot start {program}: the folder {cwd} does not exist"
    if error.errno == errno.E2BIG:
        return f"cannot start {program}: its arguments and environment are too long"
    if not os.access(launch.cwd, os.X_OK):
        return f"cannot start {program}: the folder {cwd} cannot be entered"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return _not_found(launch, program)
    if isinstance(error, PermissionError):
        return f"{program} is not executable: check the file's permissions (chmod +x)"
    if error.errno == errno.ENOEXEC:
        return f"{program} is not a program for this machine, nor a script that names its own"
    return f"{program} cannot be started: {error.strerror or error}"


def _not_found(launch: Launch, program: str) -> str:
    if os.sep not in launch.argv[0]:
        return f"{program} was not found on PATH: install it, or give its full path"
    if (Path(launch.cwd) / launch.argv[0]).exists():
        return f"{program} names an interpreter in its first line that does not exist"
    return f"{program} does not exist"
