"""Calls to git: off the loop, bounded, with clear errors, and without the operator's hooks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from app.domain.errors import LongwatchError
from app.domain.text import one_line, printable
from app.engine.capture import Keep
from app.engine.environment import child_environment
from app.engine.processes import ProcessRegistry

_TIMEOUT_SECONDS = 120
_LOCK_RETRIES = 20
_QUIET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_AUTHOR_NAME": "Longwatch",
    "GIT_AUTHOR_EMAIL": "longwatch@localhost",
    "GIT_COMMITTER_NAME": "Longwatch",
    "GIT_COMMITTER_EMAIL": "longwatch@localhost",
}
# Hooks, signing and monitors of the repository are for its people, not for our snapshots.
_SAFE = (
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "commit.gpgSign=false",
    "-c",
    "gc.auto=0",
)


class GitError(LongwatchError):
    """git said no; the text names the call and git's last line."""


class Git:
    """Runs git in one folder or another."""

    def __init__(self, registry: ProcessRegistry) -> None:
        self._registry = registry

    async def run(
        self,
        folder: Path,
        *arguments: str,
        limit: int = 64 * 1024,
        extra: Mapping[str, str] | None = None,
    ) -> str:
        """Standard output. Raises GitError; waits out a lock that another git holds."""
        for attempt in range(_LOCK_RETRIES):
            code, out, err = await self.attempt(folder, *arguments, limit=limit, extra=extra)
            if code == 0:
                return out
            if ".lock" not in err or "File exists" not in err:
                break
            await asyncio.sleep(0.05 * (attempt + 1))
        last = one_line(
            printable(err.strip().splitlines()[-1] if err.strip() else "no reason"), 300
        )
        raise GitError(f"git {arguments[0]} in {folder}: {last}")

    async def attempt(
        self,
        folder: Path,
        *arguments: str,
        limit: int = 64 * 1024,
        extra: Mapping[str, str] | None = None,
    ) -> tuple[int, str, str]:
        """Exit code, standard output and error; for calls whose failure is an answer."""
        names = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "XDG_CONFIG_HOME")
        captured = await self._registry.run_captured(
            ["git", *_SAFE, *arguments],
            cwd=str(folder),
            env={**child_environment(names), **_QUIET, **(extra or {})},
            purpose=f"git {arguments[0]}",
            timeout=_TIMEOUT_SECONDS,
            keep=Keep(head=limit, tail=4096),
            recorded=False,
        )
        err = "git took too long" if captured.timed_out else captured.stderr.text
        out = captured.stdout
        cut = f"\n[… {out.cut} bytes left out …]\n".encode() if out.cut else b""
        text = (out.head + cut + out.tail).decode("utf-8", "replace")
        return captured.returncode, text, err
