"""The tools of the built-in agent: what the model may call, with which arguments."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field
from pydantic_ai.tools import ToolDefinition

from app.domain.base import Model
from app.domain.tool_list import offers
from app.domain.toolcall import ToolKind
from app.domain.workflow import AgentConfig

MAX_SECONDS = 3600


class ReadFile(Model):
    """Read a text file of the workspace. Lines are numbered from 1."""

    path: str = Field(min_length=1, description="relative to the workspace")
    line: int = Field(default=1, ge=1, description="the first line to give")
    limit: int = Field(default=2000, ge=1, le=10_000, description="how many lines at most")


class ListFiles(Model):
    """List the files below a folder of the workspace, folders with a slash at their end."""

    path: str = Field(default=".", min_length=1, description="relative to the workspace")
    depth: int = Field(default=2, ge=1, le=20, description="how many levels deep")


class Search(Model):
    """Search the text of files with an extended regular expression (as `grep -E`)."""

    pattern: str = Field(min_length=1)
    path: str = Field(default=".", min_length=1, description="a file, or a folder to look below")
    glob: str = Field(default="", description="only files with such a name: *.py")
    ignore_case: bool = False


class EditFile(Model):
    """Replace a piece of a file. `old` has to stand in it exactly once, or set `every`."""

    path: str = Field(min_length=1, description="relative to the workspace")
    old: str = Field(min_length=1, description="the exact text that is there now")
    new: str = Field(description="what it becomes")
    every: bool = Field(default=False, description="replace every place where it stands")


class WriteFile(Model):
    """Write a whole file; its folders are made, and what was in it is replaced."""

    path: str = Field(min_length=1, description="relative to the workspace")
    content: str


class Shell(Model):
    """Run a command in the workspace with bash (or sh), and wait for its end."""

    command: str = Field(min_length=1)
    timeout_seconds: int = Field(default=120, ge=1, le=MAX_SECONDS)


class Fetch(Model):
    """Get a page or file from the web by HTTP. Text only; redirections are told, not followed."""

    url: str = Field(pattern=r"^https?://[^\s]+$")


class ProcessStart(Model):
    """Start a command that goes on while you do something else, such as a server."""

    command: str = Field(min_length=1)


class ProcessPoll(Model):
    """Give what a started process has printed since the last time, and whether it runs."""

    process: str
    wait_seconds: int = Field(default=0, ge=0, le=60, description="wait so long for its end")


class ProcessWrite(Model):
    """Write a line to the input of a started process."""

    process: str
    text: str
    end: bool = Field(default=False, description="close its input afterwards")


class ProcessKill(Model):
    """End a started process and all that it started."""

    process: str


class ProcessList(Model):
    """List the processes that you have started."""


Arguments = (
    ReadFile
    | ListFiles
    | Search
    | EditFile
    | WriteFile
    | Shell
    | Fetch
    | ProcessStart
    | ProcessPoll
    | ProcessWrite
    | ProcessKill
    | ProcessList
)


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool by its name, and what family of action it is."""

    name: str
    arguments: type[Arguments]
    kind: ToolKind
    reads: bool = False  # offered to a session that may only read
    editable: str = ""  # the argument that a person may change before allowing a call

    def definition(self) -> ToolDefinition:
        """As the model is told of it."""
        schema = self.arguments.model_json_schema()
        about = " ".join(str(schema.pop("description")).split())
        schema.pop("title", None)
        return ToolDefinition(name=self.name, description=about, parameters_json_schema=schema)


_TOOLS = (
    Tool("read_file", ReadFile, ToolKind.READ, reads=True),
    Tool("list_files", ListFiles, ToolKind.READ, reads=True),
    Tool("search", Search, ToolKind.READ, reads=True),
    Tool("edit_file", EditFile, ToolKind.EDIT, editable="new"),
    Tool("write_file", WriteFile, ToolKind.EDIT, editable="content"),
    Tool("shell", Shell, ToolKind.SHELL, editable="command"),
    Tool("fetch", Fetch, ToolKind.FETCH, reads=True, editable="url"),
    Tool("process_start", ProcessStart, ToolKind.SHELL, editable="command"),
    Tool("process_poll", ProcessPoll, ToolKind.PROCESS),
    Tool("process_write", ProcessWrite, ToolKind.PROCESS, editable="text"),
    Tool("process_kill", ProcessKill, ToolKind.PROCESS),
    Tool("process_list", ProcessList, ToolKind.PROCESS),
)


def tools_for(agent: AgentConfig) -> dict[str, Tool]:
    """The tools of its own that a session may use, by name."""
    reader = agent.sandbox == "read-only"
    return {
        tool.name: tool
        for tool in _TOOLS
        if (tool.reads or not reader) and offers(agent, tool.name)
    }
