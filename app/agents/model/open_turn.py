"""The running turn of a conversation with a model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.agents.model.conversation import OpenCall
from app.agents.model.toolbox import Prepared
from app.agents.protocol import AgentEvent, Answer, Prompt
from app.agents.stream import EventStream
from app.domain.run import Failure

if TYPE_CHECKING:
    from pydantic_ai.messages import UserContent

    from app.agents.model.served import Calling


class Stopped(Exception):
    """The operator denied a call and wants the turn to end."""


class Failed(Exception):
    """The turn cannot go on."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(slots=True)
class Question:
    """A call that waits for its answer."""

    call: OpenCall
    prepared: Prepared | Calling
    answer: asyncio.Future[Answer]


@dataclass(slots=True)
class OpenTurn:
    """One turn, from its prompt to its end."""

    prompt: Prompt
    stream: EventStream
    waiting: dict[str, Question] = field(default_factory=dict)  # by the name it is asked under
    steering: list[str | list[UserContent]] = field(default_factory=list)
    asked: int = 0
    mistakes: int = 0
    tries: int = 0  # to get an answer of a model

    def push(self, *events: AgentEvent) -> None:
        self.stream.push(events)
