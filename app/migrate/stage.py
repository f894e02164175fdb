"""Everything that is to be put in place, made in a folder of its own first: on the disk, checked,
and not yet of any effect."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from app.domain.errors import Refused
from app.domain.migration import PlannedCopy
from app.domain.moving import FileState, Progress, Standing, Tell
from app.migrate.copying import Copied, Scrubber, SourceTree, copy_file, shown
from app.migrate.disk import Disk, told
from app.migrate.manifest import MadeFile, text_sha256
from app.migrate.prepare import Prepared

_WORKERS = 4  # files that are copied at once: hashing and the disk work side by side
_SPARE = 32 * 1024 * 1024  # bytes of the disk that are left free


class Canceled(Refused):
    """A person has stopped it; nothing was changed."""


@dataclass(slots=True)
class Staging:
    """Copies and texts of one migration into `top`."""

    disk: Disk
    made: Prepared
    top: Path
    tell: Tell
    canceled: Callable[[], bool]

    def stage(self, files: tuple[FileState, ...]) -> dict[str, MadeFile]:
        """Write all files that are new or changed; what was made, by path. Raises Refused."""
        paths = [f.path for f in files if f.standing in (Standing.NEW, Standing.CHANGED)]
        copies = {path: self.made.copies[path] for path in paths if path in self.made.copies}
        self._room(sum(copy.size for copy in copies.values()))
        with told("nothing was changed, for what moves in could not be written"):
            self._folders(paths)
            found = {path: self._text(path) for path in paths if path in self.made.texts}
            found |= self._copies(copies)
        return found

    def _room(self, size: int) -> None:
        free = shutil.disk_usage(self.top).free
        if size + _SPARE > free:
            raise Refused(
                f"not enough room in {shown(self.top.parent)}: {size:,} bytes are to be copied and"
                f" {free:,} are free; nothing was changed"
            )

    def _folders(self, paths: list[str]) -> None:
        """Folders with something private in them are private."""
        private = {path.rpartition("/")[0] for path in paths if self._private(path)}
        needed = {folder for path in paths for folder in _parents(path)}
        for folder in sorted(needed):
            inner = any(f == folder or f.startswith(folder + "/") for f in private)
            mode = 0o700 if inner and folder != ".longwatch" else 0o755
            self.disk.make_folder(self.top / folder, mode)

    def _private(self, path: str) -> bool:
        text, copy = self.made.texts.get(path), self.made.copies.get(path)
        return bool((text and text.private) or (copy and copy.private))

    def _text(self, path: str) -> MadeFile:
        wanted = self.made.texts[path]
        place = self.top / path
        self.disk.write_new(place, wanted.data, 0o600 if wanted.private else 0o644)
        return MadeFile(
            path=path,
            size=len(wanted.data),
            sha256=text_sha256(wanted.data),
            mtime_ns=os.lstat(place).st_mtime_ns,
            planned=wanted.planned,
            shared=wanted.merged,
        )

    def _copies(self, copies: Mapping[str, PlannedCopy]) -> dict[str, MadeFile]:
        total = sum(copy.size for copy in copies.values())
        done, lock = 0, Lock()
        scrubber = Scrubber(self.made.secrets)
        source = SourceTree(Path(self.made.plan.source))

        def copy(path: str, planned: PlannedCopy) -> MadeFile:
            def wrote(size: int) -> None:
                nonlocal done
                if self.canceled():
                    raise Canceled("stopped: nothing was changed")
                with lock:
                    done += size
                    self.tell(Progress("copying", done, total, path))

            made = copy_file(self.disk, source, planned, self.top / path, scrubber, wrote)
            return _made(path, planned, made)

        if not copies:
            return {}
        with source, ThreadPoolExecutor(_WORKERS, thread_name_prefix="copy") as pool:
            jobs: dict[Future[MadeFile], str] = {
                pool.submit(copy, path, planned): path for path, planned in copies.items()
            }
            finished, _ = wait(jobs, return_when=FIRST_EXCEPTION)
            failed = next((job for job in finished if job.exception()), None)
            if failed is not None:
                pool.shutdown(cancel_futures=True)
                failed.result()
            return {path: job.result() for job, path in jobs.items()}


def _made(path: str, planned: PlannedCopy, made: Copied) -> MadeFile:
    return MadeFile(
        path=path,
        size=made.size,
        sha256=made.sha256,
        mtime_ns=made.source_mtime_ns,
        source_size=planned.size,
        source_mtime_ns=made.source_mtime_ns,
        redacted=planned.redact,
    )


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]
