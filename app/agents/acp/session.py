"""One conversation with an ACP agent: turns, answers, and its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from typing import Literal

from acp import RequestError, schema
from acp.client import ClientSideConnection
from msgspec.structs import replace
from pydantic import ValidationError

from app.agents.acp.blocks import blocks
from app.agents.acp.failures import STOPPED, failure_of
from app.agents.acp.options import names
from app.agents.acp.questions import OWN_CHOICES, Asked, Questions
from app.agents.acp.service import Service, refusal
from app.agents.acp.transport import LineTransport, Message, error_reply
from app.agents.acp.updates import Translator
from app.agents.attached import Attached, cancelled
from app.agents.protocol import (
    AgentEvent,
    Answer,
    ApprovalAsked,
    ApprovalGone,
    AttachedFile,
    ItemDone,
    Process,
    Prompt,
    SessionSpec,
    ToolFinished,
    TurnDone,
)
from app.agents.stream import EventStream
from app.agents.unreadable import unreadable
from app.domain.approval import Action
from app.domain.errors import DriverError
from app.domain.run import Failure, FailureKind
from app.domain.session import ChunkKind, Continuity
from app.domain.toolcall import ToolCall, ToolOutcome

_log = logging.getLogger(__name__)
_CANCEL_SECONDS = 10.0  # for a cancelled turn to end
_NOTES = 20  # kept from the time between turns


class AcpSession:
    """Implements `AgentSession` over one agent process and one ACP session in it."""

    native_id: str = ""
    continuity: Continuity = Continuity.FRESH

    def __init__(self, spec: SessionSpec, process: Process) -> None:
        self._name = f"agent {spec.agent.name}"
        self._instructions = spec.agent.instructions.strip()
        self._questions = Questions()
        self._service = Service(spec, self._ask_own, self._own_done)
        self._translator = Translator(spec.used, [launch.server.name for launch in spec.mcp])
        self._transport = LineTransport(process.stdout, process.stdin, self._take)
        self.agent = ClientSideConnection(self._service, self._transport)  # type: ignore[arg-type]
        self._attached = Attached(self._name, process, self._transport.garbage)
        self._stream: EventStream | None = None  # of the open turn
        self._turn: asyncio.Task[None] | None = None
        self._turn_over = asyncio.Event()
        self._turn_over.set()
        self._cancelling = False
        self._gone: Failure | None = None
        self._notes: list[str] = []  # for the operator, at the start of the next turn
        self._untold: list[str] = []  # for the agent, in the next prompt
        self._files: list[AttachedFile] = []  # for the agent, in the next prompt
        self.takes: schema.PromptCapabilities | None = None  # besides text and links, as it says
        self._denied: list[str] = []  # in this prompt, without a reason
        self._sending: set[asyncio.Task[None]] = set()
        self._unreadable: set[str] = set()  # told once
        self._closing = False
        self._watching = asyncio.create_task(self._watch())

    def attach(self, native_id: str, continuity: Continuity, notes: list[str]) -> None:
        """The ACP session that we speak in; `notes` are told at its first turn."""
        self.native_id = self._service.session_id = native_id
        self.continuity = continuity
        self._notes += notes
        if continuity is not Continuity.RESUMED and self._instructions:
            self._untold.append(self._instructions)  # the protocol has no other place for them

    def tell_mode(self, mode: str, choices: Sequence[tuple[str, str]]) -> None:
        """Say at the first turn which of the agent's modes is in force: some never ask."""
        self._translator.mode = mode
        others = ", ".join(value for value, _ in choices if value != mode)
        self._notes.append(f"its mode is {mode}" + (f" (it has: {others})" if others else ""))

    @property
    def gone(self) -> Failure | None:
        """Why the process is no longer there, if so."""
        return self._gone

    def strange_words(self) -> str:
        """What the process printed that is not the protocol, for the end of a sentence."""
        return self._attached.strange_words()

    async def wait_ended(self) -> None:
        """Wait until the end of the process is known."""
        await asyncio.wait({self._watching})

    async def _watch(self) -> None:
        why = await self._transport.ended
        self._attached.stop_reading()
        if not self._closing:
            self._process_ended(await self._attached.post_mortem(why))

    def _process_ended(self, failure: Failure) -> None:
        """The process is gone. Open questions are not withdrawn: they are asked again."""
        self._gone = self._gone or failure
        self._questions.drop_all()
        self._close_turn(TurnDone("failed", failure=self._gone))

    # ---- a turn

    async def prompt(self, prompt: Prompt) -> AsyncGenerator[AgentEvent, None]:
        """Run one turn; see `AgentSession.prompt`."""
        await self.interrupt()  # a turn whose reader went away must end before the next
        if self._turn is not None:
            await asyncio.wait({self._turn})
        stream = self._open_turn()
        self._files += prompt.attachments
        self._turn = asyncio.create_task(self._converse(prompt.text))
        try:
            async for event in stream:
                yield event
        finally:
            stream.abandon()

    def _open_turn(self) -> EventStream:
        self._translator.begin()
        self._questions.begin()
        self._service.granted = self._questions.granted
        self._turn_over.clear()
        self._cancelling = False
        self._stream = stream = EventStream()
        stream.push(ItemDone("", ChunkKind.NOTICE, note) for note in self._notes)
        self._notes.clear()
        return stream

    async def _converse(self, text: str) -> None:
        """Prompt, and prompt again with what was said meanwhile; the protocol knows neither
        messages into a running turn nor reasons for a denial."""
        try:
            done = await self._one_prompt("\n\n".join([*self._untold, text]))
            while done.status == "completed" and (more := self._still_to_say(done.text)):
                self._push([ItemDone("", ChunkKind.PROMPT, more)])
                last = done.text
                done = await self._one_prompt(more)
                if not done.text:
                    done = replace(done, text=last)
        except Exception as error:  # a defect of ours must end the turn, not hang it
            _log.debug("a turn failed", exc_info=True)
            why = f"{self._name}: this turn could not be followed ({error!r})"
            done = TurnDone("failed", failure=Failure(kind=FailureKind.OTHER, message=why))
        self._close_turn(done)

    def _still_to_say(self, said: str) -> str:
        """What was said to the agent while it worked. One that ended its turn at a denial without
        a word is told to go on."""
        if not said and not self._untold:
            self._untold = [
                f"The operator denied `{title}`. Go on without it, or say what you cannot do."
                for title in self._denied
            ]
        return "\n\n".join(self._untold)

    async def _one_prompt(self, text: str) -> TurnDone:
        if self._gone is not None:
            return TurnDone("failed", failure=self._gone)
        content = blocks(text, self._files, self.takes)
        self._untold.clear()
        self._files.clear()
        self._denied.clear()
        self._translator.message = ""
        try:
            reply = await self.agent.prompt(self.native_id, content)
        except RequestError as error:
            failure = failure_of(self._name, error)
        except ConnectionError:
            await self.wait_ended()
            failure = self._gone or Failure(
                kind=FailureKind.BROKEN_PIPE, message=f"{self._name} is gone"
            )
        except ValidationError as error:
            what = unreadable("session/prompt", error)
            why = f"{self._name} ended its turn in a way that cannot be read: {what}"
            failure = Failure(kind=FailureKind.PROTOCOL, message=why)
        else:
            return self._ended(reply)
        self._push(self._translator.close_item())
        status: Literal["interrupted", "failed"] = "interrupted" if self._cancelling else "failed"
        return TurnDone(status, self._translator.message, None if self._cancelling else failure)

    def _ended(self, reply: schema.PromptResponse) -> TurnDone:
        self._push([*self._translator.close_item(), *self._translator.used(reply.usage)])
        text = self._translator.message
        if reply.stop_reason == "cancelled" or self._cancelling:
            return TurnDone("interrupted", text)
        if why := STOPPED.get(reply.stop_reason):
            failure = Failure(kind=FailureKind.BAD_REQUEST, message=f"{self._name}: {why}")
            return TurnDone("failed", text, failure)
        return TurnDone("completed", text)

    def _push(self, events: list[AgentEvent]) -> None:
        if self._stream is not None:
            self._stream.push(events)

    def _close_turn(self, done: TurnDone) -> None:
        """Hand out a turn's last events; there is exactly one TurnDone, the last of them."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.push([*self._translator.close_item(), *self._last_notes()])
            calls, replies = self._questions.drop_all()
            stream.push(ApprovalGone(call_id, "the turn ended") for call_id in calls)
            stream.push([done])
            stream.widen()  # nothing may stand still behind a turn that is over
            self._reply_later(replies)
        self._turn_over.set()

    def _last_notes(self) -> list[AgentEvent]:
        call = self._translator.unasked
        if call is None:
            return []
        mode = f" (its mode is {self._translator.mode!r})" if self._translator.mode else ""
        return [
            ItemDone(
                "",
                ChunkKind.NOTICE,
                f"{self._name} did this without asking{mode}: {call.title}; "
                "`mode` in its configuration chooses another mode",
            )
        ]

    def _reply_later(self, replies: list[Message]) -> None:
        for message in replies:
            sending = asyncio.create_task(self._transport.send(message))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)

    # ---- what the agent says

    async def _take(self, message: Message) -> bool:
        """Updates and questions, in the order in which they were sent."""
        method = message["method"]
        if method == "session/update" and "id" not in message:
            await self._updated(message.get("params"))
            return True
        if method == "session/request_permission" and "id" in message:
            await self._asked(message["id"], message.get("params"))
            return True
        return False

    async def _updated(self, params: object) -> None:
        stream = self._stream
        if stream is None:  # between turns, or the replay of an earlier conversation
            return
        try:
            update = schema.SessionNotification.model_validate(params)
        except ValidationError as error:
            self._cannot_read("session/update", error)
            return
        if update.session_id == self.native_id:
            stream.push(self._translator.translate(update.update))
            await stream.room()

    def _cannot_read(self, method: str, error: ValidationError) -> None:
        what = unreadable(method, error)
        if what not in self._unreadable and len(self._unreadable) < _NOTES:
            self._unreadable.add(what)
            said = f"{self._name}: a message cannot be read: {what}"
            self._push([ItemDone("", ChunkKind.NOTICE, said)])

    async def _asked(self, request_id: int | str, params: object) -> None:
        """A permission request: it is always answered, now or by `answer`."""
        try:
            asked = schema.RequestPermissionRequest.model_validate(params)
        except ValidationError as error:
            self._cannot_read("session/request_permission", error)
            await self._transport.send(error_reply(request_id, -32602, str(error)))
            return
        if self._stream is None or self._cancelling or asked.session_id != self.native_id:
            mine = asked.session_id == self.native_id
            why = "no turn is running" if mine else "that session is not the one of this connection"
            await self._transport.send(error_reply(request_id, -32602, why))
            return
        call = self._translator.ask(asked.tool_call)
        diffs = self._translator.known(asked.tool_call).diffs
        edits = [(diff.path, diff.old_text or "", diff.new_text) for diff in diffs]
        self._questions.note(Asked(request_id, call, asked.options, edits))
        self._push([*self._translator.close_item(), ApprovalAsked(call, names(asked.options))])

    async def _ask_own(self, call: ToolCall) -> Answer:
        """Ask about something that the agent wants done through us."""
        if self._stream is None or self._cancelling:
            raise refusal("no turn is running")
        self._push([*self._translator.close_item(), ApprovalAsked(call, OWN_CHOICES)])
        try:
            return await self._questions.own(call.call_id)
        except DriverError as error:
            raise refusal(str(error)) from error

    def _own_done(self, call_id: str, outcome: ToolOutcome) -> None:
        self._push([ToolFinished(call_id, outcome)])

    # ---- what we say

    async def answer(self, call_id: str, answer: Answer) -> None:
        """Answer a pending approval; see `AgentSession.answer`."""
        taken = self._questions.answer(call_id, answer)
        denied = answer.action is Action.DENY
        if taken is not None:
            call, message = taken
            if denied and not answer.interrupt:
                self._tell_denial(call, answer.reason)
            await self._transport.send(message)
        if denied and answer.interrupt:
            await self._cancel()

    def _tell_denial(self, call: ToolCall, reason: str) -> None:
        """An answer carries no reason: it is told with the next prompt, which follows at once."""
        if reason:
            self._untold.append(f"The operator denied `{call.title}`: {reason}")
        else:
            self._denied.append(call.title)

    async def steer(self, text: str, attachments: Sequence[AttachedFile] = ()) -> None:
        """Say something to the agent: it reads it when its present answer ends.

        Raises DriverError when no turn runs.
        """
        if self._stream is None:
            raise DriverError(f"{self._name} has no turn to steer: it is not working")
        self._untold.append(text)
        self._files += attachments
        note = "it will read this when its present answer ends (the protocol has no other way)"
        self._push([ItemDone("", ChunkKind.NOTICE, note)])

    async def interrupt(self) -> None:
        """End the running turn; without one, or without a process, there is nothing to do.

        Returns when the turn is over. An agent that does not react is stopped.
        """
        if self._stream is not None:
            self._stream.widen()  # whoever reads it may be the one who waits here
        if self._turn_over.is_set():
            return
        try:
            async with asyncio.timeout(_CANCEL_SECONDS):
                await self._cancel()
                await self._turn_over.wait()
        except TimeoutError:
            why = f"{self._name} did not end its turn within {_CANCEL_SECONDS:g} s; it was stopped"
            self._process_ended(Failure(kind=FailureKind.BROKEN_PIPE, message=why))
            await self.close()

    async def _cancel(self) -> None:
        """Ask for the turn's end; its questions are answered as cancelled, as the protocol asks."""
        self._cancelling = True
        calls, replies = self._questions.drop_all()
        self._push([ApprovalGone(call_id, "the turn was interrupted") for call_id in calls])
        try:
            await self.agent.cancel(self.native_id)
            for message in replies:
                await self._transport.send(message)
        except ConnectionError:
            return  # the turn's stream says so

    async def close(self) -> None:
        """End the conversation and the process; an open turn ends as interrupted."""
        self._closing = True
        self._gone = self._gone or Failure(
            kind=FailureKind.INTERRUPTED, message="the session was closed"
        )
        self._close_turn(TurnDone("interrupted"))
        try:
            await self._service.close()
        finally:
            try:
                await self._attached.close()
            finally:
                await self.agent.close()
                await cancelled(self._watching, self._turn, *self._sending)
