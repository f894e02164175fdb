"""Reading and searching past sessions: blocking, streamed, and stopped when nobody waits."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from app.domain.errors import NotFound, Refused
from app.domain.past import (
    PastCursor,
    PastEntry,
    PastHistory,
    PastHit,
    PastKind,
    PastSession,
    around,
)
from app.engine.past_folder import PastFile, open_file
from app.migrate.openclaw.branch import current_branch
from app.migrate.openclaw.transcript import Faults, Line, entries, lines

Clean = Callable[[str], str]
SLICE = 32 * 1024 * 1024  # bytes that one call searches; the next goes on from there
_PAGE_TEXT = 512 * 1024  # characters of a page, besides what its last line adds
_HISTORY_TEXT = 1024 * 1024  # characters of a history: some 250,000 tokens
_TELLS = frozenset(set(PastKind) - {PastKind.NOTE, PastKind.THOUGHT})  # what an agent is told


def safe(entry: PastEntry, clean: Clean) -> PastEntry:
    """An entry without secrets."""
    text = clean(entry.text)
    return entry if text == entry.text else entry.model_copy(update={"text": text})


# ---- a page


@dataclass(frozen=True, slots=True)
class Read:
    """What a page holds, and the line and offset after it; None at the end of the file."""

    entries: tuple[PastEntry, ...]
    faults: Faults
    after: tuple[int, int] | None


def read_page(file: PastFile, first: int, start: tuple[int, int], limit: int, clean: Clean) -> Read:
    """Entries from line `first` on; `start` is a line not after it and that line's offset."""
    faults, found = Faults(file.name), list[PastEntry]()
    room = _PAGE_TEXT
    with open_file(file) as opened:
        opened.seek(start[1])
        for line in lines(opened, number=start[0], offset=start[1]):
            if line.number < first:
                continue
            if len(found) >= limit or room <= 0:
                return Read(tuple(found), faults, (line.number, line.offset))
            new = [safe(entry, clean) for entry in entries(iter((line,)), faults)]
            room -= sum(len(entry.text) for entry in new)
            found += new
    return Read(tuple(found), faults, None)


# ---- a search


class Needle:
    """The words that an entry must have, all of them, in whatever case."""

    def __init__(self, text: str) -> None:
        self._words = [word.casefold() for word in text.split()]
        if not self._words:
            raise Refused("a search needs some words")
        # Such words stand in the file's JSON as they are: most lines need not be parsed.
        self._plain = [word for word in self._words if word.isalnum()]
        self._ascii = [word.encode() for word in self._plain if word.isascii()]
        self._beyond = len(self._ascii) < len(self._plain)

    def may_be_in(self, data: bytes) -> bool:
        """Whether the line is worth parsing."""
        if b"\\u" in data:
            return True  # a letter may be written so, or a colour stand in the middle of a word
        if data.isascii():
            small = data.lower()
            return not self._beyond and all(word in small for word in self._ascii)
        folded = data.decode("utf-8", "replace").casefold()
        return all(word in folded for word in self._plain)

    def find(self, text: str) -> tuple[int, int] | None:
        """Where the first of the words stands, and its length; None unless all are there."""
        small = text.casefold()
        if not all(word in small for word in self._words):
            return None
        return small.find(self._words[0]), len(self._words[0])


@dataclass(slots=True)
class Slice:
    """What one call of a search has found, and where the next goes on."""

    hits: list[PastHit]
    next: PastCursor | None = None
    searched: int = 0


def search(
    files: Sequence[tuple[PastFile, PastSession]],
    needle: Needle,
    after: PastCursor | None,
    limit: int,
    clean: Clean,
    stop: threading.Event,
) -> Slice:
    """Search files in their order, from behind `after`, for a while or until `limit` hits."""
    first = _place(files, after)
    found = Slice([], searched=first)
    room, done = SLICE, (after.line, after.offset) if after else (0, 0)
    for file, session in files[first:]:
        for at, hits in _lines_of(file, session, needle, done, clean):
            found.hits += hits
            room -= at.size
            if stop.is_set() or room <= 0 or len(found.hits) >= limit:
                end = at.offset + at.size
                found.next = PastCursor(past_id=file.past_id, line=at.number, offset=end)
                return found
        done = (0, 0)
        found.searched += 1
    return found


def _place(files: Sequence[tuple[PastFile, PastSession]], after: PastCursor | None) -> int:
    if after is None:
        return 0
    for index, (file, _) in enumerate(files):
        if file.past_id == after.past_id:
            return index
    raise Refused(f"past session {after.past_id} has gone meanwhile: search again")


def _lines_of(
    file: PastFile, session: PastSession, needle: Needle, done: tuple[int, int], clean: Clean
) -> Iterator[tuple[Line, list[PastHit]]]:
    """As `_search_file`; a file that has gone since it was listed has no lines."""
    with suppress(NotFound):
        yield from _search_file(file, session, needle, done, clean)


def _search_file(
    file: PastFile, session: PastSession, needle: Needle, done: tuple[int, int], clean: Clean
) -> Iterator[tuple[Line, list[PastHit]]]:
    faults = Faults(file.name)
    with open_file(file) as opened:
        opened.seek(done[1])
        for line in lines(opened, number=done[0] + 1, offset=done[1]):
            hits: list[PastHit] = []
            if line.data is not None and needle.may_be_in(line.data):
                for entry in entries(iter((line,)), faults):
                    # Taking secrets out costs more than looking: only for what is found.
                    if needle.find(entry.text) is None:
                        continue
                    if (hit := _hit(session, safe(entry, clean), needle)) is not None:
                        hits.append(hit)
            yield line, hits


def _hit(session: PastSession, entry: PastEntry, needle: Needle) -> PastHit | None:
    place = needle.find(entry.text) if entry.kind is not PastKind.NOTE else None
    if place is None:
        return None
    shown = entry.model_copy(update={"text": around(entry.text, *place)})
    return PastHit(past_id=session.past_id, title=session.title, entry=shown, last=session.last)


# ---- a history


def digest(file: PastFile) -> str:
    """SHA-256 of the file, hex."""
    with open_file(file) as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def read_history(file: PastFile, session: PastSession, sha256: str, clean: Clean) -> PastHistory:
    """The current branch of the file, which must still have the content that was pinned.
    Raises Refused when it has not."""
    faults = Faults(file.name)
    with open_file(file) as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != sha256:
            raise Refused(
                f"{file.name} has changed since the run was started: what it begins with is not "
                "there any more; put it back and retry, or take the session up anew"
            )
        opened.seek(0)
        branch = current_branch(lines(opened))
        opened.seek(0)
        kept: deque[PastEntry] = deque()
        summary: list[PastEntry] = []
        room, left_out, images = _HISTORY_TEXT, 0, 0
        for line in lines(opened):
            if line.number not in branch.lines and line.number != branch.summary:
                continue
            for entry in entries(iter((line,)), faults):
                if entry.kind not in _TELLS:
                    continue
                images += entry.images
                if line.number == branch.summary:
                    summary.append(safe(entry, clean))
                    continue
                kept.append(safe(entry, clean))
                room -= len(entry.text)
                while room < 0 and len(kept) > 1:
                    room += len(kept.popleft().text)
                    left_out += 1
    told = (*summary, *kept)
    return PastHistory(session=session, entries=told, left_out=left_out, images=images)
