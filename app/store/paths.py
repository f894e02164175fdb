"""Where a store keeps its parts."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from msgspec import Struct

# A Unix socket's address holds 108 bytes on Linux and 104 on macOS, with its final NUL.
_SOCKET_LIMIT = 100


class StorePaths(Struct, frozen=True):
    """The files of one store. `root` need not exist yet."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "longwatch.db"

    @property
    def head(self) -> Path:
        """The journal's head, kept outside the database: see `app.store.head`."""
        return self.root / "journal.head"

    @property
    def lock(self) -> Path:
        return self.root / "supervisor.lock"

    @property
    def workspaces(self) -> Path:
        return self.root / "workspaces"

    @property
    def sessions(self) -> Path:
        """What drivers keep for their sessions, a folder each."""
        return self.root / "sessions"

    @property
    def attachments(self) -> Path:
        """Copies of what was attached, each under the hash of its content."""
        return self.root / "attachments"

    @property
    def store_id(self) -> str:
        """Tells this store's child processes from those of other stores on the machine."""
        return hashlib.sha256(os.fsencode(self.root.resolve())).hexdigest()[:16]

    @property
    def socket(self) -> Path:
        """The supervisor's socket; in a short runtime folder when the store's path is long."""
        here = self.root / "supervisor.sock"
        if len(os.fsencode(here)) <= _SOCKET_LIMIT:
            return here
        temporary = tempfile.gettempdir()
        name = f"longwatch-{os.getuid()}/{self.store_id}.sock"
        for place in (os.environ.get("XDG_RUNTIME_DIR") or temporary, temporary):
            if len(os.fsencode(path := Path(place) / name)) <= _SOCKET_LIMIT:
                return path
        return Path("/tmp") / name


def default_store() -> Path:
    """LONGWATCH_STORE, or `longwatch` in the platform's state folder."""
    named = os.environ.get("LONGWATCH_STORE")
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_state_path

    return user_state_path("longwatch", appauthor=False)
