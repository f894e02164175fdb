"""The supervisor's socket: other screens and commands of the same user attach here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.errors import StoreError
from app.link.limits import REQUEST_LIMIT
from app.link.peer import check_folder, peer_uid

if TYPE_CHECKING:
    from app.link.client import Client
    from app.link.conversation import Conversation

GRACE = 2.0  # seconds that open calls and feeds get to finish when the server stops


class Server:
    """Serves one client (the local one) to any number of connections.

    `start` binds, `stop_accepting` removes the socket file and lets open calls finish,
    `close` ends what is left. Call them in this order; the caller holds the store's lock, so
    an older socket file is stale and may be replaced.
    """

    def __init__(self, client: Client, path: Path) -> None:
        self._client, self._path = client, path
        self._server: asyncio.Server | None = None
        self._talks: dict[asyncio.Task[None], Conversation] = {}

    async def start(self) -> None:
        """Bind and listen. Raises StoreError when the socket cannot be made."""
        sock = self._bind()
        self._server = await asyncio.start_unix_server(
            self._accept, sock=sock, limit=REQUEST_LIMIT, backlog=64
        )

    def _bind(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)  # no instant in which others could connect
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            check_folder(self._path.parent)
            self._path.unlink(missing_ok=True)
            sock.bind(os.fspath(self._path))
            sock.setblocking(False)
        except OSError as error:
            sock.close()
            raise StoreError(
                f"{self._path}: the supervisor's socket cannot be made ({error.strerror or error})"
            ) from error
        except StoreError:
            sock.close()
            raise
        finally:
            os.umask(mask)
        return sock

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # What can be said over a socket is loaded once somebody comes.
        from app.link.conversation import Conversation
        from app.link.wire import ReplyLine, WireError

        try:
            uid = peer_uid(writer.get_extra_info("socket"))
        except OSError:
            writer.close()  # gone before it could be asked who it is
            return
        if uid != os.getuid():
            no = WireError(type="Refused", message=f"user {uid} may not use this supervisor")
            writer.write(ReplyLine(id=None, error=no).model_dump_json().encode() + b"\n")
            writer.close()
            return
        talk = Conversation(self._client, reader, writer)
        task = asyncio.create_task(talk.run(), name="link conversation")
        self._talks[task] = talk
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._talks.pop(task, None)
        if not task.cancelled():
            task.exception()  # a defect of a conversation is logged by it; never kills the host

    async def stop_accepting(self) -> None:
        """Nobody new gets in; calls that are open finish, at most GRACE seconds."""
        if self._server is None:
            return
        self._server.close()
        self._path.unlink(missing_ok=True)
        for talk in self._talks.values():
            talk.stop()
        pending = [call for talk in self._talks.values() for call in talk.calls]
        if pending:
            await asyncio.wait(pending, timeout=GRACE)

    async def close(self) -> None:
        """End every conversation: feeds get what they have queued, at most GRACE seconds."""
        if self._server is None:
            return
        for talk in self._talks.values():
            talk.finish()
        tasks = set(self._talks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=GRACE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        with contextlib.suppress(OSError):
            await self._server.wait_closed()
        self._server = None
