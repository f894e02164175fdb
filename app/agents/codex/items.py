"""Thread items by type: which call an item is, what it says, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping

from app.agents.codex import calls, models
from app.agents.protocol import ItemDone
from app.domain.session import ChunkKind
from app.domain.toolcall import ToolCall, ToolOutcome

Item = (
    models.AgentMessage
    | models.PlanItem
    | models.Reasoning
    | models.CommandExecution
    | models.FileChangeItem
    | models.McpToolCall
    | models.WebSearch
)
_TYPES: Mapping[str, type[Item]] = {
    "agentMessage": models.AgentMessage,
    "plan": models.PlanItem,
    "reasoning": models.Reasoning,
    "commandExecution": models.CommandExecution,
    "fileChange": models.FileChangeItem,
    "mcpToolCall": models.McpToolCall,
    "webSearch": models.WebSearch,
}


def read(raw: Mapping[str, object]) -> Item | None:
    """The item, or None for a type without a meaning here. Raises pydantic.ValidationError."""
    model = _TYPES.get(str(raw.get("type")))
    return model.model_validate(raw) if model else None


def call_of(item: Item) -> ToolCall | None:
    """The tool call that an item is, or None."""
    match item:
        case models.CommandExecution():
            return calls.command_call(item)
        case models.FileChangeItem():
            return calls.edit_call(item)
        case models.McpToolCall():
            return calls.mcp_call(item)
        case models.WebSearch():
            return calls.search_call(item)
        case _:
            return None


def may_ask(item: Item) -> bool:
    """Whether codex may still ask about an item that it has just started."""
    if isinstance(item, models.CommandExecution):
        return item.process_id is None
    return isinstance(item, models.FileChangeItem | models.McpToolCall)


def outcome_of(item: Item) -> ToolOutcome | None:
    """How a completed tool call ended, or None when the item is none."""
    match item:
        case models.CommandExecution():
            return calls.command_outcome(item)
        case models.FileChangeItem():
            return calls.plain_outcome(item.status)
        case models.McpToolCall():
            return calls.plain_outcome(item.status, item.error.message if item.error else "")
        case models.WebSearch():
            return ToolOutcome(ok=True)
        case _:
            return None


def spoken(item: Item) -> list[ItemDone]:
    """The text of a completed item, whole."""
    match item:
        case models.AgentMessage() | models.PlanItem():
            return [ItemDone(item.id, ChunkKind.MESSAGE, item.text)]
        case models.Reasoning():
            text = "\n\n".join((*item.summary, *item.content))
            return [ItemDone(item.id, ChunkKind.THOUGHT, text)] if text else []
        case models.CommandExecution():
            output = item.aggregated_output
            return [ItemDone(item.id, ChunkKind.OUTPUT, output)] if output else []
        case _:
            return []
