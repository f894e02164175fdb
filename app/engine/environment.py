"""The environment that children get: what a program needs to run, and what was named, no more.

What is named is looked up in this process's environment first, then in the project's private file
(`env_file`).
"""

from __future__ import annotations

import os
import stat
from collections import ChainMap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from app.domain.env_text import read_env
from app.domain.errors import ConfigError

_ALWAYS = ("HOME", "LANG", "SHELL", "TMPDIR", "USER")
_LIMIT = 1024 * 1024
_Stamp = tuple[int, int, int, int]


def child_environment(
    allowed: Sequence[str],
    *,
    base: Mapping[str, str] | None = None,
    named: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """A minimal environment out of `base` (this process's own by default).

    PATH, HOME, locale, TMPDIR, USER and SHELL, a terminal without tricks, and the names in
    `allowed` where `named` (by default `base`) has them. Keys and tokens of the operator stay out
    unless named.
    """
    source = os.environ if base is None else base
    given = source if named is None else named
    names = [*_ALWAYS, *(name for name in source if name.startswith("LC_"))]
    found = {"PATH": source.get("PATH") or os.defpath, "TERM": "dumb"}
    found |= {name: source[name] for name in names if name in source}
    return found | {name: given[name] for name in allowed if name in given}


def read_env_file(path: Path) -> dict[str, str]:
    """The values of a private file (blocking); none where it is not there.

    Raises ConfigError when it cannot be read, or could be read by somebody else.
    """
    return _read(path)[1]


def _read(path: Path) -> tuple[_Stamp | None, dict[str, str]]:
    source = str(path)
    try:
        # Not blocking: a pipe of that name would never answer.
        with open(path, "rb", opener=_opener) as file:
            about = os.fstat(file.fileno())
            _check_private(about, source)
            data = file.read(_LIMIT + 1)
    except FileNotFoundError:
        return None, {}
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", source=source) from error
    if len(data) > _LIMIT:
        raise ConfigError(f"is longer than {_LIMIT:,} bytes", source=source)
    try:
        return _stamp(about), read_env(data.decode("utf-8-sig"), source)
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text; save it as UTF-8", source=source) from None


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)


def _check_private(about: os.stat_result, source: str) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise ConfigError("is not a file", source=source)
    if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = stat.S_IMODE(about.st_mode)
        raise ConfigError(
            f"holds secrets and others may use it (mode {mode:04o}): run `chmod 600 {source}`",
            source=source,
        )
    if about.st_uid not in (os.geteuid(), 0):
        raise ConfigError("holds secrets and belongs to somebody else", source=source)


def _stamp(about: os.stat_result) -> _Stamp:
    return (about.st_ino, about.st_mtime_ns, about.st_ctime_ns, about.st_size)


class Variables:
    """Looks names up for agents, models and calls, and remembers every value of a private file:
    all of them are secrets, also after the file has changed."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[_Stamp | None, dict[str, str]]] = {}
        self._secrets: set[str] = set()

    @property
    def secrets(self) -> frozenset[str]:
        """Every value that a private file has had."""
        return frozenset(self._secrets)

    @property
    def count(self) -> int:
        """How many of them there are; it only grows."""
        return len(self._secrets)

    def of(self, env_file: str) -> Mapping[str, str]:
        """This process's environment, and behind it what is in the file (blocking, quick);
        "": there is none. Raises ConfigError, as `read_env_file` does."""
        if not env_file:
            return os.environ
        return ChainMap(dict(os.environ), self._of_file(env_file))

    def _of_file(self, env_file: str) -> dict[str, str]:
        path = Path(env_file)
        known = self._files.get(env_file)
        with suppress(OSError):  # reading it says what is wrong
            if known is not None and known[0] == _stamp(path.stat()):
                return known[1]
        found = self._files[env_file] = _read(path)
        self._secrets |= set(found[1].values())
        return found[1]
