"""What waits for a decision in an ACP session: the agent's questions, and ours about what it
wants to do through us without having asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from acp import schema

from app.agents.acp import options
from app.agents.acp.transport import Message, reply
from app.agents.protocol import Answer
from app.domain.approval import Action
from app.domain.errors import DriverError
from app.domain.toolcall import ToolCall, ToolKind

CANCELLED: Message = {"outcome": {"outcome": "cancelled"}}
OWN_CHOICES = ("allow", "deny")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of the agent: it waits for the reply to its request."""

    request_id: int | str
    call: ToolCall
    choices: Sequence[schema.PermissionOption]
    edits: Sequence[tuple[str, str, str]]  # path, old text, new text of what it shows


@dataclass(slots=True)
class Granted:
    """What was approved in this turn, and may be done through us without asking again."""

    edits: list[tuple[str, str, str]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def take(self, asked: Asked) -> None:
        """Remember an approved question."""
        self.edits += asked.edits
        if asked.call.kind is ToolKind.SHELL and asked.call.command:
            self.commands.append(asked.call.command)

    def spend_command(self, command: str) -> bool:
        """Whether the command was approved; each approval is good for one start."""
        if command not in self.commands:
            return False
        self.commands.remove(command)
        return True


class Questions:
    """The pending questions of a session, by our call id."""

    def __init__(self) -> None:
        self._asked: dict[str, Asked] = {}
        self._own: dict[str, asyncio.Future[Answer]] = {}
        self.granted = Granted()

    def begin(self) -> None:
        """A new turn: what was approved in the last one is not approved any more."""
        self.granted = Granted()

    def note(self, asked: Asked) -> None:
        self._asked[asked.call.call_id] = asked

    async def own(self, call_id: str) -> Answer:
        """The decision about a call that we make for the agent. Raises DriverError when nobody
        is there to decide any more."""
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._own[call_id] = waiting
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.cancelled():
                raise DriverError("the turn ended before it was decided") from None
            raise
        finally:
            self._own.pop(call_id, None)

    def answer(self, call_id: str, answer: Answer) -> tuple[ToolCall, Message] | None:
        """Take a question; the call and the reply to send, None for a question of our own.

        Raises DriverError when nobody waits for it, or the agent has no such option.
        """
        waiting = self._own.get(call_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
            return None
        asked = self._asked.get(call_id)
        if asked is None:
            raise DriverError(f"the agent no longer waits for an answer about call {call_id}")
        chosen = options.choose(answer, asked.choices)
        del self._asked[call_id]
        if answer.action is Action.ALLOW:
            self.granted.take(asked)
        outcome = {"outcome": {"outcome": "selected", "optionId": chosen}} if chosen else CANCELLED
        return asked.call, reply(asked.request_id, outcome)

    def drop_all(self) -> tuple[list[str], list[Message]]:
        """Give every question up: the ids of the calls, and the replies that say so."""
        calls = [*self._asked, *self._own]
        replies = [reply(asked.request_id, CANCELLED) for asked in self._asked.values()]
        self._asked.clear()
        for waiting in self._own.values():
            waiting.cancel()
        return calls, replies
