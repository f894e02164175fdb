"""The Codex driver: speaks `codex app-server` (JSON-RPC lines over stdio, protocol v2)."""

from app.agents.codex.binary import find_codex
from app.agents.codex.driver import CodexDriver

__all__ = ["CodexDriver", "find_codex"]
