"""The files of attachments: private copies in the store, each under the hash of its content.

Everything here is blocking. A copy is whole or not there; who is killed meanwhile leaves a file
with a name of its own, which the next start removes.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from pathlib import Path

from app.domain.attachment import HEAD, Attachment, AttachmentLimits, media_type
from app.domain.errors import NotFound, Refused, StoreError
from app.domain.text import one_line
from app.store.place import sync_folder

_CHUNK = 1024 * 1024
_NEW = "new-"  # what names of copies begin with that are not whole yet


class AttachmentStore:
    """One store's folder of attachments. It knows contents, not whose they are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, path: Path, limits: AttachmentLimits) -> tuple[Attachment, bool]:
        """Copy a file in; what it is, and whether it was not here before. Raises Refused for one
        that may not be attached, StoreError when it cannot be kept."""
        source = _open(path)
        try:
            new = self._folder / f"{_NEW}{secrets.token_hex(8)}"
            try:
                found = self._copy(source, path, new, limits)
                place = self._place(found.sha256)
                fresh = not place.exists()
                new.replace(place)
                sync_folder(self._folder)
            except OSError as error:
                raise StoreError(f"{path} cannot be kept: {error.strerror}") from error
            finally:
                new.unlink(missing_ok=True)
        finally:
            os.close(source)
        return found, fresh

    def _copy(self, source: int, path: Path, new: Path, limits: AttachmentLimits) -> Attachment:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest, size, head = hashlib.sha256(), 0, b""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
            while size <= limits.max_bytes and (data := os.read(source, _CHUNK)):
                digest.update(data)
                size += len(data)
                head = head or data[:HEAD]
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        name = one_line(path.name, 120).replace("/", "_") or "file"
        kind = media_type(head, whole=size == len(head))
        found = Attachment(name=name, media_type=kind, size=size, sha256=digest.hexdigest())
        if (why := limits.problem(found)) is not None:
            raise Refused(f"{path} {why}")
        return found

    def drop(self, found: Attachment) -> None:
        """Remove a copy that nothing names."""
        self._place(found.sha256).unlink(missing_ok=True)

    def read(self, found: Attachment) -> bytes:
        """The content. Raises NotFound when it is gone, StoreError when it is not what it was."""
        place = self._place(found.sha256)
        try:
            data = place.read_bytes()
        except FileNotFoundError:
            raise NotFound(f"attachment {found.name}: {place} is gone") from None
        except OSError as error:
            raise StoreError(f"attachment {found.name}: {place}: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != found.sha256:
            raise StoreError(f"attachment {found.name}: {place} was changed: it is not used")
        return data

    def sweep(self) -> None:
        """Remove what copies left behind that were cut off."""
        for path in self._folder.glob(f"{_NEW}*"):
            path.unlink(missing_ok=True)

    def _place(self, sha256: str) -> Path:
        return self._folder / sha256


def _open(path: Path) -> int:
    """A plain file, for reading; a pipe is not waited for. Raises Refused."""
    try:
        found = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise Refused(f"{one_line(str(path), 300)} cannot be attached: {why}") from error
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise Refused(f"{path} cannot be attached: it is not a file")
    return found
