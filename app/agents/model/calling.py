"""The calls of a model's answer: each settled, asked about, changed by the operator, made."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from app.agents.capped import SUMMARY_CAP
from app.agents.model.conversation import Conversation, OpenCall, Outcome
from app.agents.model.kit import Kit
from app.agents.model.open_turn import Failed, OpenTurn, Question, Stopped
from app.agents.model.toolbox import Prepared, Result, Unusable
from app.agents.protocol import (
    Answer,
    ApprovalAsked,
    ApprovalGone,
    Edited,
    ItemDone,
    SettledCall,
    TextDelta,
    ToolFinished,
    ToolStarted,
)
from app.domain.approval import Action
from app.domain.errors import DriverError
from app.domain.redact import REDACTED
from app.domain.run import Failure, FailureKind
from app.domain.session import ChunkKind
from app.domain.text import one_line
from app.domain.toolcall import ToolCall, ToolKind, ToolOutcome

if TYPE_CHECKING:
    from app.agents.model.served import Calling

_CHOICES = ("allow", "deny")
_MISTAKES = 10  # unusable calls in a row, after which the turn fails
_STREAMED = 1024 * 1024  # characters of one call's output that are shown as they come
_GLIMPSE = 8  # lines of what a read gave that are shown
_NOT_KEPT = (
    "There was a secret in this call, which is not kept over a restart: it was not made. Make the "
    "call again, with the secret in a variable of the environment if you can."
)
_EDITED = "The operator changed this call before allowing it. What was done instead:"


class Calls:
    """Makes the calls of one conversation. `model` says which one is in use."""

    def __init__(
        self,
        kit: Kit,
        conversation: Conversation,
        clean: Callable[[str], str],
        model: Callable[[], str],
    ) -> None:
        self._kit, self._conversation = kit, conversation
        self._clean, self._model = clean, model
        self._mark = secrets.token_hex(4)  # of this process's questions

    async def settle(self, turn: OpenTurn, call: OpenCall) -> None:
        """Settle one call: what is known of it, or ask, and make it."""
        settled = _find(turn.prompt.settled, call.call_id)
        if settled is not None and settled.fate != "run_again":
            text, outcome = _known(settled)
            await self._conversation.add_result(call, text, outcome)
            return
        part = call.part
        if REDACTED in part.args_as_json_str() and not self._conversation.said_here(call):
            await self._conversation.add_result(call, _NOT_KEPT, "retried")
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

    async def _mistake(self, turn: OpenTurn, call: OpenCall, why: str) -> None:
        turn.mistakes += 1
        turn.push(
            ItemDone("", ChunkKind.NOTICE, one_line(f"a call that cannot be made: {why}", 500))
        )
        await self._conversation.add_result(call, why, "retried")
        if turn.mistakes >= _MISTAKES:
            message = (
                f"model {self._model()}: {_MISTAKES} calls in a row could not be made; "
                f"the last: {why}"
            )
            raise Failed(Failure(kind=FailureKind.PROTOCOL, message=message))

    # ---- the question

    async def _ask(self, turn: OpenTurn, call: OpenCall, prepared: Prepared | Calling) -> None:
        turn.asked += 1
        # Another name each time it is asked, so that an old answer cannot meet a new question.
        name = f"{call.call_id}#{self._mark}.{turn.asked}"
        shown = prepared.call.model_copy(update={"call_id": name})
        question = Question(call, prepared, asyncio.get_running_loop().create_future())
        turn.waiting[name] = question
        turn.push(ApprovalAsked(shown, _CHOICES, editable=self._kit.editable(prepared)))
        try:
            answer = await question.answer
        except asyncio.CancelledError:
            if turn.waiting.pop(name, None) is not None:
                turn.push(ApprovalGone(name, "the turn was interrupted"))
            raise
        if answer.action is Action.DENY:
            await self._denied(turn, call, name, answer)
        elif answer.edited is not None:
            await self._run_edited(turn, question, name, answer.edited)
        else:
            await self._run(turn, call, prepared, shown)

    async def preview(self, turn: OpenTurn, name: str, text: str) -> ToolCall:
        """What a call that waits would be with this text instead. Raises DriverError."""
        question = turn.waiting.get(name)
        if question is None:
            raise DriverError(f"the agent no longer waits for an answer about call {name}")
        try:
            prepared = await self._with(question, text)
        except Unusable as error:
            raise DriverError(str(error)) from error
        return prepared.call.model_copy(update={"call_id": name})

    async def _with(self, question: Question, text: str) -> Prepared | Calling:
        """The call with the operator's text. Raises Unusable."""
        arguments = self._kit.with_text(question.prepared, text)
        name, call_id = question.call.part.tool_name, question.call.call_id
        return await self._kit.prepare(name, arguments, call_id)

    async def _denied(self, turn: OpenTurn, call: OpenCall, name: str, answer: Answer) -> None:
        text = _denial(answer.reason)
        await self._conversation.add_result(call, text, "denied")
        turn.push(ToolFinished(name, ToolOutcome(ok=False, summary="denied")))
        if answer.interrupt:
            raise Stopped

    # ---- the call

    async def _run_edited(
        self, turn: OpenTurn, question: Question, name: str, edited: Edited
    ) -> None:
        """Make the call that the operator made of it, if it still is what was shown."""
        try:
            prepared = await self._with(question, edited.text)
        except Unusable as error:
            await self._end(turn, question.call, edited.call, Result(str(error), "failed"))
            return
        if prepared.call.fingerprint != edited.call.fingerprint:
            why = "what it works on has changed since the operator changed it; it was not made"
            await self._end(turn, question.call, edited.call, Result(why, "failed"))
            return
        shown = prepared.call.model_copy(update={"call_id": name})
        await self._run(turn, question.call, prepared, shown, f"{_EDITED}\n{edited.text}\n\n")

    async def _run(
        self,
        turn: OpenTurn,
        call: OpenCall,
        prepared: Prepared | Calling,
        shown: ToolCall,
        before: str = "",
    ) -> None:
        turn.push(ToolStarted(shown))

        left = _STREAMED

        def heard(text: str) -> None:
            nonlocal left
            if text and left > 0:
                turn.push(TextDelta(shown.call_id, ChunkKind.OUTPUT, text[:left]))
                left -= len(text)

        await self._end(turn, call, shown, await self._kit.run(prepared, heard), before)

    async def _end(
        self, turn: OpenTurn, call: OpenCall, shown: ToolCall, result: Result, before: str = ""
    ) -> None:
        # A secret that a command printed goes neither to the model's provider nor into the file.
        result = replace(result, text=self._clean(result.text))
        await self._conversation.add_result(call, before + result.text, result.outcome)
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
