"""Turns: one prompt to a session until its agent stops; every event of it recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, suppress
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from app.agents.protocol import (
    AgentEvent,
    Answer,
    ApprovalAsked,
    ApprovalGone,
    AttachedFile,
    ItemDone,
    Prompt,
    SettledCall,
    Switched,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnDone,
    UsageReported,
)
from app.domain import events as ev
from app.domain.approval import Action, Approval, ApprovalState
from app.domain.base import SessionId, trusted
from app.domain.errors import DriverError, StoreError
from app.domain.run import Failure, FailureKind, Unit, new_attempt
from app.domain.session import ChunkKind, Session, SessionState, StuckKind, Usage
from app.domain.text import clip, one_line, printable
from app.domain.toolcall import ToolCall, ToolKind, ToolOutcome
from app.engine.approvals import Approvals, Asker
from app.engine.background import BackgroundTask
from app.engine.core import Core
from app.engine.failing import out_of_time
from app.engine.progress import Progress
from app.engine.sessions import LiveSession
from app.engine.turn_end import end_approval

_SUMMARY_LIMIT = 4096
_TICK_SECONDS = 1.0
_GRACE_SECONDS = 10.0
_USAGE_SECONDS = 5.0  # between two tellings of what a turn uses


class TurnSpec(Struct, frozen=True):
    """What to ask, on whose behalf."""

    live: LiveSession
    unit: Unit
    attempt: int
    turn: int
    text: str
    again: bool
    begins: bool  # the attempt, the first of its unit
    settled: tuple[SettledCall, ...]
    timeout_seconds: float
    quiet_seconds: float
    repeat_limit: int
    prompt_seconds: float = 60
    limit: str = "timeout_seconds"  # the key that says so
    output_schema: Mapping[str, Any] | None = None  # of the final message
    files: tuple[AttachedFile, ...] = ()


class TurnResult(Struct, frozen=True):
    """How a turn ended; `events` and its end are to be committed with what follows from it."""

    session_id: SessionId
    turn: int
    done: TurnDone
    events: tuple[ev.Payload, ...]  # usage, and the fate of what was still open
    worked_seconds: float  # without waiting for a person

    @property
    def ended(self) -> ev.TurnEnded:
        """For where what follows does not tell it too."""
        return ev.TurnEnded(
            session_id=self.session_id,
            turn=self.turn,
            status=self.done.status,
            failure=self.done.failure,
        )


class Turn:
    """Runs one turn. Not reusable."""

    def __init__(self, core: Core, approvals: Approvals, spec: TurnSpec) -> None:
        self._core = core
        self._approvals = approvals
        self._spec = spec
        self._live = spec.live
        self._usage: Usage | None = None
        self._usage_told = now = core.clock.monotonic()
        self._shown: set[str] = set()  # tool calls whose line is in the transcript
        self._waited = 0.0  # seconds for a person
        self._timed_out = False
        self._progress = Progress(spec.quiet_seconds, spec.repeat_limit, now, spec.prompt_seconds)

    async def run(self) -> TurnResult:
        """Prompt the agent and follow it to the end of the turn."""
        spec, live = self._spec, self._live
        committed = self._core.committing(live.run_id, self._beginning())
        prompt = Prompt(
            spec.text,
            spec.turn,
            again=spec.again,
            settled=spec.settled,
            output_schema=spec.output_schema,
            attachments=spec.files,
        )
        live.transcript.say(ChunkKind.PROMPT, spec.text)
        await committed
        begun = self._core.clock.monotonic()
        try:
            done = await self._follow(live.agent.prompt(prompt))
        except asyncio.CancelledError:
            self._cut_off()
            raise
        live.transcript.close()
        worked = self._core.clock.monotonic() - begun - self._waited
        last_words = self._last_words(done)
        if done.failure is not None:
            done = replace(done, failure=self._said(done.failure))
        return TurnResult(live.session_id, spec.turn, done, last_words, max(0.0, worked))

    def _beginning(self) -> ev.Payload:
        spec, session_id = self._spec, self._live.session_id
        if spec.begins:
            attempt = new_attempt(
                spec.unit,
                spec.attempt,
                self._core.clock.now(),
                session_id=session_id,
                turn=spec.turn,
            )
            return trusted(ev.AttemptStarted, attempt=attempt, prompt=spec.text)
        return trusted(
            ev.TurnStarted,
            session_id=session_id,
            turn=spec.turn,
            step=spec.unit.step,
            branch=spec.unit.branch,
            iteration=spec.unit.iteration,
            attempt=spec.attempt,
            prompt=spec.text,
            again=spec.again,
        )

    async def _follow(self, stream: AsyncIterator[AgentEvent]) -> TurnDone:
        watch = BackgroundTask(self._watch)
        done: TurnDone | None = None
        try:
            async with aclosing(stream) as events:  # type: ignore[type-var]
                async for event in events:
                    if isinstance(event, TurnDone):
                        done = event
                        break
                    await self._take(event)
                    self._settle_slot()
                    self._note_progress(event)
        finally:
            await watch.end()
        if done is None:
            failure = Failure(kind=FailureKind.PROTOCOL, message="the turn ended without a word")
            return TurnDone("failed", failure=failure)
        if self._timed_out and done.status != "completed":
            failure = out_of_time(self._spec.timeout_seconds, self._spec.limit)
            return TurnDone("failed", failure=failure)
        return done

    def _settle_slot(self) -> None:
        """Who waits for a person holds no slot."""
        slot = self._live.slot
        if slot is None:
            return
        if self._session().state is SessionState.WAITING:
            slot.pause()
        else:
            slot.resume()

    def _session(self) -> Session:
        return self._core.state(self._live.run_id).sessions[self._live.session_id]

    async def _watch(self) -> None:
        """Interrupt the turn after its time; waiting for a person does not count."""
        left = self._spec.timeout_seconds
        while left > 0:
            tick = min(_TICK_SECONDS, left)
            await self._core.clock.sleep(tick)
            if self._session().state is SessionState.WAITING:
                self._waited += tick
                self._progress.rest(self._core.clock.monotonic())
            else:
                left -= tick
                self._look_for_silence()
        self._timed_out = True
        try:
            await self._live.agent.interrupt()
            await self._core.clock.sleep(_GRACE_SECONDS)
        except DriverError as error:
            self._live.transcript.say(ChunkKind.NOTICE, f"it could not be interrupted: {error}")
        await self._live.agent.close()

    def _note_progress(self, event: AgentEvent) -> None:
        """A word of the agent: it is not silent, and if it makes the same call it may be lost."""
        if isinstance(event, UsageReported):
            return  # some agents count tokens while they retry for ever
        why = self._progress.heard(event, self._core.clock.monotonic())
        stuck = self._session().stuck
        if why is not None and stuck is None:
            self._say_stuck(StuckKind.REPEATS, why)
        elif stuck is not None and not self._progress.stuck:
            self._core.note(self._live.run_id, ev.SessionMoving(session_id=self._live.session_id))

    def _look_for_silence(self) -> None:
        now = self._core.clock.monotonic()
        if self._session().stuck is not None:
            return
        if self._progress.told:
            self._progress.rest(now)  # somebody has said something to it: it has its time again
        if (asks := self._progress.prompt(now)) is not None:
            self._say_stuck(StuckKind.PROMPT, asks)
            return
        why = self._progress.silent(now, self._running())
        if why is not None:
            self._say_stuck(StuckKind.QUIET, why)

    def _running(self) -> Iterator[ToolCall]:
        """The turn's calls that were permitted and have not ended."""
        yield from (a.call for a in self._of_turn() if a.state is ApprovalState.PERMITTED)

    def _say_stuck(self, kind: StuckKind, why: str) -> None:
        why = one_line(self._approvals.clean(why), 300)
        stuck = ev.SessionStuck(session_id=self._live.session_id, kind=kind, why=why)
        self._core.note(self._live.run_id, stuck)
        self._live.transcript.say(ChunkKind.NOTICE, f"seems stuck: {why}")

    async def _take(self, event: AgentEvent) -> None:
        transcript = self._live.transcript
        match event:
            case TextDelta(item_id=item_id, kind=kind, text=text):
                transcript.add(kind, text, item_id)
            case ItemDone(item_id=item_id, kind=kind, text=text):
                self._item_done(item_id, kind, text)
            case ApprovalAsked():
                await self._ask(event)
            case ApprovalGone(call_id=call_id, why=why):
                await self._gone(call_id, why)
            case ToolStarted(call=call):
                self._started(call)
            case ToolFinished(call_id=call_id, outcome=outcome):
                await self._finished(call_id, outcome)
            case UsageReported(usage=usage):
                self._note_usage(usage)
            case Switched():
                self._switched(event)

    def _switched(self, event: Switched) -> None:
        why = one_line(self._approvals.clean(event.why), 500)
        switched = ev.ModelSwitched(
            session_id=self._live.session_id, before=event.before, model=event.model, why=why
        )
        self._core.note(self._live.run_id, switched)
        said = f"{why}; going on with {event.model} for this turn"
        self._live.transcript.say(ChunkKind.NOTICE, said)

    def _note_usage(self, usage: Usage) -> None:
        """Told while it grows, for who watches and for budgets; the whole of it at the end."""
        now = self._core.clock.monotonic()
        self._usage = usage
        if now - self._usage_told >= _USAGE_SECONDS:
            self._usage_told = now
            told = ev.UsageUpdated(session_id=self._live.session_id, usage=usage)
            self._core.note(self._live.run_id, told)

    def _cut_off(self) -> None:
        """Nobody waits for its end any more; what it has used is used."""
        if self._usage in (None, self._session().usage):
            return
        told = ev.UsageUpdated(session_id=self._live.session_id, usage=self._usage)
        with suppress(StoreError):  # the store is gone, or closed before its agents were
            self._core.note(self._live.run_id, told)

    def _item_done(self, item_id: str, kind: ChunkKind, text: str) -> None:
        if not item_id:  # said about the conversation, not in it
            self._live.transcript.say(kind, text)
            return
        digest, size = self._live.transcript.finish(kind, item_id, text)
        finished = ev.ItemFinished(
            session_id=self._live.session_id,
            item_id=one_line(item_id, 200),
            kind=kind,
            sha256=digest,
            size=size,
        )
        self._core.note(self._live.run_id, finished)

    async def _ask(self, asked: ApprovalAsked) -> None:
        asker = Asker(
            session=self._session(),
            step=self._spec.unit.step,
            attempt=self._spec.attempt,
            turn=self._spec.turn,
            again=self._spec.again,
            waiting=self._live.waiting,
        )
        self._show(self._approvals.safe(asked.call))
        answer = await self._approvals.ask(asker, asked)
        if answer is not None:
            await give(self._live, asked.call.call_id, answer)

    def _started(self, call: ToolCall) -> None:
        if call.call_id not in self._shown and (
            why := self._approvals.unlisted(self._session(), call)
        ):
            self._live.transcript.say(ChunkKind.NOTICE, f"done without asking, though {why}")
        self._show(call)

    def _show(self, call: ToolCall) -> None:
        if call.call_id in self._shown:
            return
        self._shown.add(call.call_id)
        self._live.transcript.say(ChunkKind.TOOL, _line(call))

    async def _gone(self, call_id: str, why: str) -> None:
        approval = self._by_call(call_id, ApprovalState.PENDING)
        if approval is not None:
            self._live.waiting.discard(approval.approval_id)
            withdrawn = ev.ApprovalWithdrawn(
                approval_id=approval.approval_id, why=one_line(self._approvals.clean(why), 300)
            )
            await self._core.commit(self._live.run_id, withdrawn)

    async def _finished(self, call_id: str, outcome: ToolOutcome) -> None:
        approval = self._by_call(call_id, ApprovalState.PERMITTED)
        if approval is None:
            return
        self._live.waiting.discard(approval.approval_id)
        safe = outcome.model_copy(
            update={"summary": clip(self._approvals.clean(outcome.summary), _SUMMARY_LIMIT)}
        )
        recorded = ev.ApprovalOutcome(approval_id=approval.approval_id, outcome=safe)
        await self._core.commit(self._live.run_id, recorded)

    def _by_call(self, call_id: str, state: ApprovalState) -> Approval | None:
        for approval in self._of_turn():
            if approval.call.call_id == printable(call_id) and approval.state is state:
                return approval
        return None

    def _of_turn(self) -> list[Approval]:
        approvals = self._core.state(self._live.run_id).approvals.values()
        return [
            a
            for a in approvals
            if a.session_id == self._live.session_id and a.turn == self._spec.turn
        ]

    def _last_words(self, done: TurnDone) -> tuple[ev.Payload, ...]:
        """What it has used, and the fate of what is still open."""
        events: list[ev.Payload] = []
        if self._usage is not None:
            events.append(ev.UsageUpdated(session_id=self._live.session_id, usage=self._usage))
        for approval in self._of_turn():
            events.extend(end_approval(approval, lost=done.status == "failed"))
        return tuple(events)

    def _said(self, failure: Failure) -> Failure:
        """As it can be recorded and shown."""
        message = one_line(self._approvals.clean(failure.message), 1000)
        return failure.model_copy(update={"message": message})


async def give(live: LiveSession, call_id: str, answer: Answer, said: str = "denied") -> None:
    """Tell the agent a committed answer. An agent that has gone meanwhile is not an error here:
    its turn ends, and what was permitted becomes uncertain."""
    try:
        await live.agent.answer(call_id, answer)
    except DriverError as error:
        said = f"the answer could not be given: {error}"
        live.transcript.say(ChunkKind.NOTICE, said)
    else:
        if answer.action is Action.DENY:
            reason = f": {answer.reason}" if answer.reason else ""
            live.transcript.say(ChunkKind.NOTICE, f"{said}{reason}")


def _line(call: ToolCall) -> str:
    if call.kind is ToolKind.SHELL and call.command:
        return f"$ {call.command}"
    return call.title or call.tool
