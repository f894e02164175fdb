"""The server's notifications as agent events. Pure: no I/O, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from pydantic import ValidationError

from app.agents.codex import items, models
from app.agents.codex.failures import failure_of
from app.agents.codex.tools import ToolTable
from app.agents.codex.wire import Notification
from app.agents.protocol import AgentEvent, ItemDone, TextDelta, TurnDone, UsageReported
from app.agents.unreadable import unreadable
from app.domain.run import Failure, FailureKind
from app.domain.session import ChunkKind, Usage

_W = TypeVar("_W", bound=models.Wire)
_Handler = Callable[[dict[str, object]], list[AgentEvent]]
_DELTAS = {
    "item/agentMessage/delta": ChunkKind.MESSAGE,
    "item/plan/delta": ChunkKind.MESSAGE,
    "item/reasoning/textDelta": ChunkKind.THOUGHT,
    "item/reasoning/summaryTextDelta": ChunkKind.THOUGHT,
    "item/commandExecution/outputDelta": ChunkKind.OUTPUT,
}


class Translator:
    """One per session. `begin` before each turn; then every notification in order.

    Threads other than the session's own are those of sub-agents in the same process: their
    tool calls count, because they touch the workspace; what they say does not.
    """

    def __init__(self, thread_id: str) -> None:
        self.thread_id = thread_id
        self.used_before = Usage()  # by the session, in threads that are gone
        self.taken_up: Usage | None = None  # by the session until its thread was taken up
        self.turn_id: str | None = None
        self.tools = ToolTable()
        self.ignored: Counter[str] = Counter()  # methods and item types without a meaning here
        self._last_turn = ""  # its stragglers are not the next turn's
        self._said: set[str] = set()  # warnings that were shown once
        self._message = self._commentary = ""
        self._error: models.TurnError | None = None
        self._handlers: dict[str, _Handler] = {
            "turn/started": self._turn_started,
            "turn/completed": self._turn_completed,
            "item/started": self._item_started,
            "item/completed": self._item_completed,
            "item/reasoning/summaryPartAdded": self._part_added,
            "thread/tokenUsage/updated": self._usage,
            "error": self._failed,
            "warning": self._warning,
            "guardianWarning": self._warning,
            "configWarning": self._config_warning,
        }

    def begin(self) -> None:
        """A new turn is about to start."""
        self.turn_id = None
        self._message = self._commentary = ""
        self._error = None

    def took_turn(self, turn_id: str) -> None:
        """The server named the running turn, in its reply or by notification."""
        if turn_id != self._last_turn:
            self.turn_id = turn_id

    def translate(self, message: Notification) -> list[AgentEvent]:
        """The events that a notification means. One that we use but cannot read is told to the
        operator once per method; if it was the turn's end, the turn ends as failed."""
        method = message.method
        try:
            if kind := _DELTAS.get(method):
                return self._delta(kind, message.params)
            if handler := self._handlers.get(method):
                return handler(message.params)
        except ValidationError as error:
            return self._unreadable(method, error)
        self.ignored[method] += 1
        return []

    def _ours(self, thread_id: str, turn_id: str) -> bool:
        if thread_id != self.thread_id or turn_id == self._last_turn:
            return False
        return self.turn_id is None or turn_id == self.turn_id

    # ---- the turn

    def _turn_started(self, params: dict[str, object]) -> list[AgentEvent]:
        started = models.TurnNotification.model_validate(params)
        if started.thread_id == self.thread_id:
            self.took_turn(started.turn.id)
        return []

    def _turn_completed(self, params: dict[str, object]) -> list[AgentEvent]:
        done = models.TurnNotification.model_validate(params)
        if not self._ours(done.thread_id, done.turn.id):
            return []
        self._end_turn(done.turn.id)
        text = self._message or self._commentary
        status = done.turn.status
        if status == "inProgress":
            return [_protocol_failure("it completed a turn that it says is in progress")]
        if status == "failed":
            failure = failure_of(done.turn.error or self._error)
            return [TurnDone("failed", text, failure)]
        return [TurnDone(status, text)]

    def _end_turn(self, turn_id: str) -> None:
        self._last_turn = turn_id
        self.turn_id = None
        self.tools.clear()

    def _failed(self, params: dict[str, object]) -> list[AgentEvent]:
        failed = models.ErrorNotification.model_validate(params)
        if not self._ours(failed.thread_id, failed.turn_id):
            return []
        if not failed.will_retry:
            self._error = failed.error  # the end of the turn, which follows, tells it
            return []
        why = failed.error.additional_details or ""
        text = failed.error.message + (f" ({why})" if why else "")
        return [ItemDone("", ChunkKind.NOTICE, f"codex: {text}")]

    # ---- items

    def _item_started(self, params: dict[str, object]) -> list[AgentEvent]:
        note = models.ItemNotification.model_validate(params)
        item = items.read(note.item)
        if item is None or not self._counts(note, item):
            return []
        call = items.call_of(item)
        return self.tools.begin(call, hold=items.may_ask(item)) if call else []

    def _item_completed(self, params: dict[str, object]) -> list[AgentEvent]:
        note = models.ItemNotification.model_validate(params)
        item = items.read(note.item)
        if item is None:
            self.ignored[f"item {note.item.get('type')}"] += 1
            return []
        if not self._counts(note, item):
            return []
        if isinstance(item, models.AgentMessage) and item.phase == "commentary":
            self._commentary = item.text
        elif isinstance(item, models.AgentMessage | models.PlanItem):
            self._message = item.text
        events: list[AgentEvent] = list(items.spoken(item))
        if outcome := items.outcome_of(item):
            if self.tools.known(item.id) is None and (call := items.call_of(item)):
                events = [*self.tools.begin(call, hold=False), *events]
            events += self.tools.finish(item.id, outcome)
        return events

    def _counts(self, note: models.ItemNotification, item: items.Item) -> bool:
        if note.thread_id != self.thread_id:
            return items.call_of(item) is not None
        return self._ours(note.thread_id, note.turn_id)

    def _delta(self, kind: ChunkKind, params: dict[str, object]) -> list[AgentEvent]:
        delta = models.Delta.model_validate(params)
        if not delta.delta or not self._ours(delta.thread_id, delta.turn_id):
            return []
        started = self.tools.release(delta.item_id) if kind is ChunkKind.OUTPUT else []
        return [*started, TextDelta(delta.item_id, kind, delta.delta)]

    def _part_added(self, params: dict[str, object]) -> list[AgentEvent]:
        part = models.PartAdded.model_validate(params)
        if part.summary_index == 0 or not self._ours(part.thread_id, part.turn_id):
            return []
        return [TextDelta(part.item_id, ChunkKind.THOUGHT, "\n\n")]

    # ---- the rest

    def _usage(self, params: dict[str, object]) -> list[AgentEvent]:
        update = models.TokenUsageUpdated.model_validate(params)
        if update.thread_id != self.thread_id:
            return []
        thread = _used(update.token_usage.total)  # codex counts by thread
        if self.taken_up is not None:
            # It tells what the thread has used, unless a turn is already using more.
            running = update.turn_id == self.turn_id
            more = _used(update.token_usage.last if running else None)
            self.used_before = _sum(self.taken_up, _sum(thread, more, -1), -1)
            self.taken_up = None
        usage = _sum(self.used_before, thread)
        window = update.token_usage.model_context_window
        return [UsageReported(usage.model_copy(update={"context_window": window}))]

    def _warning(self, params: dict[str, object]) -> list[AgentEvent]:
        return self._once(models.WarningNotification.model_validate(params).message)

    def _config_warning(self, params: dict[str, object]) -> list[AgentEvent]:
        return self._once(models.ConfigWarning.model_validate(params).summary)

    def _once(self, text: str) -> list[AgentEvent]:
        if text in self._said:
            return []
        self._said.add(text)
        return [ItemDone("", ChunkKind.NOTICE, f"codex: {text}")]

    def _unreadable(self, method: str, error: ValidationError) -> list[AgentEvent]:
        self.ignored[method] += 1
        what = unreadable(method, error)
        if method == "turn/completed":
            self._end_turn(self.turn_id or "")
            return [_protocol_failure(what)]
        return self._once(f"a message cannot be read: {what}")


def _used(told: models.TokenBreakdown | None) -> Usage:
    if told is None:
        return Usage()
    return Usage(
        input_tokens=told.input_tokens,
        output_tokens=told.output_tokens,
        cached_tokens=told.cached_input_tokens,
        total_tokens=told.total_tokens,
    )


def _sum(one: Usage, other: Usage, sign: int = 1) -> Usage:
    """Both together or, for the sign -1, what one has used more than the other."""
    return Usage(
        input_tokens=max(0, one.input_tokens + sign * other.input_tokens),
        output_tokens=max(0, one.output_tokens + sign * other.output_tokens),
        cached_tokens=max(0, one.cached_tokens + sign * other.cached_tokens),
        total_tokens=max(0, one.total_tokens + sign * other.total_tokens),
    )


def _protocol_failure(what: str) -> TurnDone:
    message = f"codex speaks its protocol in a way that this version does not know: {what}"
    return TurnDone("failed", "", Failure(kind=FailureKind.PROTOCOL, message=message))
