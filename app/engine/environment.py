"""The environment of child processes: minimal, so that no child sees another's keys."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

_ALWAYS = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TMPDIR", "TZ", "XDG_RUNTIME_DIR")
_PREFIX = "LC_"


def child_environment(
    allowed: Sequence[str] = (), *, base: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What a child may see of the operator's environment, and the names in `allowed`."""
    source = os.environ if base is None else base
    names = {*_ALWAYS, *allowed, *(name for name in source if name.startswith(_PREFIX))}
    found = {name: source[name] for name in sorted(names) if name in source}
    return {"PATH": os.defpath, **found, "TERM": "dumb"}
