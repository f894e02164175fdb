"""One conversation with a model: turns, calls through the approval gate, steering."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pydantic_ai.exceptions import AgentRunError, ModelContextWindowExceededError, UserError
from pydantic_ai.messages import ModelResponse, TextPart

from app.agents.capped import SUMMARY_CAP
from app.agents.model.compaction import Compaction
from app.agents.model.conversation import Conversation, OpenCall, Outcome
from app.agents.model.kit import Kit
from app.agents.model.lineup import Lineup
from app.agents.model.requests import Requests
from app.agents.model.toolbox import Prepared, Unusable
from app.agents.protocol import (
    AgentEvent,
    Answer,
    ApprovalAsked,
    ApprovalGone,
    ItemDone,
    Prompt,
    SessionSpec,
    SettledCall,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnDone,
)
from app.agents.stream import EventStream
from app.domain.approval import Action
from app.domain.errors import DriverError
from app.domain.run import Failure, FailureKind
from app.domain.session import ChunkKind, Continuity
from app.domain.text import one_line
from app.domain.toolcall import ToolCall, ToolKind, ToolOutcome

if TYPE_CHECKING:
    from app.agents.model.served import Calling

_CHOICES = ("allow", "deny")
_MISTAKES = 10  # unusable calls in a row, after which the turn fails
_STREAMED = 1024 * 1024  # characters of one call's output that are shown as they come
_GLIMPSE = 8  # lines of what a read gave that are shown
_CUT_OFF = "The turn ended before this call was made. It had no effect."


class _Stopped(Exception):
    """The operator denied a call and wants the turn to end."""


class _Failed(Exception):
    """The turn cannot go on."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(slots=True)
