"""The operator's commands: checked against the state, committed, then carried out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from app.agents.protocol import AttachedFile
from app.domain import commands as cmd
from app.domain import events as ev
from app.domain.attention import waits_for_operator
from app.domain.base import ApprovalId, QuestionId, ReviewId, RunId, SessionId
from app.domain.errors import NotFound, Refused
from app.domain.run import (
    Question,
    QuestionState,
    Review,
    ReviewState,
    RunState,
    Verdict,
)
from app.domain.session import ChunkKind, Session
from app.domain.task_state import TaskState
from app.domain.text import one_line, printable
from app.engine.attaching import with_files
from app.engine.core import Core
from app.engine.day_budgets import DayBudgets
from app.engine.deciding import Decider
from app.engine.editing import CallEditor
from app.engine.past_sessions import PastSessions
from app.engine.project import load_config
from app.engine.redaction import Redaction
from app.engine.rollouts import Rollouts
from app.engine.run_control import RunControl
from app.engine.runs import Runs
from app.engine.sessions import LiveSession, SessionKeeper
from app.engine.take_work import take_work

_TAKEN = "; what looked like a secret in it was taken out: agents get secrets by their `env` only"


class Operator:
    """Carries commands out; what persons write loses its secrets first, as agents' words do."""

    def __init__(
        self,
        core: Core,
        keeper: SessionKeeper,
        decider: Decider,
        editor: CallEditor,
        runs: Runs,
        rollouts: Rollouts,
        budgets: DayBudgets,
        redaction: Redaction,
        past: PastSessions,
    ) -> None:
        """`redaction` learns from every recipe that a run is started with."""
        self._core = core
        self._keeper = keeper
        self._decider, self._editor = decider, editor
        self._wake = runs.wake
        self._rollouts = rollouts
        self._control = RunControl(core, runs, rollouts, budgets, redaction, past)
        self._redaction = redaction

    async def execute(self, command: cmd.Command) -> cmd.Done:
        """Raises Refused or NotFound with one sentence; then nothing has changed."""
        safe = self._redaction.safe(command)
        done = await self._execute(safe)
        return (
            done if safe is command else done.model_copy(update={"message": done.message + _TAKEN})
        )

    async def _execute(self, command: cmd.Command) -> cmd.Done:
        match command:
            case cmd.DecideApproval():
                return await self._decider.decide(command)
            case cmd.EditApproval():
                return await self._editor.edit(command)
            case cmd.SettleApproval():
                return await self._decider.settle(command)
            case cmd.GiveVerdict():
                return await self._verdict(command)
            case cmd.Snooze():
                return await self._snooze(command)
            case cmd.AnswerQuestion():
                return await self._answer(command)
            case cmd.RemoveRule():
                return await self._remove_rule(command)
            case cmd.SteerSession():
                return await self._steer(command)
            case cmd.RestartSession():
                return await self._restart(command)
            case cmd.StartRun() | cmd.CancelRun() | cmd.RetryRun() | cmd.PauseRun():
                return await self._control.execute(command)
            case cmd.ResumeRun() | cmd.SkipStep() | cmd.ForkRun():
                return await self._control.execute(command)
            case cmd.TakeWork():
                return self._core.done(await take_work(self._core, command), command.run_id)
            case _:
                return await self._rollouts.execute(command)

    def _review(self, review_id: ReviewId) -> tuple[RunState, Review]:
        for state in self._core.journal.projection.states.values():
            review = state.reviews.get(review_id)
            if review is not None:
                return state, review
        raise NotFound(f"there is no review {review_id}")

    async def _verdict(self, command: cmd.GiveVerdict) -> cmd.Done:
        state, review = self._review(command.review_id)
        if review.state is not ReviewState.OPEN or not waits_for_operator(state, review.review_id):
            raise Refused(f"review {review.review_id} does not wait for the operator")
        if review.revision != command.revision:
            raise Refused(f"review {review.review_id} has changed meanwhile: read it again")
        if not command.accept and not command.reason.strip():
            raise Refused("sending work back needs a reason, for the agent to read")
        verdict = Verdict(
            by=command.by,
            decision="approve" if command.accept else "reject",
            reasons=(command.reason,) if command.reason.strip() else (),
            at=self._core.clock.now(),
        )
        payloads: list[ev.Payload] = [ev.VerdictGiven(review_id=review.review_id, verdict=verdict)]
        blocked = state.run.blocked
        if state.run.state is TaskState.BLOCKED and not (blocked and blocked.kind == "paused"):
            payloads.append(
                ev.RunStateChanged(
                    state=TaskState.IN_PROGRESS, reason="the review was answered", by=command.by
                )
            )
        await self._core.commit(state.run.run_id, *payloads)
        self._wake(state.run.run_id)
        words = "accepted" if command.accept else "sent back"
        return self._core.done(
            f"{words}: {review.of}, version {review.of_attempt}", state.run.run_id
        )

    def _question(self, question_id: QuestionId) -> tuple[RunState, Question]:
        for state in self._core.journal.projection.states.values():
            question = state.questions.get(question_id)
            if question is not None:
                return state, question
        raise NotFound(f"there is no question {question_id}")

    async def _answer(self, command: cmd.AnswerQuestion) -> cmd.Done:
        state, question = self._question(command.question_id)
        answer = command.answer.strip()
        if question.state is not QuestionState.OPEN or state.run.state.terminal:
            raise Refused(f"question {question.question_id} does not wait for an answer any more")
        if question.revision != command.revision:
            raise Refused(f"question {question.question_id} has changed meanwhile: read it again")
        if not answer:
            raise Refused("an answer needs some text")
        if question.choices and answer not in question.choices:
            raise Refused(f"the answer must be one of: {', '.join(question.choices)}")
        answered = ev.QuestionAnswered(
            question_id=question.question_id, answer=printable(answer), by=command.by
        )
        await self._core.commit(state.run.run_id, answered)
        self._wake(state.run.run_id)
        return self._core.done(f"answered: {one_line(question.text, 100)}", state.run.run_id)

    async def _snooze(self, command: cmd.Snooze) -> cmd.Done:
        if command.item == "approval":
            state, _ = self._decider.find(ApprovalId(command.item_id))
        elif command.item == "question":
            state, _question = self._question(QuestionId(command.item_id))
        else:
            state, _review = self._review(ReviewId(command.item_id))
        snoozed = ev.Snoozed(
            item=command.item, item_id=command.item_id, until=command.until, by=command.by
        )
        await self._core.commit(state.run.run_id, snoozed)
        return self._core.done("put off" if command.until else "brought back", state.run.run_id)

    async def _remove_rule(self, command: cmd.RemoveRule) -> cmd.Done:
        if command.rule_id not in self._core.journal.projection.rules:
            raise NotFound(f"there is no rule {command.rule_id}")
        await self._core.record(ev.RuleRemoved(rule_id=command.rule_id, by=command.by))
        return self._core.done(f"rule {command.rule_id} removed")

    async def _steer(self, command: cmd.SteerSession) -> cmd.Done:
        session, live = self._session(command.run_id, command.session_id)
        if live is None or not session.turn_open:
            raise Refused("its agent is not at work: there is nobody to hear it")
        files = await self._attached(command)
        text = with_files(command.text, files)
        live.transcript.say(ChunkKind.PROMPT, f"{command.by}: {text}")
        await live.agent.steer(text, files)
        if session.stuck is not None:
            moving = ev.SessionMoving(session_id=command.session_id)
            await self._core.commit(command.run_id, moving)
        return self._core.done("said", command.run_id)

    def _session(self, run_id: RunId, session_id: SessionId) -> tuple[Session, LiveSession | None]:
        """A run's session, and its agent if that runs. Raises NotFound, OwnershipError."""
        live = self._keeper.find(run_id, session_id)
        session = self._core.state(run_id).sessions.get(session_id)
        if session is None:
            raise NotFound(f"run {run_id} has no session {session_id}")
        return session, live

    async def _restart(self, command: cmd.RestartSession) -> cmd.Done:
        session, live = self._session(command.run_id, command.session_id)
        if live is None:
            raise Refused(
                f"no agent runs for session {session.session_id} ({session.agent} on "
                f"{session.step}): it is started when the run goes on there"
            )
        asked = ev.RestartAsked(
            session_id=session.session_id, by=command.by, reason=printable(command.reason)
        )
        await self._core.commit(command.run_id, asked)
        await self._keeper.restart(live)
        self._wake(command.run_id)
        who = f"{session.agent} on {session.step}"
        return self._core.done(f"{who}: ended, and started anew where it stood", command.run_id)

    async def _attached(self, command: cmd.SteerSession) -> Sequence[AttachedFile]:
        """The files that come with what is said, kept and laid down for the session."""
        if not command.attach:
            return ()
        run_id, attaching = command.run_id, self._core.attaching
        session = attaching.session(run_id, command.session_id)
        project = Path(self._core.state(run_id).run.project)
        limits = (await asyncio.to_thread(load_config, project)).attachments
        async with attaching.taking_in(command.attach, limits) as found:
            attached = ev.SessionAttached(
                session_id=session.session_id, attachments=found, by=command.by
            )
            await self._core.commit(run_id, attached)
        return await attaching.lay_down(run_id, session.session_id, found)
