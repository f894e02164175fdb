"""A small MCP server, made with the SDK: on stdin and stdout, or by HTTP on a free port.

python -m tests.support.mcp_server [--http PORT]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

server = MCPServer("notes")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def find(query: str) -> str:
    """Find notes."""
    return f"found: {query}"


@server.tool()
def write(path: str, text: str) -> str:
    """Write a note below the folder where this server runs."""
    Path(path).write_text(text)
    return f"{path} is written"


@server.tool()
def slowly(seconds: float) -> str:
    """Take some time."""
    time.sleep(seconds)
    return "over"


@server.tool()
def seen() -> str:
    """What this server sees of the environment."""
    return "\n".join(f"{name}={value}" for name, value in sorted(os.environ.items()))


@server.tool()
def fail() -> str:
    """Fail."""
    raise ValueError("of the weather")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int, default=0)
    options = parser.parse_args()
    if options.http:
        server.run("streamable-http", port=options.http)
    else:
        server.run("stdio")


if __name__ == "__main__":
    main()
