"""The driver for every agent that speaks the Agent Client Protocol.

Protocol: https://agentclientprotocol.com, version 1, through the official SDK (`acp`). The SDK
takes half a second to import, so only `driver` is imported with this package.
"""

from app.agents.acp.driver import AcpDriver

__all__ = ["AcpDriver"]
