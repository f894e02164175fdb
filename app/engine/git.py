"""Git commands: deaf to hooks, editors and background upkeep, bounded in time and output."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from app.domain.errors import LongwatchError
from app.domain.text import one_line
from app.engine.capture import Captured, Keep
from app.engine.environment import child_environment
from app.engine.processes import ProcessRegistry

_TIMEOUT_SECONDS = 600.0  # a checkout of a large repository takes minutes on a slow disk
_KEEP = Keep(head=4 * 1024 * 1024, tail=64 * 1024)
_LOCK_PATIENCE_SECONDS = 5.0
_LOCKED = r"Unable to create '(?P<file>[^'\n]+\.lock)': File exists"
_BRANCH_LOCKED = r"cannot lock ref '[^'\n]+': (?:Unable to create|is at )"
_OPTIONS = (
    # An agent can write hooks, and a hook of the operator's must not stop a checkpoint.
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    # Upkeep goes to the background and would outlive its command.
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
    "merge.verifySignatures=false",
    "commit.cleanup=whitespace",
    "core.safecrlf=false",
    "core.quotePath=false",
    "diff.orderFile=/dev/null",
    "advice.detachedHead=false",
)
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_EDITOR": "true",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_AUTHOR_NAME": "Longwatch",
    "GIT_AUTHOR_EMAIL": "longwatch@localhost",
    "GIT_COMMITTER_NAME": "Longwatch",
    "GIT_COMMITTER_EMAIL": "longwatch@localhost",
    "LC_ALL": "C.UTF-8",
}
# Where the operator's configuration lies; never GIT_DIR and its like, which a hook would set.
_ALLOWED = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "XDG_CONFIG_HOME")


class GitError(LongwatchError):
    """A git command failed; the text ends in what git said."""

    def __init__(self, message: str, returncode: int | None = None, stderr: str = "") -> None:
        super().__init__(message)
        self.returncode, self.stderr = returncode, stderr


class Git(Struct, frozen=True):
    """Runs git through the process registry, so that no command outlives its supervisor."""

    registry: ProcessRegistry

    async def text(
        self,
        cwd: Path,
        *arguments: str,
        own: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """What a command printed, without the last line end. Raises GitError."""
        done = await self.run(cwd, *arguments, own=own, environment=environment)
        return done.stdout.text.removesuffix("\n")

    async def succeeds(self, cwd: Path, *arguments: str) -> bool:
        """Whether a question (exit code 0 or 1) is answered with yes. Raises GitError."""
        return (await self.run(cwd, *arguments, good=(0, 1))).returncode == 0

    async def run(
        self,
        cwd: Path,
        *arguments: str,
        good: Sequence[int] = (0,),
        own: Sequence[Path] = (),
        keep: Keep = _KEEP,
        environment: Mapping[str, str] | None = None,
        stdin: Path | None = None,
    ) -> Captured:
        """Run a command; tried again for some seconds while another git holds a lock.

        A lock that lies under one of `own`, and has not moved all that time, is what a killed
        git has left: it is removed and the command tried once more. Raises GitError.
        """
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + _LOCK_PATIENCE_SECONDS, 0.05
        locks = _Locks()
        while True:
            done = await self._once(cwd, arguments, keep, environment or {}, stdin)
            if not done.timed_out and done.returncode in good:
                return done
            error = _error(cwd, arguments, done)
            lock = re.search(_LOCKED, error.stderr)
            if lock is None and not re.search(_BRANCH_LOCKED, error.stderr):
                raise error
            if lock is not None:
                await asyncio.to_thread(locks.note, cwd / lock["file"], loop.time())
            if loop.time() > deadline and not await asyncio.to_thread(
                locks.remove_stale, own, loop.time()
            ):
                raise error
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.5)

    async def _once(
        self,
        cwd: Path,
        arguments: Sequence[str],
        keep: Keep,
        environment: Mapping[str, str],
        stdin: Path | None,
    ) -> Captured:
        options = [word for option in _OPTIONS for word in ("-c", option)]
        return await self.registry.run_captured(
            ["git", *options, *arguments],
            cwd=str(cwd),
            env={**child_environment(_ALLOWED), **_ENVIRONMENT, **environment},
            purpose=f"git {arguments[0]}",
            timeout=_TIMEOUT_SECONDS,
            stdin=stdin,
            keep=keep,
            recorded=False,
        )


def _error(cwd: Path, arguments: Sequence[str], done: Captured) -> GitError:
    stderr = done.stderr.text
    command, place = f"git {' '.join(arguments[:2])}", one_line(str(cwd), 300)
    if done.timed_out:
        why = f"took more than {_TIMEOUT_SECONDS:g} s and was ended"
        return GitError(f"{command} in {place} {why}", None, stderr)
    lines = [line for line in stderr.splitlines() if line.strip()]
    # git marks the reason; what follows is its consequence, or advice.
    marked = [line for line in lines if line.startswith(("fatal:", "error:"))]
    said = one_line((marked or lines[-1:] or [""])[0], 500)
    if not marked:
        code = done.returncode
        ended = f"ended by signal {-code}" if code < 0 else f"exit code {code}"
        said = f"{ended}: {said}" if said else ended
    return GitError(f"{command} in {place} failed: {said}", done.returncode, stderr)


class _Locks:
    """Lock files that were in the way, and since when each has been the same file."""

    def __init__(self) -> None:
        self._since: dict[Path, tuple[tuple[int, int], float]] = {}

    def note(self, lock: Path, now: float) -> None:
        try:
            status = lock.stat()
        except OSError:
            self._since.pop(lock, None)
            return
        identity = (status.st_ino, status.st_mtime_ns)
        known = self._since.get(lock)
        if known is None or known[0] != identity:
            self._since[lock] = (identity, now)

    def remove_stale(self, own: Sequence[Path], now: float) -> bool:
        """Remove those under `own` that nobody has touched since the first try; whether any."""
        folders = [Path(os.path.realpath(folder)) for folder in own]
        removed = False
        for lock, (_, since) in list(self._since.items()):
            real = Path(os.path.realpath(lock))
            mine = any(real.is_relative_to(folder) for folder in folders)
            if mine and now - since >= _LOCK_PATIENCE_SECONDS / 2:
                lock.unlink(missing_ok=True)
                del self._since[lock]
                removed = True
        return removed
