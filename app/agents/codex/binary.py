"""Where codex is on this machine, and how an agent's app-server is started."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from app.domain.errors import MissingProgram
from app.domain.workflow import AgentConfig

OVERRIDE = "LONGWATCH_CODEX"
INSTALL = "install it with `npm install -g @openai/codex`"

# npm package and vendor folder of each platform, from the wrapper's own table (0.169).
_PLATFORMS = {
    ("Linux", "x86_64"): ("codex-linux-x64", "x86_64-unknown-linux-musl"),
    ("Linux", "aarch64"): ("codex-linux-arm64", "aarch64-unknown-linux-musl"),
    ("Darwin", "x86_64"): ("codex-darwin-x64", "x86_64-apple-darwin"),
    ("Darwin", "arm64"): ("codex-darwin-arm64", "aarch64-apple-darwin"),
}


def find_codex(environ: Mapping[str, str] | None = None) -> Path | None:
    """The codex program to start: $LONGWATCH_CODEX, else `codex` on PATH; None if there is none.

    For an npm installation this is the native program behind the Node wrapper, because
    killing the wrapper orphans its child.
    """
    environ = os.environ if environ is None else environ
    name = environ.get(OVERRIDE) or "codex"
    found = shutil.which(name, path=environ.get("PATH"))
    return native_program(Path(found)) if found else None


def native_program(command: Path) -> Path:
    """The native program that the npm wrapper `command` would start, or `command` itself."""
    real = command.resolve()
    if real.suffix != ".js":
        return command
    return next((path for path in _native_candidates(real.parent.parent) if path.is_file()), real)


def _native_candidates(package: Path) -> Iterator[Path]:
    """Where npm may have put the platform's package, seen from the wrapper's package."""
    names = _PLATFORMS.get((platform.system(), platform.machine()))
    if names is None:
        return
    folder, triple = names
    inside = Path("vendor", triple, "bin", "codex")
    yield package.parent / folder / inside
    for above in (package, *package.parents):
        yield above / "node_modules" / "@openai" / folder / inside
    yield package / inside


def command_line(agent: AgentConfig) -> list[str]:
    """The argv of an agent's app-server.

    An agent's `command` of one word names another codex program; a longer one is taken as it
    is. Raises DriverError when codex is not installed.
    """
    if len(agent.command) > 1:
        return list(agent.command)
    if agent.command:
        found = shutil.which(agent.command[0])
        if found is None:
            raise MissingProgram(
                f"agent {agent.name}: its command {agent.command[0]!r} was not found; "
                "correct `command` in the configuration or remove it"
            )
        return [str(native_program(Path(found))), "app-server"]
    program = find_codex()
    if program is not None:
        return [str(program), "app-server"]
    if named := os.environ.get(OVERRIDE):
        raise MissingProgram(
            f"agent {agent.name}: {OVERRIDE} names {named!r}, which is not a program; "
            f"correct it, or unset it and {INSTALL}"
        )
    raise MissingProgram(
        f"agent {agent.name}: codex is not on PATH; {INSTALL}, or set {OVERRIDE} to its path"
    )
