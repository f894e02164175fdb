"""What `longwatch doctor` says of the project's MCP servers: each is started and asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.project import project_root
from app.domain.errors import DriverError, Refused
from app.domain.mcp import McpServer
from app.domain.workflow import AgentConfig

if TYPE_CHECKING:
    from app.agents.protocol import ProcessHost
    from app.domain.config import Config


@dataclass(frozen=True, slots=True)
class Tried:
    """One server: its tools, or what is wrong with it."""

    name: str
    tools: str
    wrong: str = ""


def try_servers() -> list[Tried]:
    """Every server of the project here. Raises ConfigError for one that cannot be loaded."""
    from app.engine.environment import Variables
    from app.engine.project import load_project
    from app.engine.project_names import CONFIG_FILE

    try:
        root = project_root(None)
    except Refused:
        return []
    if not (root / CONFIG_FILE).exists():
        return []
    config = load_project(root).config
    return asyncio.run(_try(config, root, Variables().of(config.env_file))) if config.mcp else []


async def _try(config: Config, root: Path, variables: Mapping[str, str]) -> list[Tried]:
    from app.domain.events import Payload
    from app.engine.processes import ProcessRegistry
    from app.engine.system import RandomIds, SystemClock

    async def record(event: Payload) -> None:
        """Nothing is kept: all of them are ended before this command is."""

    ids = RandomIds()
    registry = ProcessRegistry(record, SystemClock(), ids, 1, ids.new("doctor"))
    host = registry.host(None)
    try:
        trying = (_one(server, config, root, variables, host) for server in config.mcp)
        return list(await asyncio.gather(*trying))
    finally:
        await registry.close()


async def _one(
    server: McpServer, config: Config, root: Path, variables: Mapping[str, str], host: ProcessHost
) -> Tried:
    from app.agents.mcp.connection import Connection
    from app.agents.protocol import SessionSpec
    from app.engine.mcp_launch import mcp_launch

    nobody = AgentConfig(name="doctor", driver="model")
    agent = next((agent for agent in config.agent if server.name in agent.mcp), nobody)
    spec = SessionSpec("doctor", agent, str(root), {}, host)
    try:
        connection = Connection(mcp_launch(server, variables), spec)
        try:
            await connection.open()
            names = [tool.name for tool in await connection.tools()]
        finally:
            await connection.close()
    except DriverError as error:
        return Tried(server.name, "cannot be used", str(error))
    return Tried(server.name, f"its tools: {', '.join(names)}" if names else "it has no tools")
