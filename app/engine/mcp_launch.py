"""What an agent's MCP servers need to be reached: environments and headers out of variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from app.agents.protocol import McpLaunch
from app.domain.errors import DriverError
from app.domain.mcp import McpServer
from app.domain.workflow import AgentConfig
from app.engine.environment import child_environment


def mcp_launches(
    agent: AgentConfig, servers: Iterable[McpServer], variables: Mapping[str, str]
) -> tuple[McpLaunch, ...]:
    """The agent's servers. Raises DriverError when a variable of one is not set."""
    wanted = [server for server in servers if server.name in agent.mcp]
    try:
        return tuple(mcp_launch(server, variables) for server in wanted)
    except DriverError as error:
        raise DriverError(f"agent {agent.name}: {error}") from error


def mcp_launch(server: McpServer, variables: Mapping[str, str]) -> McpLaunch:
    """How one server is reached. Raises DriverError."""
    _demand(server, server.variables, variables)
    headers = {header: variables[name] for header, name in server.header_env.items()}
    given = {name: variables[name] for name in server.env}
    env = child_environment(server.env, named=variables) if server.command else {}
    return McpLaunch(server, env, headers, given)


def _demand(server: McpServer, names: Sequence[str], variables: Mapping[str, str]) -> None:
    missing = [name for name in names if not variables.get(name)]
    if missing:
        raise DriverError(
            f"MCP server {server.name}: {', '.join(missing)} is not set where the supervisor runs; "
            "set it there, or put it into the file that `env_file` names"
        )
