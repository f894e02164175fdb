"""Folders for files that live as long as one piece of work; those a crash left are removed."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

_NAME = re.compile(r"longwatch-(?:gate|index|copy)-(\d+)-\w+")


def scratch_folder(purpose: str) -> Path:
    """A new folder that only this user can read; whoever asks for it removes it.

    Its name says which process made it. Raises OSError.
    """
    return Path(tempfile.mkdtemp(prefix=f"longwatch-{purpose}-{os.getpid()}-"))


def sweep() -> int:
    """Blocking. Remove the folders of processes that are gone; how many there were."""
    swept = 0
    for path in Path(tempfile.gettempdir()).glob("longwatch-*"):
        named = _NAME.fullmatch(path.name)
        if named and _is_ours(path) and not _runs(int(named[1])):
            shutil.rmtree(path, ignore_errors=True)
            swept += 1
    return swept


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # the latter: no process has such a number
        return False
    except PermissionError:  # another user's
        return True
    return True


def _is_ours(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:  # somebody else has removed it meanwhile
        return False
    return found.st_uid == os.getuid() and path.is_dir() and not path.is_symlink()
