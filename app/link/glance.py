"""A glance at a store's supervisor: what it says of itself and what waits, as plain values.

The client proper checks all that it is told with the domain's models. A script that only wants to
know whether somebody waits should not have to load those: it takes longer than all the rest.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.domain.errors import StoreError
from app.link.errors import LinkLost
from app.link.peer import peer_uid, silent_peer
from app.link.words import (
    HELLO_WAIT,
    PROTOCOL,
    SEEN,
    STATUS,
    STOP_IT,
    WAITING,
    cannot_connect,
    other_version,
)

Said = dict[str, Any]
_NOBODY = (FileNotFoundError, NotADirectoryError, ConnectionError)


class Glance:
    """One connection. Raises StoreError for whoever is no supervisor, LinkLost when it goes."""

    def __init__(self, path: Path) -> None:
        """Raises FileNotFoundError, NotADirectoryError or ConnectionError when nobody listens."""
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(os.fspath(path))
            if (uid := peer_uid(self._socket)) != os.getuid():
                raise StoreError(f"{path}: this socket belongs to user {uid}, not to you")
            self._lines = self._socket.makefile("rb")
            self._hello()
        except BaseException as error:
            self._socket.close()
            if isinstance(error, OSError) and not isinstance(error, _NOBODY):
                raise StoreError(f"{path}: {cannot_connect(error)}") from error
            raise

    def __enter__(self) -> Glance:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def _hello(self) -> None:
        self._socket.settimeout(HELLO_WAIT)
        try:
            line = self._lines.readline()
        except TimeoutError:
            raise StoreError(f"{self._path}: {silent_peer(self._socket)}") from None
        if not line:  # it is just going down
            raise ConnectionRefusedError(f"{self._path}: the supervisor hung up")
        self._socket.settimeout(None)
        said = _read(line)
        if said is None or not {"protocol", "longwatch", "pid"} <= said.keys():
            raise StoreError(f"{self._path}: who listens here is not a supervisor; {STOP_IT}")
        if said["protocol"] != PROTOCOL:
            told = other_version(said["pid"], said["longwatch"])
            raise StoreError(f"{self._path}: {told}")

    def _call(self, name: str, **params: object) -> Any:
        request = {"id": 1, "call": name, "params": params}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            reply = _read(self._lines.readline())
        except ConnectionError:
            reply = None
        if reply is None:
            raise LinkLost(f"{self._path}: the supervisor has gone")
        if error := reply.get("error"):
            raise StoreError(error["message"])
        return reply["result"]

    def status(self) -> Said:
        """As `Client.status`."""
        said: Said = self._call(STATUS)
        return said

    def look(self) -> Sequence[Said]:
        """As `Client.waiting`; from now on all of it counts as seen."""
        found: Sequence[Said] = self._call(WAITING)
        if found:
            self._call(SEEN, sightings=[_sighting(one["item"]) for one in found])
        return found


def _sighting(item: Said) -> Said:
    """As `app.domain.seen.sighting`."""
    return {
        "kind": item["kind"],
        "item_id": item["group"] or item["item_id"],
        "revision": item["revision"],
    }


def _read(line: bytes) -> Said | None:
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None
