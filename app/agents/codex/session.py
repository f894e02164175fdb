"""One conversation with codex: turns, answers, steering and its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from pydantic import ValidationError

from app.agents.codex import approvals, asks, extras, models
from app.agents.codex.connection import Connection
from app.agents.codex.inputs import inputs
from app.agents.codex.peer import ConnectionLost, Incoming
from app.agents.codex.translation import Translator
from app.agents.codex.wire import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    Notification,
    Params,
    RpcError,
    ServerRequest,
)
from app.agents.protocol import (
    AgentEvent,
    Answer,
    ApprovalGone,
    AttachedFile,
    ItemDone,
    Process,
    Prompt,
    ToolFinished,
    TurnDone,
)
from app.agents.stream import EventStream
from app.agents.unreadable import unreadable
from app.domain.approval import Action
from app.domain.errors import DriverError
from app.domain.run import Failure, FailureKind
from app.domain.session import ChunkKind, Continuity, Usage
from app.domain.toolcall import ToolCall, ToolOutcome

_REQUEST_SECONDS = 30.0
_HOLD_SECONDS = 0.25  # how long codex may take from an item's start to its question
_NOTES = 20  # kept from the time between turns
_INTERRUPT_SECONDS = 10.0  # for an interrupted turn to end


class CodexSession:
    """Implements `AgentSession` over one app-server process and one thread in it."""

    native_id: str = ""
    continuity: Continuity = Continuity.FRESH

    def __init__(self, process: Process) -> None:
        self.connection = Connection(process, self._receive, self._process_ended)
        self._peer = self.connection.peer
        self._translator = Translator("")
        self._questions = approvals.Questions()
        self._stream: EventStream | None = None  # of the open turn
        self._turn_known = asyncio.Event()  # the server has named the open turn
        self._turn_over = asyncio.Event()
        self._turn_known.set()
        self._turn_over.set()
        self._holding: asyncio.TimerHandle | None = None  # until held calls count as begun
        self._gone: Failure | None = None
        self._notes: list[str] = []  # for the operator, at the start of the next turn
        self._untold: list[str] = []  # reasons of denials that codex did not hear

    def attach(
        self,
        thread_id: str,
        continuity: Continuity,
        note: str = "",
        used: Usage | None = None,
    ) -> None:
        """The thread that this session speaks in; `note` is told at its first turn. `used`: by the
        session so far, in threads before this one too, which codex does not count."""
        self.native_id, self.continuity = thread_id, continuity
        self._translator.thread_id = thread_id
        if continuity is Continuity.RESUMED:
            self._translator.taken_up = used
        elif used is not None:
            self._translator.used_before = used
        if note:
            self._notes.append(note)

    @property
    def gone(self) -> Failure | None:
        """Why the process is no longer there, if so."""
        return self._gone

    # ---- a turn

    async def prompt(self, prompt: Prompt) -> AsyncGenerator[AgentEvent, None]:
        """Run one turn; see `AgentSession.prompt`."""
        await self.interrupt()  # a turn whose reader went away must end before the next
        stream = self._open_turn()
        try:
            if (failure := await self._start(prompt)) is not None:
                self._close_turn([TurnDone("failed", failure=failure)])
            async for event in stream:
                yield event
        finally:
            stream.abandon()

    def _open_turn(self) -> EventStream:
        self._translator.begin()
        self._turn_known.clear()
        self._turn_over.clear()
        self._stream = EventStream()
        self._stream.push(ItemDone("", ChunkKind.NOTICE, note) for note in self._notes)
        self._notes.clear()
        return self._stream

    async def _start(self, prompt: Prompt) -> Failure | None:
        """Send the prompt; the failure when codex does not take it."""
        if self._gone is not None:
            return self._gone
        text = "\n\n".join([*self._untold, prompt.text])
        params = models.TurnStartParams(
            thread_id=self.native_id,
            input=inputs(text, prompt.attachments),
            output_schema=dict(prompt.output_schema) if prompt.output_schema else None,
        )
        try:
            result = await self._peer.request("turn/start", params, within=_REQUEST_SECONDS)
            self._turn_named(models.TurnReply.model_validate(result).turn.id)
        except RpcError as error:
            kind, why = FailureKind.BAD_REQUEST, f"codex refused the prompt: {error}"
        except ConnectionLost:
            await self.connection.wait_ended()
            return self._gone or Failure(kind=FailureKind.BROKEN_PIPE, message="codex is gone")
        except DriverError as error:
            await self._stop(str(error))
            return self._gone
        except ValidationError as error:
            kind, why = FailureKind.PROTOCOL, unreadable("turn/start", error)
        else:
            self._untold.clear()
            return None
        return Failure(kind=kind, message=why)

    def _release_held(self) -> None:
        """Codex has not asked about the calls it began: they run."""
        self._holding = None
        if self._stream is not None:
            self._stream.push(self._translator.tools.release())

    def _turn_named(self, turn_id: str) -> None:
        if not self._turn_over.is_set():
            self._translator.took_turn(turn_id)
            self._turn_known.set()

    def _close_turn(self, events: list[AgentEvent]) -> None:
        """Hand out a turn's last events; there is exactly one TurnDone, the last of them."""
        if self._stream is not None:
            self._stream.push(events)
            self._stream.widen()  # nothing may stand still behind a turn that is over
        self._stream = None
        self._translator.tools.clear()
        if self._holding is not None:
            self._holding.cancel()
            self._holding = None
        self._turn_over.set()
        self._turn_known.set()

    # ---- what codex says

    async def _receive(self, message: Incoming) -> None:
        stream = self._stream
        events = self._asked(message) if isinstance(message, ServerRequest) else self._told(message)
        if events and isinstance(events[-1], TurnDone):
            gone = [ApprovalGone(c, "the turn ended") for c in self._questions.drop_all()]
            self._close_turn([*events[:-1], *gone, events[-1]])
        elif stream is not None:
            stream.push(events)
            if self._translator.tools.holding and self._holding is None:
                loop = asyncio.get_running_loop()
                self._holding = loop.call_later(_HOLD_SECONDS, self._release_held)
            await stream.room()
        else:
            said = [e.text for e in events if isinstance(e, ItemDone)]
            self._notes += said[: _NOTES - len(self._notes)]

    def _told(self, message: Notification) -> list[AgentEvent]:
        if message.method == "serverRequest/resolved":
            return self._resolved(message.params)
        events = self._translator.translate(message)
        if self._translator.turn_id is not None:
            self._turn_known.set()
        return events

    def _resolved(self, params: Params) -> list[AgentEvent]:
        try:
            request_id = models.RequestResolved.model_validate(params).request_id
        except ValidationError:
            return []
        call_id = self._questions.resolved(request_id)
        return [ApprovalGone(call_id, "codex withdrew the question")] if call_id else []

    def _asked(self, request: ServerRequest) -> list[AgentEvent]:
        """A request of the server: it is always answered, now or by `answer`."""
        more = request.method in (extras.PERMISSIONS, extras.USER_INPUT, extras.ELICITATION)
        if not more and request.method not in (approvals.COMMAND, approvals.FILE_CHANGE):
            why = f"Longwatch does not answer {request.method}"
            self._peer.refuse(request.request_id, METHOD_NOT_FOUND, why)
            return [ItemDone("", ChunkKind.NOTICE, f"codex was refused: {why}")]
        if self._stream is None:  # no turn is open: nobody could be asked
            if more:
                self._peer.refuse(request.request_id, INVALID_PARAMS, "no turn is running")
            else:
                self._peer.reply(request.request_id, asks.DecisionReply(decision="cancel"))
            return []
        try:
            if more:
                return self._questions.ask_more(request, self._translator.tools)
            return self._questions.ask(request, self._translator.tools)
        except DriverError as error:
            self._peer.refuse(request.request_id, INVALID_PARAMS, str(error))
            return [ItemDone("", ChunkKind.NOTICE, f"codex was refused: {error}")]
        except ValidationError as error:
            why = unreadable(request.method, error)
            self._peer.refuse(request.request_id, INVALID_PARAMS, why)
            return [ItemDone("", ChunkKind.NOTICE, f"codex was refused: {why}")]

    def _process_ended(self, failure: Failure) -> None:
        """The process is gone. Open questions are not withdrawn: they are asked again."""
        self._gone = failure
        self._questions.drop_all()
        self._close_turn([TurnDone("failed", failure=failure)])

    # ---- what we say

    async def answer(self, call_id: str, answer: Answer) -> None:
        """Answer a pending approval; see `AgentSession.answer`."""
        question = self._questions.peek(call_id)
        if not isinstance(question, approvals.Question):
            await self._answer_more(question, answer)
            return
        decision = approvals.decide(answer, question)
        self._questions.take(call_id)
        denied = answer.action is Action.DENY
        if denied and answer.reason and not answer.interrupt:
            self._tell_reason(question, answer.reason)
        self._peer.reply(question.request_id, asks.DecisionReply(decision=decision))
        if not denied and self._stream is not None:
            tools = self._translator.tools
            self._stream.push(tools.permit(question.call, question.item_id))
        await self._peer.flush(within=_REQUEST_SECONDS)

    async def _answer_more(self, question: extras.Extra, answer: Answer) -> None:
        """What is not about a command or an edit: it is over with the answer."""
        reply, became = question.reply(answer)
        self._questions.take(question.call.call_id)
        denied = answer.action is Action.DENY
        if denied and answer.reason and not answer.interrupt and question.turn_id:
            self._tell_reason(question, answer.reason)
        self._peer.reply(question.request_id, reply)
        if self._stream is not None:
            self._stream.push(self._after(question, denied, became))
        await self._peer.flush(within=_REQUEST_SECONDS)
        if denied and answer.interrupt:
            await self.interrupt()

    def _after(self, question: extras.Extra, denied: bool, became: str) -> list[AgentEvent]:
        """What follows from an answer: of a call that codex makes now, its item tells the end."""
        if isinstance(question, extras.ToolApproval) and question.item_id:
            if denied:
                return []
            return self._translator.tools.permit(question.call, question.item_id)
        outcome = ToolOutcome(ok=not denied, summary=became)
        return [ToolFinished(question.call.call_id, outcome)]

    async def preview(self, call_id: str, text: str) -> ToolCall:
        """See `app.agents.protocol.EditsCalls`: of commands and edits codex takes a yes or a no."""
        question = self._questions.peek(call_id)
        if isinstance(question, approvals.Question):
            raise DriverError("codex takes a yes or a no")
        return question.preview(text)

    def _tell_reason(self, question: approvals.Question | extras.Extra, reason: str) -> None:
        """Codex's answers carry no reason: it goes as a message into the running turn.

        It is queued before the denial, so that the model reads both in one request.
        """
        text = f"The operator denied `{question.call.title}`: {reason}"
        told = self._peer.call(
            "turn/steer", self._steering(text, question.thread_id, question.turn_id or "")
        )
        told.add_done_callback(lambda done: self._reason_told(done, text))

    def _reason_told(self, done: asyncio.Future[Params], text: str) -> None:
        if not done.cancelled() and done.exception() is not None:
            self._untold.append(text)

    @staticmethod
    def _steering(
        text: str, thread_id: str, turn_id: str, files: Sequence[AttachedFile] = ()
    ) -> models.TurnSteerParams:
        return models.TurnSteerParams(
            thread_id=thread_id, expected_turn_id=turn_id, input=inputs(text, files)
        )

    async def steer(self, text: str, attachments: Sequence[AttachedFile] = ()) -> None:
        """Say something during a turn. Raises DriverError when no turn runs."""
        turn_id = await self._running_turn()
        if turn_id is None:
            raise DriverError("codex has no turn to steer: it is not working")
        params = self._steering(text, self.native_id, turn_id, attachments)
        try:
            await self._peer.request("turn/steer", params, within=_REQUEST_SECONDS)
        except RpcError as error:
            raise DriverError(f"codex did not take the message: {error}") from error

    async def interrupt(self) -> None:
        """End the running turn; without one, or without a process, there is nothing to do.

        Returns when the turn is over. A codex that does not react is stopped.
        """
        if self._stream is not None:
            self._stream.widen()  # whoever reads it may be the one who waits here
        try:
            async with asyncio.timeout(_INTERRUPT_SECONDS):
                turn_id = await self._running_turn()
                if turn_id is not None:
                    await self._end_turn(turn_id)
        except ConnectionLost:
            return  # the turn's stream says so
        except (DriverError, TimeoutError):
            await self._stop(f"codex did not end its turn within {_INTERRUPT_SECONDS:g} s")

    async def _end_turn(self, turn_id: str) -> None:
        params = models.TurnInterruptParams(thread_id=self.native_id, turn_id=turn_id)
        with suppress(RpcError):  # it ended meanwhile
            await self._peer.request("turn/interrupt", params, within=_INTERRUPT_SECONDS)
        await self._turn_over.wait()

    async def _stop(self, why: str) -> None:
        """End a process that does not react, and the open turn with it."""
        failure = Failure(kind=FailureKind.BROKEN_PIPE, message=f"{why}; it was stopped")
        self._process_ended(failure)
        await self.connection.close()

    async def _running_turn(self) -> str | None:
        """The id of the open turn, once the server has named it."""
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                await self._turn_known.wait()
        except TimeoutError:
            raise DriverError("codex has not begun the turn yet") from None
        return None if self._turn_over.is_set() else self._translator.turn_id

    async def close(self) -> None:
        """End the conversation and the process; an open turn ends as interrupted."""
        self._gone = self._gone or Failure(
            kind=FailureKind.INTERRUPTED, message="the session was closed"
        )
        self._close_turn([TurnDone("interrupted")])
        await self.connection.close()
