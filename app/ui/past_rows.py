"""Past sessions as rows and picks: the list, what a search has found, what was said. No Textual."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.past import (
    PastCursor,
    PastEntry,
    PastHit,
    PastKind,
    PastList,
    PastPage,
    PastSession,
)
from app.domain.past_ref import PastId
from app.domain.text import one_line
from app.ui.marks import Mark
from app.ui.page import BLANK, Row, lines, row
from app.ui.rows import duration
from app.ui.widgets.queue import Pick

PAGE = 200  # entries asked for at once
MOST = 2_000  # entries of one session that are kept; older ones are read again when asked for
HITS = 100  # hits after which a search waits to be asked for more
BEFORE = 6  # lines before a hit that are shown with it
_GLIMPSE = 20  # lines of what a tool gave that are shown
_AGENT = 10  # cells of an agent's name in the list

_HEADS = {
    PastKind.USER: ("▶", "user", "heading"),
    PastKind.ASSISTANT: ("◆", "agent", "heading"),
    PastKind.THOUGHT: ("·", "thought", "quiet"),
    PastKind.TOOL_CALL: ("$", "call", "label"),
    PastKind.TOOL_RESULT: ("→", "result", "label"),
    PastKind.SUMMARY: ("≡", "summary", "heading"),
    PastKind.NOTE: ("–", "note", "quiet"),
}
_TONES = {
    PastKind.THOUGHT: "quiet",
    PastKind.TOOL_CALL: "code",
    PastKind.TOOL_RESULT: "quote",
    PastKind.SUMMARY: "quote",
    PastKind.NOTE: "quiet",
}


@dataclass(slots=True)
class PastReading:
    """The part of one past session that is on the page."""

    past_id: PastId
    first: int  # the line that it begins with
    hit: PastEntry | None = None  # what a search has found in it
    session: PastSession | None = None
    entries: list[PastEntry] = field(default_factory=list)
    next: int | None = None
    bad: int = 0
    problem: str = ""  # why it cannot be read

    def take(self, page: PastPage) -> None:
        """Go on with a page; one that would be too much begins anew."""
        if len(self.entries) + len(page.entries) > MOST:
            self.first, self.entries, self.hit = page.first, [], None
        self.session, self.next = page.session, page.next
        self.entries += page.entries
        self.bad += page.bad


@dataclass(slots=True)
class PastSearching:
    """A search under way, or done."""

    text: str
    hits: list[PastHit] = field(default_factory=list)
    next: PastCursor | None = None
    searched: int = 0
    total: int = 0
    busy: bool = True

    @property
    def says(self) -> str:
        """How far it is, in a sentence."""
        found = f"{len(self.hits):,} place{'s' * (len(self.hits) != 1)}"
        text = f"“{one_line(self.text, 40)}”: {found}"
        if self.busy:
            return f"{text}, searching… {self.searched:,} of {self.total:,} sessions"
        if self.next is not None:
            return f"{text} in {self.searched:,} of {self.total:,} sessions; m searches on"
        return f"{text} in all {self.total:,} sessions"


def session_picks(found: PastList, now: datetime) -> list[Pick]:
    """The list of sessions, as it is given: the newest first."""
    return [
        Pick(
            session.past_id,
            Mark("○", one_line(session.agent, _AGENT), "calm"),
            session.title,
            duration(now - session.last) if session.last else "",
            sub=_about(session),
        )
        for session in found.sessions
    ]


def _about(session: PastSession) -> str:
    reckoned = "some " if session.estimated else ""
    said = f"{reckoned}{session.messages:,} message{'s' * (session.messages != 1)}"
    return f"{said} · {session.origin}" if session.origin else said


def hit_picks(hits: Sequence[PastHit]) -> list[Pick]:
    """The places that a search has found; the item's id is its number."""
    return [
        Pick(
            str(number),
            Mark("○", one_line(hit.past_id.partition("/")[0], _AGENT), "calm"),
            hit.entry.text,
            f"{hit.entry.at:%d %b %Y}" if hit.entry.at else "",
            sub=one_line(hit.title, 200),
        )
        for number, hit in enumerate(hits)
    ]


def reading_rows(reading: PastReading) -> list[Row]:
    """What was said, entry by entry."""
    if reading.problem:
        return [row((reading.problem, "bad"))]
    if reading.session is None:
        return [row(("reading…", "quiet"))]
    found: list[Row] = []
    if reading.first > 1:
        says = f"… from line {reading.first:,}; Home reads from the first"
        found += [row((says, "quiet")), BLANK]
    for entry in reading.entries:
        found += [*_entry(entry, marked=_same(entry, reading.hit)), BLANK]
    if reading.next is not None:
        found.append(row(("… there is more below", "quiet")))
    elif not reading.entries:
        found.append(row(("nobody says anything in it", "quiet")))
    return found


def _same(entry: PastEntry, hit: PastEntry | None) -> bool:
    """Whether it is the hit, whose text is only a piece of the entry's."""
    return hit is not None and (entry.line, entry.kind) == (hit.line, hit.kind)


def _entry(entry: PastEntry, *, marked: bool) -> Iterator[Row]:
    glyph, word, tone = _HEADS[entry.kind]
    when = f"  {entry.at:%Y-%m-%d %H:%M}" if entry.at else ""
    failed = ", failed" if entry.failed else ""
    head = f"{glyph} {word}{f' {entry.tool}' if entry.tool else ''}{failed}"
    if entry.images:
        head += f", {entry.images} image{'s' * (entry.images != 1)}"
    tone = "need" if marked else "bad" if entry.failed else tone
    found = "  ◀ found" if marked else ""
    yield row((head, tone), (when, "quiet"), (found, "need"), anchor="found" if marked else "")
    if not entry.text:
        return
    body = list(lines(entry.text, tone=_TONES.get(entry.kind, ""), first="  ", rest="  "))
    shown = body[:_GLIMPSE] if entry.kind is PastKind.TOOL_RESULT else body
    yield from shown
    if len(body) > len(shown):
        more = f"  … {len(body) - len(shown):,} more lines: `longwatch past show` has them"
        yield row((more, "quiet"))


def empty_rows(found: PastList) -> list[Row]:
    """What to do when there are none."""
    return [
        row(("No past sessions here.", "strong")),
        BLANK,
        *lines("They are conversations that your agents had before they moved in."),
        BLANK,
        row("`longwatch migrate openclaw` brings them over, into"),
        row((found.folder, "code")),
        *(r for problem in found.problems for r in (BLANK, row((problem, "bad")))),
    ]
