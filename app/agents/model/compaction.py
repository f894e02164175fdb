"""Compaction: when a conversation grows too long, a summary takes the place of its older part.

Nothing is dropped: the messages stay in the file, and the summary counts only once it is in there
too. Calls stay together with their results, and the latest messages stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_ai.messages import ModelMessage, ModelResponse, ToolReturnPart

from app.agents.model.conversation import Conversation
from app.agents.model.requests import Requests
from app.domain.workflow import AgentConfig

_RECENT = 10  # messages that stay as they are
_GAIN = 10  # messages that a summary has to stand for
_ASK = """\
Summarise this conversation for yourself: you will go on from the summary alone. Keep the task in
its own words, every instruction and denial of the operator with its reason, what was found out,
which files were changed and how, what is left to do, and exact names, paths and commands. Answer
with the summary only."""


class Compaction:
    """Watches the length of one conversation."""

    def __init__(self, requests: Requests, agent: AgentConfig, conversation: Conversation) -> None:
        self._requests, self._conversation = requests, conversation
        self._tokens = agent.context_tokens * agent.compact_percent // 100
        self._messages = agent.compact_messages

    async def if_due(self) -> str | None:
        """Compact when a threshold is passed; what was done, in words. Raises AgentRunError."""
        live = len(self._conversation.messages) - self._conversation.covers
        if self._requests.context_tokens < self._tokens and live < self._messages:
            return None
        return await self.now()

    async def now(self) -> str | None:
        """Compact; None when too few messages stand before the latest ones."""
        conversation, tokens = self._conversation, self._requests.context_tokens
        covers = _boundary(conversation.messages, conversation.covers)
        if covers is None:
            return None
        # What was sent last time fitted; its older part fits too.
        kept = len(conversation.messages) - covers
        text = await self._requests.ask(conversation.to_send()[:-kept], _ASK)
        if not text:
            return None
        count = covers - conversation.covers
        await conversation.add_summary(text, covers)
        self._requests.forget_context()
        return (
            f"compacted: {count} messages are now a summary of {len(text):,} characters "
            f"({tokens:,} tokens before)"
        )


def _boundary(messages: Sequence[ModelMessage], covered: int) -> int | None:
    """How many messages the next summary stands for; None when there is nothing to gain."""
    for at in range(len(messages) - _RECENT, covered + _GAIN - 1, -1):
        message = messages[at]
        # Results cannot come first: they need the calls before them.
        if isinstance(message, ModelResponse) or not any(
            isinstance(part, ToolReturnPart) for part in message.parts
        ):
            return at
    return None
