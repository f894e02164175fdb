"""The questions codex waits on, and our decisions in its words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.agents.codex import asks, calls
from app.agents.codex.extras import Extra, ToolApproval, read
from app.agents.codex.tools import ToolTable
from app.agents.codex.wire import ServerRequest
from app.agents.protocol import AgentEvent, Answer, ApprovalAsked
from app.domain.approval import Action, Scope
from app.domain.errors import DriverError
from app.domain.toolcall import ToolCall

COMMAND = "item/commandExecution/requestApproval"
FILE_CHANGE = "item/fileChange/requestApproval"


@dataclass(frozen=True, slots=True)
class Question:
    """One pending approval; it belongs to the thread and turn that asked."""

    request_id: int | str
    thread_id: str
    turn_id: str
    item_id: str
    call: ToolCall
    offered: tuple[str, ...] | None  # None: the server named no choice


class Questions:
    """The pending approvals of a session, by our call id."""

    def __init__(self) -> None:
        self._pending: dict[str, Question | Extra] = {}

    def ask(self, request: ServerRequest, tools: ToolTable) -> list[AgentEvent]:
        """Note an approval request. Raises pydantic.ValidationError when it cannot be read."""
        if request.method == COMMAND:
            command = asks.CommandApproval.model_validate(request.params)
            call = calls.command_asked(command, tools.known(command.item_id))
            offered = _names(command.available_decisions)
            return self._note(request, command, call, command.approval_id, offered, tools)
        change = asks.FileChangeApproval.model_validate(request.params)
        call = calls.edit_asked(change, tools.known(change.item_id))
        return self._note(request, change, call, None, None, tools)

    def ask_more(self, request: ServerRequest, tools: ToolTable) -> list[AgentEvent]:
        """Note a request of another kind. Raises pydantic.ValidationError, or DriverError for one
        that cannot be put to anybody."""
        extra = read(request)
        before: list[AgentEvent] = []
        if isinstance(extra, ToolApproval) and (item_id := tools.begun(extra.call.tool)):
            asked = extra.call.model_copy(update={"call_id": item_id})
            extra.item_id = item_id
            extra.call, before = tools.ask(asked, None)
        self._pending[extra.call.call_id] = extra
        return [*before, ApprovalAsked(extra.call, ("allow", "deny"), editable=extra.editable)]

    def _note(
        self,
        request: ServerRequest,
        asked: asks.CommandApproval | asks.FileChangeApproval,
        call: ToolCall,
        approval_id: str | None,
        offered: tuple[str, ...] | None,
        tools: ToolTable,
    ) -> list[AgentEvent]:
        call, before = tools.ask(call, approval_id)
        self._pending[call.call_id] = Question(
            request_id=request.request_id,
            thread_id=asked.thread_id,
            turn_id=asked.turn_id,
            item_id=asked.item_id,
            call=call,
            offered=offered,
        )
        return [*before, ApprovalAsked(call, offered or ())]

    def take(self, call_id: str) -> Question | Extra | None:
        """The question, which is then no longer pending."""
        return self._pending.pop(call_id, None)

    def peek(self, call_id: str) -> Question | Extra:
        """The pending question. Raises DriverError when codex does not wait for it."""
        question = self._pending.get(call_id)
        if question is None:
            raise DriverError(f"codex no longer waits for an answer about call {call_id}")
        return question

    def resolved(self, request_id: int | str) -> str | None:
        """The server settled a request itself: the call id if we had not answered it."""
        for call_id, question in self._pending.items():
            if question.request_id == request_id:
                del self._pending[call_id]
                return call_id
        return None

    def drop_all(self) -> list[str]:
        """Forget every question; returns the call ids."""
        dropped = list(self._pending)
        self._pending.clear()
        return dropped


def decide(answer: Answer, question: Question) -> str:
    """codex's name for our answer. Raises DriverError when that is not among its choices.

    `decline` and `cancel` are always understood (seen with 0.169, also where
    `availableDecisions` leaves them out): the first lets the turn go on, the second ends it.
    """
    offered = question.offered
    if answer.action is Action.DENY:
        return "cancel" if answer.interrupt else "decline"
    if answer.scope is Scope.SESSION and "acceptForSession" in (offered or ()):
        return "acceptForSession"
    if offered is None or "accept" in offered:
        return "accept"
    raise DriverError(
        f"codex does not let call {question.call.call_id} be approved once; "
        f"it offers: {', '.join(offered)}"
    )


def _names(
    decisions: Iterable[str | dict[str, object]] | None,
) -> tuple[str, ...] | None:
    if decisions is None:
        return None
    return tuple(d if isinstance(d, str) else next(iter(d), "") for d in decisions)
