"""The environment that children get: what a program needs to run, and what was named, no more."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

_ALWAYS = ("HOME", "LANG", "SHELL", "TMPDIR", "USER")


def child_environment(
    allowed: Sequence[str], *, base: Mapping[str, str] | None = None
) -> dict[str, str]:
    """A minimal environment out of `base` (this process's own by default).

    PATH, HOME, locale, TMPDIR, USER and SHELL, a terminal without tricks, and the names in
    `allowed` where they are set. Keys and tokens of the operator stay out unless named.
    """
    source = os.environ if base is None else base
    names = [*_ALWAYS, *(name for name in source if name.startswith("LC_")), *allowed]
    found = {"PATH": source.get("PATH") or os.defpath, "TERM": "dumb"}
    return found | {name: source[name] for name in names if name in source}
