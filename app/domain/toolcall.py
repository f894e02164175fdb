"""What an agent wants to do, and how it ended."""

import hashlib
from enum import StrEnum

from app.domain.base import Model


class ToolKind(StrEnum):
    """The family a tool call belongs to, whatever the agent calls the tool."""

    SHELL = "shell"
    EDIT = "edit"
    READ = "read"
    FETCH = "fetch"
    PROCESS = "process"  # looks after a process that its session has started
    MCP = "mcp"  # a tool of an MCP server, `mcp:<server>/<tool>`
    QUESTION = "question"  # the agent wants to know something of a person
    OTHER = "other"


class FileChange(Model):
    """One file that a tool call would change."""

    path: str
    change: str = "update"  # add, update or delete
    diff: str = ""  # unified diff, or the whole text of an added file


class ToolCall(Model):
    """One action an agent asks for, in our words.

    `call_id` is the agent's own id and changes when a restarted agent asks again; the
    `fingerprint` stays, so a question that was open before a crash is recognised.
    """

    call_id: str
    tool: str
    kind: ToolKind
    title: str
    command: str | None = None
    cwd: str | None = None
    changes: tuple[FileChange, ...] = ()
    arguments: str = ""  # JSON text, as the agent sent it, capped
    reason: str | None = None  # why the agent says it wants this
    notes: tuple[str, ...] = ()  # what else is known of the tool, for who decides

    @property
    def fingerprint(self) -> str:
        """Equal for two calls that would do the same thing; independent of the agent's id."""
        same = self.model_copy(update={"call_id": "", "reason": None, "title": "", "notes": ()})
        return hashlib.sha256(same.model_dump_json().encode()).hexdigest()


class ToolOutcome(Model):
    """How a permitted tool call ended."""

    ok: bool
    exit_code: int | None = None
    summary: str = ""  # the end of its output, capped
