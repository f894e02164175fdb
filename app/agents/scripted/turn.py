"""One turn of a script, played: texts streamed at their pace, calls asked for and carried out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence

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
    UsageReported,
)
from app.agents.scripted.calls import describe, perform
from app.agents.scripted.pace import Pace, pieces
from app.agents.scripted.script import Call, Message, Script, ScriptEvent, Thought
from app.agents.scripted.settled import SettledCalls
from app.domain.approval import Action
from app.domain.errors import DriverError
from app.domain.run import Failure, FailureKind
from app.domain.session import ChunkKind
from app.domain.toolcall import ToolCall, ToolOutcome

_PLACE = re.compile(r"\{(turn|quoted|reason)\}")
_KEPT_CHARACTERS = 64 * 1024  # of a call's output, in the item that ends it


class TurnPlayer:
    """Plays one turn once. Answers, steering and the end come from other tasks."""

    def __init__(
        self, script: Script, prompt: Prompt, spec: SessionSpec, pace: Pace, prefix: str
    ) -> None:
        self._entry = script.entry(prompt.turn)
        self._usage = script.usage(prompt.turn)
        self._word_seconds = 1 / script.words_per_second
        self._spec = spec
        self._pace = pace
        self._prefix = prefix  # of the ids of its items and calls
        self._settled = SettledCalls(prompt.settled)
        self._values = {"turn": str(prompt.turn), "quoted": _quoted(prompt.text)}
        self._items = 0
        self._calls = 0
        self._waiting: tuple[str, asyncio.Future[Answer]] | None = None
        self._steered: list[str] = []
        self._out: asyncio.Queue[AgentEvent] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._running = False
        self._ending = False
        self._interrupted = False

    async def play(self) -> AsyncGenerator[AgentEvent, None]:
        """All events of the turn; TurnDone is the last. Whoever stops early calls `end`."""
        self._task = asyncio.create_task(self._run())
        while True:
            event = await self._out.get()
            yield event
            self._out.task_done()
            if isinstance(event, TurnDone):
                return

    def answer(self, call_id: str, answer: Answer) -> None:
        """Hand the decision to the call that waits for it. Raises DriverError."""
        if self._waiting is None or self._waiting[0] != call_id or self._waiting[1].done():
            raise DriverError(f"the agent no longer waits for an answer to {call_id}")
        self._waiting[1].set_result(answer)

    def steer(self, text: str) -> None:
        """Have the agent take note of `text` before its next event."""
        self._steered.append(text)

    def interrupt(self) -> None:
        """Have the turn end soon; a call that waits for an answer is withdrawn."""
        self._interrupted = True
        self._cancel()

    async def end(self) -> None:
        """End the turn now; returns when its child is gone. What was asked stays asked."""
        self._cancel()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _cancel(self) -> None:
        # Once only: a second cancellation would hit the clean-up that the first one began. And not
        # before its first step: a task cancelled then never runs, and could not say how it ended.
        if self._task is not None and self._running and not self._ending:
            self._task.cancel()
        self._ending = True

    async def _run(self) -> None:
        self._running = True
        try:
            if self._ending:
                raise _Interrupt
            await self._events(self._entry.events)
            await self._notes()
            if self._usage is not None:
                await self._emit(UsageReported(self._usage))
            final = self._fill(self._entry.final)
            await self._say(ChunkKind.MESSAGE, final)
            self._out.put_nowait(TurnDone("completed", text=final))
        except (asyncio.CancelledError, _Interrupt):
            if self._waiting is not None and self._interrupted:
                self._out.put_nowait(ApprovalGone(self._waiting[0], "the turn was interrupted"))
            self._waiting = None
            self._out.put_nowait(TurnDone("interrupted"))
        except Exception as error:
            # Whatever it is: the stream must end, or the run would wait for ever.
            failure = Failure(kind=FailureKind.OTHER, message=f"the scripted agent broke: {error}")
            self._out.put_nowait(TurnDone("failed", failure=failure))

    async def _emit(self, event: AgentEvent) -> None:
        """Hand an event out; returns when whoever reads the stream is done with it."""
        self._out.put_nowait(event)
        await self._out.join()

    async def _events(self, events: Sequence[ScriptEvent]) -> None:
        for event in events:
            await self._notes()
            await self._pace.pause(event.pause)
            if isinstance(event, Thought):
                await self._say(ChunkKind.THOUGHT, self._fill(event.text))
            elif isinstance(event, Message):
                await self._say(ChunkKind.MESSAGE, self._fill(event.text))
            else:
                await self._call(event)

    async def _notes(self) -> None:
        """Repeat what the operator has said meanwhile."""
        while self._steered:
            await self._say(ChunkKind.MESSAGE, f"The operator says: {self._steered.pop(0)}")

    async def _say(self, kind: ChunkKind, text: str) -> None:
        item = self._item()
        for piece, words in pieces(text):
            await self._pace.pause(words * self._word_seconds)
            await self._emit(TextDelta(item, kind, piece))
        await self._emit(ItemDone(item, kind, text))

    async def _call(self, event: Call) -> None:
        self._calls += 1
        call = await describe(event, f"{self._prefix}-c{self._calls}", self._spec.workspace)
        settled = self._settled.take(call)
        if settled is not None and settled.fate != "run_again":
            return await self._known(event, call, settled)
        if settled is not None:
            # Asked in the words of the first time, so that the answer to those fits.
            call = settled.call.model_copy(update={"call_id": call.call_id})
        if event.ask:
            answer = await self._ask(call)
            if answer.action is not Action.ALLOW:
                return await self._refused(event, call, answer)
        return await self._perform(event, call)

    async def _known(self, event: Call, call: ToolCall, settled: SettledCall) -> None:
        """Show a call that must not be made again."""
        done = settled.fate == "done"
        said = f"{'already done' if done else 'already refused'}: {call.title}"
        await self._emit(ItemDone(self._item(), ChunkKind.TOOL, said))
        if not done:
            await self._denied(event, settled.summary)

    async def _ask(self, call: ToolCall) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        # The answer may come while the question is still being handed out.
        self._waiting = (call.call_id, future)
        await self._emit(ApprovalAsked(call, offered=("allow", "deny")))
        answer = await future
        self._waiting = None
        return answer

    async def _refused(self, event: Call, call: ToolCall, answer: Answer) -> None:
        summary = f"refused: {answer.reason}" if answer.reason else "refused"
        await self._emit(ToolFinished(call.call_id, ToolOutcome(ok=False, summary=summary)))
        if answer.interrupt:
            raise _Interrupt
        await self._denied(event, answer.reason)

    async def _denied(self, event: Call, reason: str) -> None:
        before = self._values
        self._values = {**before, "reason": reason or "no reason was given"}
        await self._events(event.on_deny)
        self._values = before

    async def _perform(self, event: Call, call: ToolCall) -> None:
        item, shown = f"{call.call_id}-output", list[str]()

        async def output(text: str) -> None:
            if sum(map(len, shown)) < _KEPT_CHARACTERS:
                shown.append(text)
            await self._emit(TextDelta(item, ChunkKind.OUTPUT, text))

        await self._emit(ToolStarted(call))
        outcome = await perform(event, self._spec, output)
        if shown:
            await self._emit(ItemDone(item, ChunkKind.OUTPUT, "".join(shown)))
        await self._emit(ToolFinished(call.call_id, outcome))

    def _item(self) -> str:
        self._items += 1
        return f"{self._prefix}-i{self._items}"

    def _fill(self, text: str) -> str:
        """In one pass over the text, so that what is filled in is not read again."""
        return _PLACE.sub(lambda m: self._values.get(m.group(1), m.group()), text)


def _quoted(prompt: str) -> str:
    """The prompt's lines that begin with "> ", without it."""
    return "\n".join(line[2:] for line in prompt.splitlines() if line.startswith("> "))


class _Interrupt(Exception):
    """The operator's refusal ends the turn as well."""
