"""What a migration has made in a folder, so that the next one can tell its own work from yours."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import Field, ValidationError

from app.domain.base import Model
from app.domain.errors import Refused

STATE = ".longwatch/moved"  # relative to the target
_VERSION = 1


class MadeFile(Model):
    """A file that a migration made. `planned` is the digest of what the plan wanted there; the
    file itself may hold more (a merged one)."""

    path: str
    size: int
    sha256: str
    mtime_ns: int
    planned: str = ""
    source_size: int = -1  # of a copy: the file that it was copied from, when it was
    source_mtime_ns: int = 0
    redacted: bool = False
    shared: bool = False  # it holds what was there before, too


class MadeEntry(Model):
    """A table that a migration wrote into longwatch.toml: an agent, a route, a rule, a server."""

    table: str  # "agent", "approval.rule"
    name: str  # "" for tables without names
    digest: str


class Manifest(Model):
    """Everything that the last migration from one home has made here."""

    version: int = Field(default=_VERSION, le=_VERSION)
    system: str
    source: str
    scrubbed_by: str  # digest of the secrets that copies were cleaned of
    files: tuple[MadeFile, ...]
    entries: tuple[MadeEntry, ...]
    variables: tuple[str, ...]  # names that it wrote into the file of secrets

    @property
    def by_path(self) -> dict[str, MadeFile]:
        return {file.path: file for file in self.files}


def origin_key(system: str, source: str) -> str:
    """Names a home in file names."""
    return f"{system}-{hashlib.sha256(source.encode('utf-8', 'replace')).hexdigest()[:8]}"


def manifest_path(system: str, source: str) -> str:
    """Relative to the target."""
    return f"{STATE}/{origin_key(system, source)}.json"


def read_manifest(target: Path, system: str, source: str) -> Manifest | None:
    """The last migration from that home; None if there was none. Raises Refused."""
    path = target / manifest_path(system, source)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        return None
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from error
    try:
        return Manifest.model_validate_json(data)
    except ValidationError:
        raise Refused(
            f"{path} is not a list that this version of Longwatch wrote: move it away, or choose"
            " another --to"
        ) from None


def text_sha256(data: bytes) -> str:
    """Of what is in memory, in hexadecimal as a manifest keeps it."""
    return hashlib.sha256(data).hexdigest()
