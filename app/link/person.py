"""Who decides, by the same name on the screen and on the command line: one person counts once."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.domain.approval import Actor


def user_name() -> str:
    """LONGWATCH_USER, or the login name."""
    named = os.environ.get("LONGWATCH_USER")
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
