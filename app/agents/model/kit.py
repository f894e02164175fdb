"""All that the built-in agent can call: its own tools, and those of MCP servers."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING

from pydantic_ai.tools import ToolDefinition

from app.agents.model.toolbox import Heard, Prepared, Result, Toolbox, Unusable
from app.agents.protocol import SessionSpec
from app.domain.text import one_line

if TYPE_CHECKING:
    from app.agents.model.served import Calling, Served


class Kit:
    """The tools of one session."""

    def __init__(self, spec: SessionSpec) -> None:
        self._spec, self._own = spec, Toolbox(spec)
        self._served: Served | None = None

    async def open(self) -> list[str]:
        """Start what must run; what the operator is to know. Raises DriverError."""
        if not self._spec.mcp:
            return []
        # Its library takes a second to import: not on the loop, and for nobody who has no servers.
        module = await asyncio.to_thread(importlib.import_module, "app.agents.model.served")
        self._served = module.Served(self._spec)
        return await self._served.open()

    async def refresh(self, *, begin: bool) -> list[str]:
        """Before a request to the model, or at a turn's beginning; what has changed."""
        return await self._served.refresh(begin=begin) if self._served else []

    async def close(self) -> None:
        """End what still runs."""
        try:
            await self._own.close()
        finally:
            if self._served is not None:
                await self._served.close()

    def definitions(self) -> list[ToolDefinition]:
        """As the model is told of them, at this moment."""
        own = [tool.definition() for tool in self._own.tools.values()]
        return [*own, *self._served.definitions()] if self._served else own

    async def prepare(self, name: str, arguments: str, call_id: str) -> Prepared | Calling:
        """Read a call and say what it would do. Raises Unusable."""
        if name in self._own.tools:
            return await self._own.prepare(name, arguments, call_id)
        served = self._served
        if served is not None and name in served:
            return served.prepare(name, arguments, call_id)
        known = ", ".join([*self._own.tools, *(served.names if served else ())])
        raise Unusable(f"there is no tool {one_line(name, 80)!r}; there are: {known}")

    def editable(self, prepared: Prepared | Calling) -> str | None:
        """The text of a call that a person may change before allowing it; None: there is none."""
        if isinstance(prepared, Prepared):
            return self._own.editable(prepared)
        assert self._served is not None
        return self._served.editable(prepared)

    def with_text(self, prepared: Prepared | Calling, text: str) -> str:
        """The arguments of a call, as JSON, with a person's text in place of that."""
        return self._own.with_text(prepared, text) if isinstance(prepared, Prepared) else text

    async def run(self, prepared: Prepared | Calling, heard: Heard) -> Result:
        """Make a call that was allowed; `heard` gets its output as it comes."""
        if isinstance(prepared, Prepared):
            return await self._own.run(prepared, heard)
        assert self._served is not None
        return await self._served.run(prepared)
