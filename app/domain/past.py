"""Past sessions: conversations that another system's agents had, brought over as they were."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from app.domain.base import Model
from app.domain.past_ref import PastId
from app.domain.text import one_line


class PastKind(StrEnum):
    """What an entry of a past session is."""

    USER = "user"
    ASSISTANT = "assistant"
    THOUGHT = "thought"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    SUMMARY = "summary"  # stands for what came before it
    NOTE = "note"  # about the conversation, not in it: another model, a line that cannot be read


class PastEntry(Model):
    """One thing that was said or done. Text is printable (see `app.domain.text`)."""

    line: int  # of the file, from 1; a line may hold several entries
    kind: PastKind
    text: str
    at: datetime | None = None
    tool: str = ""
    failed: bool = False
    images: int = 0  # that stood beside the text; they are not shown


class PastSession(Model):
    """One past session, as lists show it."""

    past_id: PastId
    agent: str
    session: str
    title: str  # the first words of a person in it
    origin: str = ""  # where it was held, such as a channel and a peer
    started: datetime | None = None
    last: datetime | None = None
    messages: int = 0
    estimated: bool = False  # `messages` is reckoned from parts of a large file
    size: int  # bytes


class PastList(Model):
    """The newest past sessions of a project."""

    folder: str  # where they are looked for
    sessions: tuple[PastSession, ...] = ()
    total: int = 0  # of all that are there
    problems: tuple[str, ...] = ()  # what could not be read, a sentence each


class PastPage(Model):
    """Some entries of one past session, in the order of its file."""

    session: PastSession
    first: int  # the line that was asked for
    entries: tuple[PastEntry, ...] = ()
    next: int | None = None  # the line after these; None: that was all
    bad: int = 0  # lines among these that are no entries
    problems: tuple[str, ...] = ()  # the first of those lines: place, and what is wrong


class PastCursor(Model):
    """Where a search goes on: behind a line of the session that was searched last."""

    past_id: PastId
    line: int = Field(ge=0)
    offset: int = Field(ge=0)  # bytes up to the end of that line


class PastHit(Model):
    """A place in a past session that a search has found."""

    past_id: PastId
    title: str
    entry: PastEntry  # its text is what stands around the words
    last: datetime | None = None  # of the session


class PastFound(Model):
    """Part of a search's result; `next` goes on where this ends."""

    hits: tuple[PastHit, ...] = ()
    next: PastCursor | None = None  # None: everything has been searched
    searched: int = 0  # sessions, up to here
    total: int = 0  # sessions there are


class PastHistory(Model):
    """What an agent that takes a past session up is told of it: its current branch, from its
    latest summary on."""

    session: PastSession
    entries: tuple[PastEntry, ...]
    left_out: int = 0  # older entries, for which there is no room
    images: int = 0  # that cannot be taken over


def around(text: str, at: int, length: int, room: int = 160) -> str:
    """One line of a text around a place in it, for a list of hits."""
    start = max(0, at - room // 3)
    piece = text[start : at + max(length, room)]
    return ("… " if start else "") + one_line(piece, room)
