"""Compaction: when a conversation grows too long, a summary takes the place of its older part.

Nothing is dropped: the messages stay in the file, and the summary counts only once it is in there
too. Calls stay together with their results, and the latest messages stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelResponse,
    ToolReturnPart,
)

from app.agents.model.attached import excess
from app.agents.model.conversation import Conversation
from app.agents.model.lineup import Lineup
from app.agents.model.requests import Requests
from app.domain.workflow import AgentConfig

_RECENT = 10  # messages that stay as they are
_GAIN = 10  # messages that a summary has to stand for
_DENSITY = 0.3  # tokens of a character, until one is told
_MESSAGES = ModelMessagesTypeAdapter
_LAST = 2  # messages that stay when few are too long
_GOOD_PART = 0.4  # of all that is not covered yet
_ASK = """\
Summarise this conversation for yourself: you will go on from the summary alone. Keep the task in
its own words, every instruction and denial of the operator with its reason, what was found out,
which files were changed and how, what is left to do, and exact names, paths and commands. Answer
with the summary only."""


class Compaction:
    """Watches the length of one conversation against what the model in use can hold."""

    def __init__(
        self, requests: Requests, lineup: Lineup, agent: AgentConfig, conversation: Conversation
    ) -> None:
        self._requests, self._lineup, self._conversation = requests, lineup, conversation
        self._percent = agent.compact_percent
        self._messages = agent.compact_messages
        self._density = _DENSITY  # tokens of a character, as last seen

    @property
    def _limit(self) -> int:
        return self._lineup.current.window * self._percent // 100

    async def if_due(self) -> str | None:
        """Compact when a threshold is passed; what was done, in words. Raises AgentRunError."""
        live = len(self._conversation.messages) - self._conversation.covers
        tokens = self._requests.context_tokens or self._reckoned()
        if tokens < self._limit and live < self._messages:
            return None
        return await self.now()

    def _reckoned(self) -> int:
        """Tokens of the next request, as long as no answer has told any: of a conversation that
        was taken up from elsewhere, or one that was just compacted."""
        return int(_size(self._conversation.to_send()) * self._density)

    async def now(self) -> str | None:
        """Compact; None when too few messages stand before the latest ones."""
        conversation, tokens = self._conversation, self._requests.context_tokens
        long = f"{tokens:,} tokens" if tokens else f"some {self._reckoned():,} tokens"
        messages, before = conversation.messages, conversation.covers
        target = _boundary(messages, before)
        if target is None and (tokens or self._reckoned()) >= self._limit:
            target = _boundary_of_few(messages, before)
        if target is None:
            return None
        while conversation.covers < target:
            covers = self._piece(target, tokens)
            kept = len(messages) - covers
            text = await self._requests.ask(conversation.to_send()[:-kept], _ASK)
            if not text:
                return None
            await conversation.add_summary(text, covers)
        self._requests.forget_context()
        return (
            f"compacted: {target - before} messages are now a summary of "
            f"{len(conversation.summary):,} characters ({long} before)"
        )

    def _piece(self, target: int, tokens: int) -> int:
        """How far the next summary reaches: as far as the model in use can read at once. What was
        sent last time fitted then, but perhaps to another model, that holds more."""
        conversation, window = self._conversation, self._lineup.current.window
        if 0 < tokens < window:
            return target
        sizes = [_size([m]) for m in conversation.messages]
        if tokens:
            self._density = tokens / max(1, sum(sizes[conversation.covers :]))
        room = window * self._percent / 100 / self._density - len(conversation.summary)
        reach = conversation.covers
        for at in range(conversation.covers + 1, target + 1):
            room -= sizes[at - 1]
            if room < 0 and reach > conversation.covers:
                break
            if _may_begin(conversation.messages[at]):
                reach = at
        return reach


def _size(messages: Sequence[ModelMessage]) -> int:
    """Characters, as a measure of tokens."""
    return len(_MESSAGES.dump_json(list(messages))) - excess(messages)


def _boundary(messages: Sequence[ModelMessage], covered: int) -> int | None:
    """How many messages the next summary stands for; None when there is nothing to gain."""
    for at in range(len(messages) - _RECENT, covered + _GAIN - 1, -1):
        if _may_begin(messages[at]):
            return at
    return None


def _boundary_of_few(messages: Sequence[ModelMessage], covered: int) -> int | None:
    """The same where few messages are too long: only the last ones stay, and only if those before
    them are a good part of all, so that it is not done again at once."""
    sizes = [len(_MESSAGES.dump_json([message])) for message in messages]
    whole = sum(sizes[covered:])
    for at in range(len(messages) - _LAST, covered, -1):
        if _may_begin(messages[at]):
            return at if sum(sizes[covered:at]) >= whole * _GOOD_PART else None
    return None


def _may_begin(message: ModelMessage) -> bool:
    """Results cannot come first: they need the calls before them."""
    return isinstance(message, ModelResponse) or not any(
        isinstance(part, ToolReturnPart) for part in message.parts
    )
