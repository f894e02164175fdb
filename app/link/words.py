"""Words of the socket's protocol that both kinds of client use, without any model."""

from __future__ import annotations

from app.version import VERSION

PROTOCOL = 1
STATUS, WAITING, SEEN = "status", "waiting", "seen"
HELLO_WAIT = 5.0  # seconds in which a supervisor says hello
STOP_IT = "stop it, or choose another store with --store"


def cannot_connect(error: OSError) -> str:
    """What to say of a socket that cannot be reached, although it may be there."""
    return f"cannot connect to the supervisor ({error.strerror or error})"


def other_version(pid: int, longwatch: str) -> str:
    """What to say of a supervisor that speaks another protocol."""
    return (
        f"the supervisor (process {pid}) is Longwatch {longwatch} and this is {VERSION}; stop it "
        "with its own `longwatch down` and start this one"
    )
