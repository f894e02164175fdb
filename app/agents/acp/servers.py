"""The MCP servers of a session in the words of the Agent Client Protocol.

An ACP agent starts and calls them itself: what it asks about is put to the rules, and it sees the
variables that its servers are given.
"""

from __future__ import annotations

import asyncio
import shutil

from acp import schema

from app.agents import sandbox
from app.agents.protocol import McpLaunch, SessionSpec
from app.domain.errors import DriverError

Server = schema.HttpMcpServer | schema.SseMcpServer | schema.AcpMcpServer | schema.McpServerStdio


async def servers_of(spec: SessionSpec, hello: schema.InitializeResponse) -> list[Server]:
    """For `session/new` and its like. Raises DriverError for a server that the agent cannot use."""
    can = hello.agent_capabilities or schema.AgentCapabilities()
    by_http = can.mcp_capabilities is not None and bool(can.mcp_capabilities.http)
    found: list[Server] = []
    for launch in spec.mcp:
        if launch.server.command:
            found.append(await asyncio.to_thread(_program, launch, spec))
        elif by_http:
            found.append(_address(launch))
        else:
            name = launch.server.name
            raise DriverError(
                f"MCP server {name}: this agent takes none by `url`; give a `command`"
            )
    return found


def _program(launch: McpLaunch, spec: SessionSpec) -> Server:
    argv = list(launch.server.command)
    argv[0] = shutil.which(argv[0], path=launch.env.get("PATH")) or argv[0]
    if spec.agent.sandbox == sandbox.NAME:
        where = spec.workspace
        argv = sandbox.confined(
            argv, workspace=where, cwd=where, hidden=spec.hidden, visible=spec.visible
        )
    env = [schema.EnvVariable(name=name, value=value) for name, value in launch.given.items()]
    return schema.McpServerStdio(name=launch.server.name, command=argv[0], args=argv[1:], env=env)


def _address(launch: McpLaunch) -> Server:
    headers = [schema.HttpHeader(name=name, value=v) for name, v in launch.headers.items()]
    return schema.HttpMcpServer(
        type="http", name=launch.server.name, url=launch.server.url, headers=headers
    )
