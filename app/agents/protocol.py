"""The driver protocol: open, resume, prompt (a stream of typed events), answer, steer, close.

A driver never decides: it asks. It knows `app.domain` only; everything it needs of the
machine (processes) is handed to it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from msgspec import Struct, field

from app.domain.approval import Action, Scope
from app.domain.attachment import Attachment
from app.domain.base import Discreet
from app.domain.mcp import McpServer
from app.domain.run import Failure
from app.domain.session import ChunkKind, Continuity, Usage
from app.domain.toolcall import ToolCall, ToolOutcome
from app.domain.workflow import AgentConfig

if TYPE_CHECKING:
    from app.domain.past import PastHistory


class TextDelta(Struct, frozen=True):
    """A piece of streamed text. The driver passes it raw; the engine makes it printable."""

    item_id: str
    kind: ChunkKind
    text: str


class ItemDone(Struct, frozen=True):
    """An item is complete. `text` is the whole of it (for a message: the whole message)."""

    item_id: str
    kind: ChunkKind
    text: str


class ApprovalAsked(Struct, frozen=True):
    """The agent waits for an answer to this call (`AgentSession.answer` with its call_id)."""

    call: ToolCall
    offered: tuple[str, ...] = ()  # the agent's own names for the answers it accepts
    editable: str | None = None  # what of it a person may change before allowing it (EditsCalls)


class ApprovalGone(Struct, frozen=True):
    """The agent no longer waits for this answer (it was cancelled on its side)."""

    call_id: str
    why: str


class ToolStarted(Struct, frozen=True):
    """A tool call begins, asked for or not."""

    call: ToolCall


class ToolFinished(Struct, frozen=True):
    """A tool call ended (also one that was never asked for, or that was denied: ok=False)."""

    call_id: str
    outcome: ToolOutcome


class UsageReported(Struct, frozen=True):
    """All that the session has used so far: it takes the place of what was reported before."""

    usage: Usage


class Switched(Struct, frozen=True):
    """One of the agent's models is not to be had: it goes on with another, for this turn."""

    before: str
    model: str
    why: str


class TurnDone(Struct, frozen=True):
    """Always the last event of a prompt's stream. `text` is the agent's final message."""

    status: Literal["completed", "interrupted", "failed"]
    text: str = ""
    failure: Failure | None = None


AgentEvent = (
    TextDelta
    | ItemDone
    | ApprovalAsked
    | ApprovalGone
    | ToolStarted
    | ToolFinished
    | UsageReported
    | Switched
    | TurnDone
)


class SettledCall(Struct, frozen=True):
    """A tool call of the interrupted turn whose fate is known: must not be made again."""

    call: ToolCall
    fate: Literal["done", "denied", "run_again"]
    summary: str = ""


class AttachedFile(Discreet, frozen=True):
    """An attachment that lies in the session's workspace. The prompt's text names it there; a
    driver shows `data` to the agent besides, where the agent can look at such content."""

    unshown: ClassVar = ("data",)
    attachment: Attachment
    path: str  # in the workspace, relative
    workspace: str  # absolute
    data: bytes = b""  # its content, if that may be shown as it is

    @property
    def place(self) -> str:
        """Its absolute path."""
        return f"{self.workspace}/{self.path}"


class Prompt(Struct, frozen=True):
    """One turn. `turn` counts the session's turns from 1 and stays the same after a crash;
    `again` says that this turn was already begun once, `settled` what of it is known.
    `output_schema` is a JSON Schema of the final message, for drivers whose agents can be held
    to one; the text asks for the same in words."""

    text: str
    turn: int
    again: bool = False
    settled: tuple[SettledCall, ...] = ()
    output_schema: Mapping[str, Any] | None = None
    attachments: tuple[AttachedFile, ...] = ()


class Edited(Struct, frozen=True):
    """What a person made of a call: the text in place of `ApprovalAsked.editable`, and the call
    that follows from it, as it was shown and allowed."""

    text: str
    call: ToolCall


