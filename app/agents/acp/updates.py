"""An ACP agent's updates as agent events. Pure: no I/O, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from acp import schema
from pydantic import ValidationError

from app.agents.acp.calls import Known, Piece, call_of, outcome_of
from app.agents.protocol import (
    AgentEvent,
    ItemDone,
    TextDelta,
    ToolFinished,
    ToolStarted,
    UsageReported,
)
from app.domain.session import ChunkKind, Usage
from app.domain.toolcall import ToolCall, ToolKind

_ITEM_CAP = 4 * 1024 * 1024  # characters; a longer message is cut into several
_CALLS = 10_000  # of one turn whose pieces are kept
_EFFECTS = (ToolKind.SHELL, ToolKind.EDIT, ToolKind.MCP)
_MARKS = {"completed": "x", "in_progress": ">", "pending": " "}


class Translator:
    """One per session; `begin` before each turn, then every update in order."""

    def __init__(self, used: Usage | None = None, servers: Sequence[str] = ()) -> None:
        """`used`: what the session used in an agent that is gone; `servers`: its MCP servers."""
        self._servers = servers
        self.ignored: Counter[str] = Counter()  # kinds of update without a meaning here
        self.message = ""  # the last whole message of this prompt
        self.unasked: ToolCall | None = None  # of this turn: had its effect without a question
        self.mode = ""  # as the agent says
        self._usage = used or Usage()
        self._cost_told = self._usage.cost_usd or 0.0  # by the agent at last, of its conversation
        self._items = 0
        self._open: tuple[ChunkKind, str | None, str] | None = None  # kind, the agent's id, ours
        self._pieces: list[str] = []
        self._size = 0
        self._known: dict[str, Known] = {}
        self._names: dict[str, str] = {}  # the agent's id of a call -> the id we know it by
        self._asked: Counter[str] = Counter()
        self._shown: set[str] = set()
        self._plan = ""

    def begin(self) -> None:
        """A new turn is about to start."""
        self.message = ""
        self.unasked = None
        self._known.clear()
        self._names.clear()
        self._asked.clear()
        self._shown.clear()

    def translate(self, update: object) -> list[AgentEvent]:
        """The events that an update means."""
        match update:
            case schema.AgentMessageChunk():
                said = self._said(ChunkKind.MESSAGE, update.message_id, update.content)
                return [*said, *self._used_in_passing(update.field_meta)]
            case schema.AgentThoughtChunk():
                return self._said(ChunkKind.THOUGHT, update.message_id, update.content)
            case schema.ToolCallStart() | schema.ToolCallProgress():
                return [*self.close_item(), *self._moved(update)]
            case schema.AgentPlanUpdate():
                return [*self.close_item(), *self._planned(update)]
            case schema.UsageUpdate():
                return self._context(update)
            case schema.CurrentModeUpdate():
                self.mode = update.current_mode_id
                note = f"its mode is now {update.current_mode_id}"
                return [*self.close_item(), ItemDone("", ChunkKind.NOTICE, note)]
        self.ignored[type(update).__name__] += 1
        return []

    # ---- text

    def _said(self, kind: ChunkKind, their_id: str | None, block: object) -> list[AgentEvent]:
        text = _text_of(block)
        if not text:
            return []
        events: list[AgentEvent] = []
        if self._open is None or self._open[:2] != (kind, their_id) or self._size > _ITEM_CAP:
            events = self.close_item()
            self._items += 1
            self._open = (kind, their_id, f"item-{self._items}")
        self._pieces.append(text)
        self._size += len(text)
        return [*events, TextDelta(self._open[2], kind, text)]

    def close_item(self) -> list[AgentEvent]:
        """What was being said is whole now."""
        if self._open is None:
            return []
        kind, _, item_id = self._open
        text = "".join(self._pieces)
        self._open, self._pieces, self._size = None, [], 0
        if kind is ChunkKind.MESSAGE:
            self.message = text
        return [ItemDone(item_id, kind, text)]

    def _planned(self, update: schema.AgentPlanUpdate) -> list[AgentEvent]:
        lines = [f"[{_MARKS.get(e.status, ' ')}] {e.content}" for e in update.entries]
        plan = "\n".join(lines)
        if not plan or plan == self._plan:
            return []
        self._plan = plan
        return [ItemDone("", ChunkKind.THOUGHT, plan)]

    # ---- tool calls

    def known(self, piece: Piece) -> Known:
        """All that is known of a call, with this piece."""
        their_id = piece.tool_call_id
        known = self._known.get(their_id)
        if known is None:
            if len(self._known) >= _CALLS:
                self._known.pop(next(iter(self._known)))
            known = self._known[their_id] = Known(their_id)
        known.merge(piece)
        return known

    def ask(self, piece: Piece) -> ToolCall:
        """The call that a permission request is about, under an id that no other question has."""
        known = self.known(piece)
        self._asked[known.call_id] += 1
        count = self._asked[known.call_id]
        name = known.call_id if count == 1 else f"{known.call_id}#{count}"
        self._names[known.call_id] = name
        return call_of(known, name, self._servers)

    def _moved(self, piece: Piece) -> list[AgentEvent]:
        known = self.known(piece)
        name = self._names.get(known.call_id, known.call_id)
        over = known.status in ("completed", "failed")
        events: list[AgentEvent] = []
        if known.call_id not in self._shown and (over or known.status == "in_progress"):
            call = call_of(known, name, self._servers)
            if over or call.kind is not ToolKind.SHELL or call.command is not None:
                self._shown.add(known.call_id)
                events.append(ToolStarted(call))
        if known.status == "completed" and not self._asked[known.call_id]:
            self._note_unasked(call_of(known, name, self._servers))
        if not over:
            return events
        if known.text:
            events.append(ItemDone(name, ChunkKind.OUTPUT, known.text))
        events.append(ToolFinished(name, outcome_of(known)))
        self._known.pop(known.call_id, None)
        return events

    def _note_unasked(self, call: ToolCall) -> None:
        if call.kind in _EFFECTS and self.unasked is None:
            self.unasked = call

    # ---- usage

    def _context(self, update: schema.UsageUpdate) -> list[AgentEvent]:
        changed: dict[str, float | None] = {
            "context_window": update.size or None,
            "context_tokens": update.used,
        }
        if update.cost is not None and update.cost.currency.upper() == "USD":
            changed["cost_usd"] = self._cost(update.cost.amount)
        self._usage = self._usage.model_copy(update=changed)
        return [UsageReported(self._usage)]

    def _cost(self, told: float) -> float:
        """All that the session has cost. What falls is told of a conversation that began anew."""
        more = told - self._cost_told if told >= self._cost_told else told
        self._cost_told = told
        return (self._usage.cost_usd or 0.0) + more

    def used(self, usage: schema.Usage | None) -> list[AgentEvent]:
        """The tokens that a prompt's end reports: of the whole session by the protocol. An agent
        whose figure does not grow reports the turn's instead (OpenCode 1.18)."""
        if usage is None:
            return []
        before = self._usage if usage.total_tokens <= self._usage.total_tokens else Usage()
        return self._count(usage, before)

    def _used_in_passing(self, meta: dict[str, Any] | None) -> list[AgentEvent]:
        """Qwen Code (0.15) tells the tokens of each model call in its own corner of a message."""
        told = (meta or {}).get("usage")
        if not isinstance(told, dict):
            return []
        try:
            return self._count(schema.Usage.model_validate(told), self._usage)
        except ValidationError:
            self.ignored["usage in _meta"] += 1
            return []

    def _count(self, usage: schema.Usage, before: Usage) -> list[AgentEvent]:
        self._usage = self._usage.model_copy(
            update={
                "input_tokens": before.input_tokens + usage.input_tokens,
                "output_tokens": before.output_tokens + usage.output_tokens,
                "cached_tokens": before.cached_tokens + (usage.cached_read_tokens or 0),
                "total_tokens": before.total_tokens + usage.total_tokens,
            }
        )
        return [UsageReported(self._usage)]


def _text_of(block: object) -> str:
    match block:
        case schema.TextContentBlock():
            return block.text
        case schema.ResourceContentBlock():
            return f"[{block.name}: {block.uri}]"
        case schema.EmbeddedResourceContentBlock():
            return f"[{block.resource.uri}]"
        case schema.ImageContentBlock():
            return "[an image]"
        case schema.AudioContentBlock():
            return "[a sound]"
    return ""
