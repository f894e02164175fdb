"""Servers of the Model Context Protocol: tools that agents are given besides their own."""

from collections.abc import Iterator

from pydantic import Field

from app.domain.base import Model
from app.domain.gate import Name, Seconds, Text
from app.domain.late_pattern import LatePattern
from app.domain.named import address_problem, header_problem, variable_problem
from app.domain.toml_lines import KeyPath

_PREFIX = "mcp:"
_FOREIGN = LatePattern(r"mcp__([A-Za-z][A-Za-z0-9_-]*?)__(\S+)")


class McpServer(Model):
    """`[[mcp]]`: a program that speaks the protocol on its stdin and stdout, or an address."""

    name: Name
    command: tuple[Text, ...] = ()
    env: tuple[str, ...] = ()  # names of variables that the program may see
    url: str = ""
    header_env: dict[str, str] = Field(default_factory=dict)  # header -> variable with its value
    start_seconds: Seconds = 30  # to begin, and to list its tools
    call_seconds: Seconds = 300  # for the answer to one call

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of all variables that it needs."""
        return (*self.env, *self.header_env.values())


def tool_name(server: str, tool: str) -> str:
    """What rules, tool lists and cards call a server's tool."""
    return f"{_PREFIX}{server}/{tool}"


def named_elsewhere(name: str) -> str | None:
    """Our name for a tool that an agent calls `mcp__server__tool`; None for any other."""
    found = _FOREIGN.compiled.fullmatch(name)
    return tool_name(found[1], found[2]) if found else None


def server_of(name: str) -> str:
    """The server in a tool's name of ours."""
    return name.removeprefix(_PREFIX).partition("/")[0]


def server_problems(at: KeyPath, server: McpServer) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with one server's table."""
    if bool(server.command) == bool(server.url):
        yield at, 'needs either `command`, such as ["npx", "some-server"], or `url`'
    if server.url:
        if problem := address_problem(server.url):
            yield (*at, "url"), problem
        if server.env:
            yield (*at, "env"), "only with `command`; for a url, `header_env` names variables"
    elif server.header_env:
        yield (*at, "header_env"), "only with `url`; for a command, `env` names variables"
    for i, name in enumerate(server.env):
        if problem := variable_problem(name):
            yield (*at, "env", i), problem
    for header, name in server.header_env.items():
        if problem := header_problem(header) or variable_problem(name):
            yield (*at, "header_env", header), problem