class Answer(Struct, frozen=True):
    """The decision about one call, in our words; the driver says it in the agent's."""

    action: Action  # allow or deny
    scope: Scope = Scope.ONCE  # SESSION only where the agent offers it; the engine keeps rules too
    reason: str = ""  # for the agent to read, on deny
    interrupt: bool = False  # on deny: end the turn as well
    edited: Edited | None = None  # on allow: this instead, or nothing if it is not that any more


class Process(Protocol):
    """A child process in its own process group, recorded in the journal before first use."""

    pid: int
    why: str  # for what the engine has ended it; "" if it has not
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader

    async def wait(self) -> int:
        """The return code once it has ended."""

    async def kill(self) -> None:
        """End the whole tree: SIGTERM, a short grace, SIGKILL; returns when it is reaped."""


class ProcessHost(Protocol):
    """Starts children for one owner; the engine implements it."""

    async def spawn(
        self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], purpose: str
    ) -> Process:
        """Start `argv`; `env` is the whole environment. Raises DriverError when it cannot start.

        stdout's reader has a line limit of 16 MiB.
        """


class McpLaunch(Discreet, frozen=True):
    """An MCP server that an agent has, with what is needed to reach it."""

    unshown: ClassVar = ("env", "headers", "given")
    server: McpServer
    env: Mapping[str, str] = {}  # its program's, the whole
    headers: Mapping[str, str] = {}  # of its address
    given: Mapping[str, str] = {}  # what `env` names of it


class SessionSpec(Discreet, frozen=True):
    """What a driver needs to open a session."""

    unshown: ClassVar = ("variables",)
    session_id: str
    agent: AgentConfig
    workspace: str  # absolute; the session's own
    env: Mapping[str, str]  # the child's whole environment, minimal, made by the engine
    processes: ProcessHost
    folder: str = ""  # absolute, private to the session and lasting; made by who needs it
    hidden: tuple[str, ...] = ()  # folders that its sandbox must not show: the store
    visible: tuple[str, ...] = ()  # of those, what it must show all the same: a mirror's repository
    clean: Callable[[str], str] = str  # takes secrets out of a text
    used: Usage | None = None  # by this session before, in agents that are gone
    # What was said before the session's first turn, without secrets; only driver "model" is given
    # any. Reading it raises LongwatchError.
    history: Callable[[], Awaitable[PastHistory]] | None = None
    # Where names of variables (`api_key_env`) are looked up; for the driver, not for its child.
    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)
    mcp: tuple[McpLaunch, ...] = ()


class AgentSession(Protocol):
    """One open conversation. One prompt at a time; answers come from another task."""

    native_id: str
    continuity: Continuity

    def prompt(self, prompt: Prompt) -> AsyncIterator[AgentEvent]:
        """Run one turn. The stream always ends with TurnDone, also when the agent dies
        (status failed, failure broken_pipe)."""

    async def answer(self, call_id: str, answer: Answer) -> None:
        """Answer an ApprovalAsked; returns when it is written to the agent.
        Raises DriverError when the agent no longer waits for it."""

    async def steer(self, text: str, attachments: Sequence[AttachedFile] = ()) -> None:
        """Say something to the agent during a turn. Raises DriverError when none runs."""

    async def interrupt(self) -> None:
        """End the running turn; its stream then ends with TurnDone(interrupted)."""

    async def close(self) -> None:
        """End the conversation and leave no child process."""


@runtime_checkable
class EditsCalls(Protocol):
    """A session whose calls a person can change before allowing them."""

    async def preview(self, call_id: str, text: str) -> ToolCall:
        """The call that it would be with `text` in place of what was editable; nothing is done.
        Raises DriverError when it cannot be, or is no longer waited for."""


class Driver(Protocol):
    """Opens sessions with one kind of agent."""

    name: str

    async def open(self, spec: SessionSpec) -> AgentSession:
        """Start a new conversation. Raises DriverError with one clear sentence."""

    async def resume(self, spec: SessionSpec, native_id: str) -> AgentSession:
        """Take up an earlier conversation, or start a new one if the agent has lost it
        (then `continuity` of the session is RESTARTED). Raises DriverError."""