class _Open:
    """The running turn."""

    prompt: Prompt
    stream: EventStream
    waiting: dict[str, asyncio.Future[Answer]] = field(default_factory=dict)
    steering: list[str] = field(default_factory=list)
    asked: int = 0
    mistakes: int = 0
    tries: int = 0  # to get an answer of a model

    def push(self, *events: AgentEvent) -> None:
        self.stream.push(events)


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
        self._requests = Requests(lineup, conversation, kit)
        self._compaction = Compaction(self._requests, lineup, spec.agent, conversation)
        self._notes = list(notes)
        self._clean = spec.clean
        self._mark = secrets.token_hex(4)  # of this process's questions
        self._turn: _Open | None = None
        self._working: asyncio.Task[str] | None = None

    # ---- the driver protocol

    async def prompt(self, prompt: Prompt) -> AsyncGenerator[AgentEvent, None]:
        """See `app.agents.protocol.AgentSession`."""
        if self._turn is not None:
            raise DriverError("a turn is running already")
        turn = self._turn = _Open(prompt, EventStream())
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
        waiting = self._turn.waiting.pop(call_id, None) if self._turn else None
        if waiting is None or waiting.done():
            raise DriverError(f"the agent no longer waits for an answer about call {call_id}")
        waiting.set_result(answer)

    async def steer(self, text: str) -> None:
        """The model reads it with its next request."""
        if self._turn is None or self._working is None or self._working.done():
            raise DriverError("no turn is running")
        self._turn.steering.append(text)

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
            case _Stopped():
                return TurnDone("interrupted")
            case _Failed():
                return TurnDone("failed", failure=error.failure)
            case AgentRunError() | UserError():
                return TurnDone("failed", failure=self._lineup.failure(error))
            case OSError():
                message = f"its conversation cannot be kept: {error.strerror or error}"
                return TurnDone("failed", failure=Failure(kind=FailureKind.OTHER, message=message))
        message = one_line(f"{type(error).__name__}: {error}", 600)
        return TurnDone("failed", failure=Failure(kind=FailureKind.PROTOCOL, message=message))

    # ---- the turn

    async def _work(self, turn: _Open) -> str:
        """The turn to its end; the final message."""
        conversation, prompt = self._conversation, turn.prompt
        if (switched := self._lineup.begin()) is not None:
            turn.push(switched)
        if not (prompt.again and conversation.turn == prompt.turn):
            await self._give_up_calls()
            await conversation.add_prompt(prompt.turn, prompt.text)
        while True:
            calls = conversation.open_calls()
            for call in calls:
                await self._call(turn, call)
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

    async def _respond(self, turn: _Open) -> None:
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

    async def _look_at_tools(self, turn: _Open, *, begin: bool) -> None:
        for note in await self._kit.refresh(begin=begin):
            turn.push(ItemDone("", ChunkKind.NOTICE, note))

    async def _said(self, turn: _Open, response: ModelResponse, item: str) -> None:
        why = self._requests.cut_off(response)
        if why is not None:
            message = f"model {self._lineup.current.name}: {why}"
            raise _Failed(Failure(kind=FailureKind.BAD_REQUEST, message=message))
        await self._conversation.add_response(response)
        turn.push(*self._requests.items(response, item), self._requests.count(response))

    # ---- calls

    async def _call(self, turn: _Open, call: OpenCall) -> None:
        """Settle one call: what is known of it, or ask, and make it."""
        part = call.part
        settled = _find(turn.prompt.settled, call.call_id)
        if settled is not None and settled.fate != "run_again":
            text, outcome = _known(settled)
            await self._conversation.add_result(call, text, outcome)
            return
        try:
            prepared = await self._kit.prepare(
                part.tool_name, part.args_as_json_str(), call.call_id
            )
        except Unusable as error:
            await self._mistake(turn, call, str(error))
            return
        turn.mistakes = 0
        await self._ask(turn, call, prepared)

    async def _mistake(self, turn: _Open, call: OpenCall, why: str) -> None:
        turn.mistakes += 1
        turn.push(
            ItemDone("", ChunkKind.NOTICE, one_line(f"a call that cannot be made: {why}", 500))
        )
        await self._conversation.add_result(call, why, "retried")
        if turn.mistakes >= _MISTAKES:
            message = (
                f"model {self._lineup.current.name}: {_MISTAKES} calls in a row could not be made; "
                f"the last: {why}"
            )
            raise _Failed(Failure(kind=FailureKind.PROTOCOL, message=message))

    async def _ask(self, turn: _Open, call: OpenCall, prepared: Prepared | Calling) -> None:
        turn.asked += 1
        # Another name each time it is asked, so that an old answer cannot meet a new question.
        name = f"{call.call_id}#{self._mark}.{turn.asked}"
        shown = prepared.call.model_copy(update={"call_id": name})
        waiting = turn.waiting[name] = asyncio.get_running_loop().create_future()
        turn.push(ApprovalAsked(shown, _CHOICES))
        try:
            answer = await waiting
        except asyncio.CancelledError:
            if turn.waiting.pop(name, None) is not None:
                turn.push(ApprovalGone(name, "the turn was interrupted"))
            raise
        if answer.action is Action.DENY:
            await self._denied(turn, call, name, answer)
        else:
            await self._run(turn, call, prepared, shown)

    async def _denied(self, turn: _Open, call: OpenCall, name: str, answer: Answer) -> None:
        text = _denial(answer.reason)
        await self._conversation.add_result(call, text, "denied")
        turn.push(ToolFinished(name, ToolOutcome(ok=False, summary="denied")))
        if answer.interrupt:
            raise _Stopped

    async def _run(
        self, turn: _Open, call: OpenCall, prepared: Prepared | Calling, shown: ToolCall
    ) -> None:
        turn.push(ToolStarted(shown))

        left = _STREAMED

        def heard(text: str) -> None:
            nonlocal left
            if text and left > 0:
                turn.push(TextDelta(shown.call_id, ChunkKind.OUTPUT, text[:left]))
                left -= len(text)

        result = await self._kit.run(prepared, heard)
        # A secret that a command printed goes neither to the model's provider nor into the file.
        result = replace(result, text=self._clean(result.text))
        await self._conversation.add_result(call, result.text, result.outcome)
        outcome = ToolOutcome(
            ok=result.ok, exit_code=result.exit_code, summary=result.text[-SUMMARY_CAP:]
        )
        turn.push(
            ItemDone(shown.call_id, ChunkKind.OUTPUT, _for_reader(shown, result.text)),
            ToolFinished(shown.call_id, outcome),
        )


def _for_reader(call: ToolCall, text: str) -> str:
    """A result as the transcript has it: of what was only looked at, the beginning."""
    lines = text.splitlines()
    if call.kind is not ToolKind.READ or len(lines) <= _GLIMPSE:
        return text
    return "\n".join([*lines[:_GLIMPSE], f"[… {len(lines) - _GLIMPSE:,} more lines]"])


def _text(response: ModelResponse) -> str:
    return "\n\n".join(part.content for part in response.parts if isinstance(part, TextPart))


def _find(settled: Sequence[SettledCall], call_id: str) -> SettledCall | None:
    """What is known of a call of the turn that was cut off; the latest, if it was asked twice."""
    found = [one for one in settled if one.call.call_id.partition("#")[0] == call_id]
    return found[-1] if found else None


def _known(settled: SettledCall) -> tuple[str, Outcome]:
    if settled.fate == "denied":
        return _denial(settled.summary), "denied"
    return settled.summary or "It was done already.", "success"


def _denial(reason: str) -> str:
    said = f": {reason}" if reason else " and gave no reason"
    return f"The operator denied this call{said}. It was not made."
