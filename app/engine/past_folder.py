"""Which past sessions a project has: found by looking, never by joining names to paths."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedReader, FileIO
from pathlib import Path

from app.domain.errors import NotFound, Refused
from app.domain.past import PastEntry, PastKind, PastSession
from app.domain.past_ref import PastId
from app.domain.text import one_line, printable
from app.migrate.openclaw.transcript import Line, parse
from app.migrate.openclaw.transcript_line import entries_of, moment

IMPORTED = Path(".longwatch", "imported")
_HEAD = 24 * 1024  # bytes at a file's start that are looked at for a list
_TAIL = 16 * 1024
_INDEX_LIMIT = 32 * 1024 * 1024  # bytes of sessions.json
_BUFFER = 1024 * 1024  # bytes read from a file at once
_TITLE = 120
_MESSAGE = re.compile(rb'"type"\s*:\s*"message"')
# Sessions as they are, and those that were put aside when a conversation was begun anew.
_NAME = re.compile(r"(?P<session>.+)\.jsonl(?P<aside>\.(?:reset|deleted)\.[^/]+)?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PastFile:
    """One file of a past session, as it stood when it was looked for."""

    past_id: PastId
    agent: str
    session: str
    path: Path
    mtime_ns: int
    size: int

    @property
    def name(self) -> str:
        """For messages: its place in the project."""
        return str(IMPORTED / self.agent / "sessions" / self.path.name)

    @property
    def key(self) -> tuple[str, int, int]:
        return str(self.path), self.mtime_ns, self.size


def find_files(root: Path, problems: list[str]) -> list[PastFile]:
    """All past sessions of the project at `root` (blocking). Links are not followed."""
    found: list[PastFile] = []
    for agent in _folders(root / IMPORTED, problems):
        for folder in _folders(Path(agent.path), problems):
            if folder.name == "sessions":
                found += _sessions(agent.name, folder, problems)
    return found


def _sessions(agent: str, folder: os.DirEntry[str], problems: list[str]) -> Iterator[PastFile]:
    for entry in _entries(Path(folder.path), problems):
        matched = _NAME.fullmatch(entry.name)
        if matched is None or not entry.is_file(follow_symlinks=False):
            continue
        try:
            stat = entry.stat(follow_symlinks=False)
        except OSError:  # gone between two looks
            continue
        session = printable(matched["session"] + (matched["aside"] or ""))
        past_id = PastId(f"{printable(agent)}/{session}")
        yield PastFile(
            past_id, printable(agent), session, Path(entry.path), stat.st_mtime_ns, stat.st_size
        )


def _folders(folder: Path, problems: list[str]) -> list[os.DirEntry[str]]:
    return [entry for entry in _entries(folder, problems) if entry.is_dir(follow_symlinks=False)]


def _entries(folder: Path, problems: list[str]) -> list[os.DirEntry[str]]:
    if folder.is_symlink():
        problems.append(f"{folder} is a link: it is not followed")
        return []
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(f"{folder} cannot be read: {error.strerror}")
        return []


def choose(files: list[PastFile], wanted: str) -> PastFile:
    """The session of that id, or of one that begins like it, with or without the agent's name.
    Raises NotFound, Refused."""
    exact = [f for f in files if wanted in (f.past_id, f.session)]
    found = exact or [
        f for f in files if f.past_id.startswith(wanted) or f.session.startswith(wanted)
    ]
    if not wanted or not found:
        raise NotFound(f"there is no past session {wanted}; `longwatch past list` lists them")
    if len(found) > 1:
        names = ", ".join(f.past_id for f in found[:5])
        raise Refused(f"{wanted} fits several past sessions: {names}")
    return found[0]


def open_file(file: PastFile) -> BufferedReader:
    """The file for reading, if it still is one. Raises NotFound."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return BufferedReader(FileIO(os.open(file.path, flags)), _BUFFER)
    except OSError as error:
        raise NotFound(f"{file.name} cannot be read: {error.strerror}") from error


# ---- what a list shows of a session, from the ends of its file


def summarise(file: PastFile, origin: str = "") -> PastSession:
    """One session for a list (blocking). Raises NotFound when it cannot be read."""
    with open_file(file) as opened:
        head = opened.read(_HEAD)
        whole = len(head) == file.size
        tail = head
        if not whole:
            opened.seek(max(0, file.size - _TAIL))
            tail = opened.read(_TAIL)
    started, title = _beginning(head)
    messages = len(_MESSAGE.findall(head))
    if not whole:
        messages = max(messages, round(messages * file.size / max(1, len(head))))
    return PastSession(
        past_id=file.past_id,
        agent=file.agent,
        session=file.session,
        title=title or ("(nobody says anything)" if whole else "(no words at its beginning)"),
        origin=origin,
        started=started,
        last=_ending(tail) or started or datetime.fromtimestamp(file.mtime_ns / 1e9, UTC),
        messages=messages,
        estimated=not whole,
        size=file.size,
    )


def _beginning(head: bytes) -> tuple[datetime | None, str]:
    """When it began, and the first words that a person says in it."""
    started: datetime | None = None
    for number, data in enumerate(head.split(b"\n"), 1):
        entries, at = _read(data, number)
        started = started or at
        said = next((e.text for e in entries if e.kind is PastKind.USER and e.text), "")
        if said:
            return started, one_line(said, _TITLE)
    return started, ""


def _ending(tail: bytes) -> datetime | None:
    """When the last line that has a time was written."""
    for data in reversed(tail.split(b"\n")):
        _, at = _read(data, 0)
        if at is not None:
            return at
    return None


def _read(data: bytes, number: int) -> tuple[list[PastEntry], datetime | None]:
    if not data.lstrip().startswith(b"{"):
        return [], None
    try:
        found = parse(Line(number, 0, len(data), data))
        entries = entries_of(found, number)
    except (ValueError, RecursionError):
        return [], None
    at = moment(found.get("timestamp"))
    return entries, at or next((entry.at for entry in entries if entry.at), None)


def origins(folder: Path) -> dict[str, str]:
    """From `sessions.json` beside the files: where each session was held, by session id."""
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(folder / "sessions.json", flags), "rb") as file:
            data = file.read(_INDEX_LIMIT + 1)
        found = json.loads(data) if len(data) <= _INDEX_LIMIT else {}
    except (OSError, ValueError, RecursionError):
        return {}  # it only names what is there without it
    if not isinstance(found, dict):
        return {}
    names: dict[str, str] = {}
    for key, value in found.items():
        if isinstance(value, dict) and isinstance(session := value.get("sessionId"), str):
            names[printable(session)] = one_line(key, 80)
    return names
