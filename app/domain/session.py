"""Sessions: one conversation with one agent, owned by exactly one (run, step, branch)."""

from datetime import datetime
from enum import StrEnum

from app.domain.attachment import Attachment
from app.domain.base import Model, ProcessId, RunId, SessionId, trusted
from app.domain.record import Record


class SessionState(StrEnum):
    """What a session is doing, as the operator sees it."""

    OPENING = "opening"
    IDLE = "idle"
    WORKING = "working"
    WAITING = "waiting"  # for an approval
    LOST = "lost"  # its agent is gone; resumed or restarted before the next turn
    CLOSED = "closed"


class Continuity(StrEnum):
    """How the conversation came to be; the pane says which."""

    FRESH = "fresh"
    RESUMED = "resumed"  # the agent's own transcript was taken up
    RESTARTED = "restarted"  # a new conversation from the checkpointed input


class StuckKind(StrEnum):
    """Why a session seems to get nowhere."""

    QUIET = "quiet"  # no word from its agent for a long time
    REPEATS = "repeats"  # the same call, again and again
    PROMPT = "prompt"  # a program of its waits for somebody to type


class Stuck(Model):
    """A session that seems to get nowhere; over at its agent's next word, or next other call."""

    kind: StuckKind
    why: str
    since: datetime


class Usage(Model):
    """Tokens and cost of a session so far."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    total_tokens: int = 0
    context_window: int | None = None  # tokens that fit
    context_tokens: int | None = None  # tokens in it now
    cost_usd: float | None = None  # where the agent or a price list says so


class Session(Record, frozen=True, kw_only=True):
    """A conversation and where it works. `native_id` is the agent's own id for it."""

    session_id: SessionId
    run_id: RunId
    step: str
    branch: str = ""
    agent: str
    driver: str
    workspace: str
    git_branch: str | None = None
    base_commit: str | None = None
    native_id: str | None = None
    continuity: Continuity = Continuity.FRESH
    state: SessionState = SessionState.OPENING
    turn: int = 0  # number of the latest turn, from 1
    turn_open: bool = False
    usage: Usage = trusted(Usage)
    opened_at: datetime
    closed_reason: str = ""
    stuck: Stuck | None = None
    attachments: tuple[Attachment, ...] = ()  # that were said to it; not those of the request
    fallback: str = ""  # the model in use in this turn, when it is not the agent's first


class Process(Model):
    """A child process, recorded before its first use so that a crash cannot orphan it."""

    process_id: ProcessId
    pid: int
    started: float  # the kernel's start time, seconds since the epoch: pid alone can be reused
    purpose: str  # e.g. "agent codex of session s-…", "gate tests"
    run_id: RunId | None = None
    session_id: SessionId | None = None
    epoch: int


class ChunkKind(StrEnum):
    """What a piece of transcript is, for drawing it."""

    PROMPT = "prompt"
    MESSAGE = "message"
    THOUGHT = "thought"
    TOOL = "tool"  # a tool call starting, one line
    OUTPUT = "output"  # what a tool printed
    NOTICE = "notice"  # said by Longwatch itself
    ERROR = "error"


class Chunk(Record, frozen=True, kw_only=True):
    """A piece of a session's transcript: kept outside the journal's chain.

    Text is printable already (see `app.domain.text`). `ordinal` counts from 1 without gaps
    within a session.
    """

    session_id: SessionId
    ordinal: int
    kind: ChunkKind
    item_id: str = ""
    text: str
    end: bool = False  # the item is complete
    at: datetime
