"""Commands in bubblewrap: they write in their workspace only, and reach no network.

Everything else is there to be read, but for what holds secrets and for Longwatch's own store,
where other sessions work. Where bubblewrap is missing nothing runs: a sandbox that was asked for
is never left out. https://github.com/containers/bubblewrap
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from app.domain.errors import DriverError
from app.domain.risk.names import SECRET_FOLDERS

NAME = "bubblewrap"
CHOSEN_BY = "LONGWATCH_BWRAP"  # names the program instead of PATH
SAYS = (
    "its commands are confined by bubblewrap: they write in its workspace only, and have no network"
)
_SECRETS = (  # below the home folder
    *SECRET_FOLDERS,
    ".claude",
    ".codex",
    ".git-credentials",
    ".netrc",
    ".npmrc",
    ".pgpass",
    ".pypirc",
)

_PROGRAMS_IN_RUN = ("/run/current-system", "/run/wrappers")  # NixOS: what PATH leads to


def find() -> str:
    """The bubblewrap program. Raises DriverError where there is none."""
    found = shutil.which(os.environ.get(CHOSEN_BY) or "bwrap") if sys.platform == "linux" else None
    if found is None:
        raise DriverError(
            'sandbox = "bubblewrap" needs the program bwrap (Linux; Debian: apt-get install '
            f"bubblewrap), or {CHOSEN_BY} that names it; without it nothing is run"
        )
    return found


def confined(
    argv: Sequence[str],
    *,
    workspace: str,
    cwd: str,
    hidden: Iterable[str] = (),
    visible: Iterable[str] = (),
) -> list[str]:
    """The command line that runs `argv` confined to `workspace`.

    `hidden` folders are empty for it, `visible` files and folders can be read
    wherever they are. Raises DriverError where bubblewrap is missing.
    """
    return [
        find(),
        "--die-with-parent",
        "--unshare-all",
        *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"),
        *_without_sockets(),
        *_emptied([*_secrets(), *hidden]),
        *(word for file in visible for word in ("--ro-bind", file, file)),
        *("--bind", workspace, workspace, "--chdir", cwd, "--setenv", "TMPDIR", "/tmp"),
        "--",
        *argv,
    ]


def _without_sockets() -> Iterator[str]:
    """A read-only file system does not keep anybody from a socket in it, and those of Docker,
    D-Bus and their like, which lie in `/run`, lead out of every sandbox."""
    if not Path("/run").is_dir():
        return
    yield from ("--tmpfs", "/run")
    for place in _PROGRAMS_IN_RUN:
        if Path(place).is_dir():
            yield from ("--ro-bind", place, place)


def _secrets() -> Iterator[str]:
    home = Path.home()
    yield from (str(home / name) for name in _SECRETS)
    runtime = os.environ.get("XDG_RUNTIME_DIR")  # sockets of agents that hold keys
    if runtime:
        yield runtime


def _emptied(places: Iterable[str]) -> Iterator[str]:
    for place in places:
        real = Path(place).resolve()
        if real.is_dir():
            yield from ("--tmpfs", str(real))
        elif real.exists():
            yield from ("--ro-bind", "/dev/null", str(real))
