"""What the supervisor keeps for itself: no call may touch it."""

from __future__ import annotations

from msgspec import Struct

OWN = "what Longwatch itself keeps"


class Own(Struct, frozen=True):
    """Where the supervisor keeps its store, and the socket that it listens on; empty: not known."""

    store: str = ""
    socket: str = ""

    def holds(self, path: str) -> bool:
        """Whether an absolute path is one of them, or lies in the store."""
        inside = self.store and (path + "/").startswith(self.store.rstrip("/") + "/")
        return bool(inside) or path == self.socket != ""


NOTHING_OWN = Own()
