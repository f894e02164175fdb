"""Attachments: taken in for a request or a session, and laid down where its agent finds them.

Whose an attachment is, its run's journal says: the request that it came with, or the session that
it was said to. Every use asks that again, and nothing is created for who may not have it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from app.agents.finishing import to_the_end
from app.agents.protocol import AttachedFile
from app.domain.attachment import Attachment, AttachmentLimits
from app.domain.base import RunId, SessionId
from app.domain.errors import NotFound, OwnershipError, Refused
from app.domain.run import RunState
from app.domain.session import Session
from app.store.attachments import AttachmentStore

FOLDER = (".longwatch", "attachments")  # in a workspace; git does not see it
_IGNORE = b"*\n"


class Attaching:
    """Takes attachments in and hands them out; `state_of` raises NotFound for no such run."""

    def __init__(self, store: AttachmentStore, state_of: Callable[[RunId], RunState]) -> None:
        self._store = store
        self._state_of = state_of
        self.clean: Callable[[str], str] = str  # takes secrets out of names
        self._lock = asyncio.Lock()

    def sweep(self) -> None:
        """Blocking. At the start: remove copies that were cut off."""
        self._store.sweep()

    # ---- in

    @asynccontextmanager
    async def taking_in(
        self, paths: Sequence[str], limits: AttachmentLimits
    ) -> AsyncIterator[tuple[Attachment, ...]]:
        """Copies of these files, all of them or none, for as long as it takes to commit whose
        they are; when that fails they are gone again. Raises Refused, StoreError."""
        if len(paths) > limits.max_files:
            raise Refused(
                f"{len(paths)} files are more than may be attached at once: {limits.max_files} "
                "(max_files in [attachments])"
            )
        for path in paths:
            if not Path(path).is_absolute():
                raise Refused(f"{path}: an attachment is named by its whole path")
        if not paths:
            yield ()
            return
        async with self._lock:  # what one takes back must not be what another has just found here
            kept: list[tuple[Attachment, bool]] = []
            try:
                for path in paths:
                    kept.append(await to_the_end(asyncio.to_thread(self._keep, path, limits)))
            except BaseException:
                self._drop(kept)
                raise
            try:
                yield tuple(dict.fromkeys(found for found, _ in kept))
            except (Refused, NotFound):
                # Anything else may come too late: a write that nobody waits for goes on.
                self._drop(kept)
                raise

    def _drop(self, kept: Sequence[tuple[Attachment, bool]]) -> None:
        for found, fresh in kept:
            if fresh:  # an older one of the same content belongs to somebody
                self._store.drop(found)

    def _keep(self, path: str, limits: AttachmentLimits) -> tuple[Attachment, bool]:
        found, fresh = self._store.keep(Path(path), limits)
        return found.model_copy(update={"name": self.clean(found.name).replace("/", "_")}), fresh

    # ---- whose

    def session(self, run_id: RunId, session_id: SessionId) -> Session:
        """The run's session. Raises OwnershipError for another's, NotFound for nobody's."""
        session = self._state_of(run_id).sessions.get(session_id)
        if session is None:
            raise NotFound(f"run {run_id} has no session {session_id}")
        if session.run_id != run_id:
            raise OwnershipError(f"session {session_id} belongs to run {session.run_id}")
        return session

    def _check(self, session: Session, found: Attachment) -> None:
        request = self._state_of(session.run_id).run.request
        if found not in request.attachments and found not in session.attachments:
            raise OwnershipError(
                f"attachment {found.name} does not belong to session {session.session_id} of run "
                f"{session.run_id}"
            )

    # ---- out

    async def lay_down(
        self, run_id: RunId, session_id: SessionId, wanted: Sequence[Attachment]
    ) -> tuple[AttachedFile, ...]:
        """Put them into the session's workspace, for its agent's tools; its driver shows it what
        it can. Raises OwnershipError and NotFound, and then has created nothing; Refused and
        StoreError when it cannot be done."""
        if not wanted:
            return ()
        session = self.session(run_id, session_id)
        for found in wanted:
            self._check(session, found)
        every = _named([*self._state_of(run_id).run.request.attachments, *session.attachments])
        names = {found: name for name, found in every.items()}
        return await asyncio.to_thread(self._lay_down, Path(session.workspace), wanted, names)

    def _lay_down(
        self, workspace: Path, wanted: Sequence[Attachment], names: dict[Attachment, str]
    ) -> tuple[AttachedFile, ...]:
        laid: list[AttachedFile] = []
        try:
            with _Folder(workspace) as folder:
                folder.write(".gitignore", _IGNORE)
                for found in wanted:
                    data = self._store.read(found)
                    folder.write(names[found], data)
                    shown = data if found.is_shown else b""
                    path = "/".join((*FOLDER, names[found]))
                    laid.append(AttachedFile(found, path, str(workspace), shown))
        except OSError as error:
            raise Refused(
                f"attachments cannot be put into {workspace.joinpath(*FOLDER)}: {error.strerror}"
            ) from error
        return tuple(laid)


def with_files(text: str, files: Sequence[AttachedFile]) -> str:
    """What is said, and where the files are that came with it."""
    if not files:
        return text
    lines = "\n".join(f"- {file.attachment}: {file.path}" for file in files)
    return f"{text}\n\n# Attached files, in your workspace\n\n{lines}"


def _named(every: Sequence[Attachment]) -> dict[str, Attachment]:
    """A file name for each: its own, or with the hash when another has that already."""
    names: dict[str, Attachment] = {}
    for found in dict.fromkeys(every):
        name = found.name.lstrip(".") or "file"
        names[name if name not in names else f"{found.sha256[:12]}-{name}"] = found
    return names


class _Folder:
    """The folder in a workspace, reached without following any link that an agent has made."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace

    def __enter__(self) -> _Folder:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(self._workspace, flags)
        for name in FOLDER:
            try:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=fd)
                below = os.open(name, flags, dir_fd=fd)
            finally:
                os.close(fd)
            fd = below
        self._fd = fd
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def write(self, name: str, data: bytes) -> None:
        """Whole or not at all, in place of whatever had the name."""
        new = f".new-{name}"[:200]
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(new, flags, 0o644, dir_fd=self._fd), "wb") as file:
            file.write(data)
        os.replace(new, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
