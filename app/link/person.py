"""Who decides, by the same name on the screen and on the command line: one person counts once."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

from app.domain.text import one_line

if TYPE_CHECKING:
    from app.domain.approval import Actor

_LONGEST = 200  # characters of a name


def user_name() -> str:
    """LONGWATCH_USER, or the login name."""
    named = one_line(os.environ.get("LONGWATCH_USER", ""), _LONGEST)
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"uid-{os.getuid()}"


def operator() -> Actor:
    """The person at this keyboard."""
    from app.domain.approval import Actor, ActorKind

    return Actor(kind=ActorKind.PERSON, name=user_name())
