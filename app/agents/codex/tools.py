"""The tool calls of a turn: which began, which wait for an answer, which ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.agents.protocol import AgentEvent, ToolFinished, ToolStarted
from app.domain.toolcall import ToolCall, ToolOutcome

_ASKED_AGAIN = ToolOutcome(ok=False, summary="did not end; codex asked about it once more")


@dataclass(slots=True)
class _Item:
    call: ToolCall | None = None
    open_calls: list[ToolCall] = field(default_factory=list)  # each under a call id of its own
    started: set[str] = field(default_factory=set)  # call ids that were said to have begun
    ended: set[str] = field(default_factory=set)  # and those that were said to have ended
    questions: int = 0  # asked under the item's own id


class ToolTable:
    """Turns codex's item life cycle into ours.

    Codex starts an item and then asks about it; to us a call begins once it may. So a start
    that may be followed by a question is held back until the answer, the first sign of life
    or, by `release`, a short silence.
    """

    def __init__(self) -> None:
        self._items: dict[str, _Item] = {}
        self._held: dict[str, ToolCall] = {}

    @property
    def holding(self) -> bool:
        return bool(self._held)

    def known(self, item_id: str) -> ToolCall | None:
        item = self._items.get(item_id)
        return item.call if item else None

    def begun(self, tool: str) -> str | None:
        """The newest item that is a call of this tool and was not asked about."""
        for item_id, item in reversed(self._items.items()):
            if item.call is not None and item.call.tool == tool and not item.questions:
                return item_id
        return None

    def begin(self, call: ToolCall, *, hold: bool) -> list[AgentEvent]:
        """An item started."""
        item = self._items.setdefault(call.call_id, _Item())
        item.call = call
        self._held[call.call_id] = call
        return [] if hold else self.release(call.call_id)

    def ask(self, call: ToolCall, approval_id: str | None) -> tuple[ToolCall, list[AgentEvent]]:
        """A question about an item; returns the call under the id to answer by, and what
        became of an earlier question about the same item.

        Codex asks again under the same item id when a permitted command failed in its sandbox
        and is to run without: that is a second call.
        """
        item = self._items.setdefault(call.call_id, _Item())
        self._held.pop(call.call_id, None)
        before: list[AgentEvent] = []
        call_id = approval_id or call.call_id
        if approval_id is None:
            item.questions += 1
            before = [ToolFinished(open_.call_id, _ASKED_AGAIN) for open_ in item.open_calls]
            item.ended.update(open_.call_id for open_ in item.open_calls)
            item.open_calls.clear()
            if item.questions > 1:
                call_id = f"{call.call_id}#{item.questions}"
        asked = call.model_copy(update={"call_id": call_id})
        item.open_calls.append(asked)
        return asked, before

    def permit(self, call: ToolCall, item_id: str) -> list[AgentEvent]:
        """The question was answered with yes."""
        item = self._items.setdefault(item_id, _Item())
        if call.call_id in item.started | item.ended:
            return []
        item.started.add(call.call_id)
        return [ToolStarted(call)]

    def release(self, item_id: str | None = None) -> list[AgentEvent]:
        """Say of held calls (of one item, or all) that they began."""
        chosen = list(self._held) if item_id is None else [i for i in (item_id,) if i in self._held]
        events: list[AgentEvent] = []
        for held in chosen:
            call = self._held.pop(held)
            events += self.permit(call, held)
        return events

    def finish(self, item_id: str, outcome: ToolOutcome) -> list[AgentEvent]:
        """An item ended, and with it every open question about it."""
        events = self.release(item_id)
        item = self._items.pop(item_id, _Item())
        ids = [call.call_id for call in item.open_calls]
        if item_id in item.started - item.ended and item_id not in ids:
            ids.append(item_id)
        return [*events, *(ToolFinished(call_id, outcome) for call_id in ids or [item_id])]

    def clear(self) -> None:
        """The turn is over; what did not end in it never will under these ids."""
        self._items.clear()
        self._held.clear()
