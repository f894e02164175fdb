"""Requests to the model: streamed, told as agent events, counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition

from app.agents.model.conversation import Conversation
from app.agents.model.kit import Kit
from app.agents.model.lineup import Lineup
from app.agents.protocol import ItemDone, TextDelta, UsageReported
from app.domain.session import ChunkKind, Usage

_CUT_OFF = {
    "length": "its answer was cut off at the limit of tokens for one answer",
    "content_filter": "its answer was stopped by the provider's content filter",
    "error": "it ended its answer with an error",
}


class Requests:
    """Talks to the model in use for one conversation."""

    def __init__(
        self, lineup: Lineup, conversation: Conversation, kit: Kit, used: Usage | None = None
    ) -> None:
        """`used`: by the session before, of which the conversation may not have all."""
        self._lineup, self._conversation, self._kit = lineup, conversation, kit
        self._usage = Usage(context_window=lineup.current.window)
        for message in conversation.messages:
            if isinstance(message, ModelResponse):
                self.count(message)
        if used is not None and used.total_tokens > self._usage.total_tokens:
            now = self._usage  # how long the conversation is, only itself says
            context = {"context_window": now.context_window, "context_tokens": now.context_tokens}
            self._usage = used.model_copy(update=context)

    @property
    def context_tokens(self) -> int:
        """Tokens of the latest request and its answer."""
        return self._usage.context_tokens or 0

    def forget_context(self) -> None:
        """The conversation was compacted: how long it is, the next answer says."""
        self._usage = self._usage.model_copy(update={"context_tokens": None})

    async def stream(
        self, schema: Mapping[str, Any] | None, item: str
    ) -> AsyncIterator[TextDelta | ModelResponse]:
        """One request with the conversation as it stands; its text as it comes, then the whole
        response. `item` starts the ids of its items. Raises AgentRunError, UserError."""
        model = self._lineup.current.model
        parameters = ModelRequestParameters(function_tools=self._kit.definitions())
        if schema is not None and model.profile.get("supports_json_schema_output"):
            output = OutputObjectDefinition(json_schema=dict(schema), name="result")
            parameters = replace(parameters, output_mode="native", output_object=output)
        messages = self._conversation.to_send()
        async with model_request_stream(
            model, messages, model_request_parameters=parameters
        ) as stream:
            async for event in stream:
                match event:
                    case PartStartEvent(part=TextPart() | ThinkingPart() as part) if part.content:
                        yield TextDelta(f"{item}.{event.index}", _kind(part), part.content)
                    case PartDeltaEvent(delta=TextPartDelta() as delta):
                        yield TextDelta(
                            f"{item}.{event.index}", ChunkKind.MESSAGE, delta.content_delta
                        )
                    case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str() as text)):
                        yield TextDelta(f"{item}.{event.index}", ChunkKind.THOUGHT, text)
            response = stream.get()
        yield response

    async def ask(self, messages: Sequence[ModelMessage], text: str) -> str:
        """One request without tools, beside the conversation. Raises AgentRunError."""
        asked = ModelRequest(
            parts=[UserPromptPart(text)], instructions=self._conversation.instructions
        )
        response = await model_request(self._lineup.current.model, [*messages, asked])
        self.count(response, beside=True)
        return "\n".join(p.content for p in response.parts if isinstance(p, TextPart)).strip()

    def items(self, response: ModelResponse, item: str) -> list[ItemDone]:
        """The whole texts of a response."""
        return [
            ItemDone(f"{item}.{index}", _kind(part), part.content)
            for index, part in enumerate(response.parts)
            if isinstance(part, TextPart | ThinkingPart) and part.content
        ]

    def cut_off(self, response: ModelResponse) -> str | None:
        """Why a response is no answer, in words; None for one that is."""
        why = _CUT_OFF.get(response.finish_reason or "")
        if why is not None:
            return why
        for part in response.parts:
            if isinstance(part, ToolCallPart) or (isinstance(part, TextPart) and part.content):
                return None
        return "its answer was empty"

    def count(self, response: ModelResponse, *, beside: bool = False) -> UsageReported:
        """Add a response's tokens, and its price where one is known."""
        used, before = response.usage, self._usage
        changed: dict[str, Any] = {
            "input_tokens": before.input_tokens + used.input_tokens,
            "output_tokens": before.output_tokens + used.output_tokens,
            "cached_tokens": before.cached_tokens + used.cache_read_tokens,
            "total_tokens": before.total_tokens + used.input_tokens + used.output_tokens,
            "context_window": self._lineup.current.window,
        }
        if not beside:
            changed["context_tokens"] = used.input_tokens + used.output_tokens
        price = _price(response)
        if price is not None:
            changed["cost_usd"] = (before.cost_usd or 0.0) + price
        self._usage = before.model_copy(update=changed)
        return UsageReported(self._usage)


def _kind(part: TextPart | ThinkingPart) -> ChunkKind:
    return ChunkKind.THOUGHT if isinstance(part, ThinkingPart) else ChunkKind.MESSAGE


def _price(response: ModelResponse) -> float | None:
    """In US dollars, by the prices that genai-prices knows."""
    try:
        return float(response.cost().total_price)
    except (LookupError, ValueError, AssertionError):
        return None
