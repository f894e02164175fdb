"""One conversation with a model: turns, calls through the approval gate, steering."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from pydantic_ai.exceptions import AgentRunError, ModelContextWindowExceededError, UserError
from pydantic_ai.messages import ModelResponse, TextPart

from app.agents.model.attached import contents
from app.agents.model.calling import Calls
from app.agents.model.compaction import Compaction
from app.agents.model.conversation import Conversation
from app.agents.model.kit import Kit
from app.agents.model.lineup import Lineup
from app.agents.model.open_turn import Failed, OpenTurn, Stopped
from app.agents.model.requests import Requests
from app.agents.protocol import (
    AgentEvent,
    Answer,
    AttachedFile,
    ItemDone,
    Prompt,
    SessionSpec,
    TurnDone,
)
from app.agents.stream import EventStream
from app.domain.errors import DriverError
from app.domain.run import Failure, FailureKind
from app.domain.session import ChunkKind, Continuity
from app.domain.text import one_line
from app.domain.toolcall import ToolCall

_CUT_OFF = "The turn ended before this call was made. It had no effect."


class ModelSession:
    """An `AgentSession`. What it does next always follows from its conversation."""

    def __init__(
        self,
        spec: SessionSpec,
        lineup: Lineup,
        conversation: Conversation,
        kit: Kit,
        continuity: Continuity,
        notes: Sequence[str] = (),
    ) -> None:
        self.native_id = spec.session_id
        self.continuity = continuity
        self._lineup = lineup
        self._conversation = conversation
        self._kit = kit
        self._calls = Calls(kit, conversation, spec.clean, lambda: lineup.current.name)
        self._requests = Requests(lineup, conversation, kit, spec.used)
        self._compaction = Compaction(self._requests, lineup, spec.agent, conversation)
        self._clean = spec.clean
        self._notes = list(notes)
        self._turn: OpenTurn | None = None
        self._working: asyncio.Task[str] | None = None

    # ---- the driver protocol

    async def prompt(self, prompt: Prompt) -> AsyncGenerator[AgentEvent, None]:
        """See `app.agents.protocol.AgentSession`."""
        if self._turn is not None:
            raise DriverError("a turn is running already")
        turn = self._turn = OpenTurn(prompt, EventStream())
        turn.push(*(ItemDone("", ChunkKind.NOTICE, note) for note in self._notes))
        self._notes.clear()
        working = self._working = asyncio.create_task(self._work(turn), name="a model's turn")
        working.add_done_callback(lambda done: turn.push(self._ending(done)))
        try:
            async for event in turn.stream:
                yield event
        finally:
            turn.stream.abandon()
            working.cancel()
            await asyncio.wait([working])
            self._turn = self._working = None

    async def answer(self, call_id: str, answer: Answer) -> None:
        """See `app.agents.protocol.AgentSession`."""
        question = self._turn.waiting.pop(call_id, None) if self._turn else None
        if question is None or question.answer.done():
            raise DriverError(f"the agent no longer waits for an answer about call {call_id}")
        question.answer.set_result(answer)

    async def preview(self, call_id: str, text: str) -> ToolCall:
        """See `app.agents.protocol.EditsCalls`."""
        if self._turn is None:
            raise DriverError(f"the agent no longer waits for an answer about call {call_id}")
        return await self._calls.preview(self._turn, call_id, text)

    async def steer(self, text: str, attachments: Sequence[AttachedFile] = ()) -> None:
        """The model reads it with its next request."""
        if self._turn is None or self._working is None or self._working.done():
            raise DriverError("no turn is running")
        self._turn.steering.append(contents(text, attachments, self._clean))

    async def interrupt(self) -> None:
        """See `app.agents.protocol.AgentSession`."""
        if self._working is not None:
            self._working.cancel()

    async def close(self) -> None:
        """See `app.agents.protocol.AgentSession`."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait([self._working])
        try:
            await self._kit.close()
        finally:
            await self._lineup.close()

    def _ending(self, done: asyncio.Task[str]) -> TurnDone:
        if done.cancelled():
            return TurnDone("interrupted")
        error = done.exception()
        match error:
            case None:
                return TurnDone("completed", done.result())
            case Stopped():
                return TurnDone("interrupted")
            case Failed():
                return TurnDone("failed", failure=error.failure)
            case AgentRunError() | UserError():
                return TurnDone("failed", failure=self._lineup.failure(error))
            case OSError():
                message = f"its conversation cannot be kept: {error.strerror or error}"
                return TurnDone("failed", failure=Failure(kind=FailureKind.OTHER, message=message))
        message = one_line(f"{type(error).__name__}: {error}", 600)
        return TurnDone("failed", failure=Failure(kind=FailureKind.PROTOCOL, message=message))

    # ---- the turn

    async def _work(self, turn: OpenTurn) -> str:
        """The turn to its end; the final message."""
        conversation, prompt = self._conversation, turn.prompt
        if (switched := self._lineup.begin()) is not None:
            turn.push(switched)
        if not (prompt.again and conversation.turn == prompt.turn):
            await self._give_up_calls()
            content = contents(prompt.text, prompt.attachments, self._clean)
            await conversation.add_prompt(prompt.turn, content)
        while True:
            calls = conversation.open_calls()
            for call in calls:
                await self._calls.settle(turn, call)
            said = conversation.last
            if isinstance(said, ModelResponse) and not turn.steering:
                return _text(said)
            while turn.steering:
                await conversation.add_prompt(prompt.turn, turn.steering.pop(0))
            await self._respond(turn)  # after a compaction perhaps without one: then again

    async def _give_up_calls(self) -> None:
        """Calls of an earlier turn that will not be made any more."""
        for call in self._conversation.open_calls():
            await self._conversation.add_result(call, _CUT_OFF, "interrupted")

    async def _respond(self, turn: OpenTurn) -> None:
        """One answer of the model in use, streamed and kept; or a step towards one."""
        turn.tries += 1
        item = f"{turn.prompt.turn}.{len(self._conversation.messages)}.{turn.tries}"
        await self._look_at_tools(turn, begin=turn.tries == 1)
        try:
            if (made := await self._compaction.if_due()) is not None:
                turn.push(ItemDone("", ChunkKind.NOTICE, made))
            async for event in self._requests.stream(turn.prompt.output_schema, item):
                await turn.stream.room()
                if isinstance(event, ModelResponse):
                    await self._said(turn, event, item)
                else:
                    turn.push(event)
        except ModelContextWindowExceededError:
            made = await self._compaction.now()
            if made is None:
                raise
            turn.push(ItemDone("", ChunkKind.NOTICE, made))
        except AgentRunError as error:
            switched = self._lineup.next(error)
            if switched is None:
                raise
            turn.push(switched)

    async def _look_at_tools(self, turn: OpenTurn, *, begin: bool) -> None:
        for note in await self._kit.refresh(begin=begin):
            turn.push(ItemDone("", ChunkKind.NOTICE, note))

    async def _said(self, turn: OpenTurn, response: ModelResponse, item: str) -> None:
        why = self._requests.cut_off(response)
        if why is not None:
            message = f"model {self._lineup.current.name}: {why}"
            raise Failed(Failure(kind=FailureKind.BAD_REQUEST, message=message))
        await self._conversation.add_response(response)
        turn.push(*self._requests.items(response, item), self._requests.count(response))


def _text(response: ModelResponse) -> str:
    return "\n\n".join(part.content for part in response.parts if isinstance(part, TextPart))
