"""The runner: carries a run from one committed state to the next until it ends or must wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

from app.domain import decide as do
from app.domain import events as ev
from app.domain.approval import Actor, ActorKind
from app.domain.base import ReviewId, RunId
from app.domain.errors import LongwatchError, StoreError
from app.domain.run import (
    Attempt,
    Blocked,
    Failure,
    FailureKind,
    Review,
    RunState,
    Verdict,
)
from app.domain.session import ChunkKind
from app.domain.step import AgentStep, ReviewStep
from app.domain.task_state import TaskState
from app.domain.verdict import parse_verdict
from app.engine.approvals import ApprovalDesk
from app.engine.core import Core
from app.engine.gates import run_gate
from app.engine.prompting import write_prompt
from app.engine.sessions import SessionKeeper
from app.engine.turns import Turn, TurnResult, TurnSpec, settled_calls

ENGINE = Actor(kind=ActorKind.SYSTEM, name="engine")
_OUTPUT_LIMIT = 1024 * 1024  # characters of an artefact that are kept in the journal
_RESUMES = 2  # how often a turn is taken up again by itself when its agent dies


class Runner:
    """One run's loop. The only thing that moves a run on, so no run is executed twice."""

    def __init__(
        self, core: Core, keeper: SessionKeeper, desk: ApprovalDesk, run_id: RunId
    ) -> None:
        self._core = core
        self._keeper = keeper
        self._desk = desk
        self._run_id = run_id
        self._resumes: dict[tuple[str, int], int] = {}

    async def run(self) -> None:
        """Until the run is over or cannot go on by itself."""
        changed = self._core.changed(self._run_id)
        while True:
            changed.clear()
            state = self._core.state(self._run_id)
            directive = do.decide(self._core.recipe(self._run_id), state)
            if isinstance(directive, do.Wait):
                if state.run.state is not TaskState.IN_PROGRESS:
                    return
                await changed.wait()
                continue
            try:
                await self._carry_out(directive, state)
            except StoreError:
                raise
            except LongwatchError as error:
                await self._stop(TaskState.BLOCKED, "workspace", str(error), state.run.current_step)

    async def _carry_out(self, directive: do.Directive, state: RunState) -> None:
        match directive:
            case do.Begin():
                await self._move(TaskState.IN_PROGRESS, "started")
            case do.PinBase():
                commit = await self._core.workspaces.head(Path(state.run.project))
                await self._commit(ev.BasePinned(commit=commit))
            case do.StartAttempt():
                await self._start_attempt(directive)
            case do.RunTurn():
                await self._turn(directive, state)
            case do.RunGate():
                await self._gate(directive, state)
            case do.SendBack(step=step, gate=gate):
                await self._commit(
                    ev.Returned(from_step=step, to_step=step, cause="gate", gate=gate)
                )
            case do.FinishStep(step=step, attempt=number):
                attempt = state.latest(step)
                left = attempt.commit if attempt else None
                await self._commit(ev.StepFinished(step=step, attempt=number, commit=left))
            case do.OpenReview():
                await self._open_review(directive, state)
            case do.Judge(review=review, attempt=attempt, agent=agent):
                await self._judge(review, attempt, agent)
            case do.CloseReview():
                await self._close_review(directive)
            case do.Escalate(review=review, why=why, block=block):
                await self._escalate(review, why, block)
            case do.Stop(state=after, blocked=blocked):
                await self._stop(after, blocked.kind, blocked.message, blocked.step)
            case do.Complete():
                await self._move(TaskState.DONE, "all steps are done")
            case do.Wait():
                raise AssertionError("the loop waits by itself")

    async def _commit(self, *payloads: ev.Payload) -> None:
        await self._core.commit(self._run_id, *payloads)

    async def _move(self, state: TaskState, reason: str) -> None:
        await self._commit(ev.RunStateChanged(state=state, reason=reason, by=ENGINE))

    async def _stop(self, state: TaskState, kind: str, message: str, step: str) -> None:
        blocked = Blocked.model_validate({"kind": kind, "message": message, "step": step})
        await self._commit(
            ev.RunStateChanged(state=state, reason=message, by=ENGINE, blocked=blocked)
        )

    async def _start_attempt(self, directive: do.StartAttempt) -> None:
        if directive.wait and await self._interrupted(directive.wait):
            return  # the state has moved meanwhile: it is looked at anew
        attempt = Attempt(
            step=directive.step,
            attempt=directive.attempt,
            cause=directive.cause,
            tries=directive.tries,
            started_at=self._core.clock.now(),
        )
        await self._commit(ev.AttemptStarted(attempt=attempt))

    async def _interrupted(self, seconds: float) -> bool:
        """Wait before a retry; whether something happened to the run before that was over."""
        changed = asyncio.create_task(self._core.changed(self._run_id).wait())
        slept = asyncio.create_task(self._core.clock.sleep(seconds))
        try:
            await asyncio.wait({changed, slept}, return_when=asyncio.FIRST_COMPLETED)
            return not slept.done()
        finally:
            for task in (changed, slept):
                task.cancel()

    async def _turn(self, directive: do.RunTurn, state: RunState) -> None:
        recipe = self._core.recipe(self._run_id)
        step = recipe.workflow.step(directive.step)
        try:
            live = await self._keeper.ensure(
                state.run, directive.step, recipe.agent(directive.agent)
            )
        except StoreError:
            raise
        except LongwatchError as error:
            failure = Failure(kind=FailureKind.OTHER, message=str(error))
            await self._attempt_failed(directive, failure)
            return
        state = self._core.state(self._run_id)
        session = state.sessions[live.session_id]
        attempt = state.latest(directive.step)
        begun = attempt.turn if attempt is not None else None
        if begun is None and session.turn > 0:
            await self._keeper.bring_forward(state.run, session)
        turn = begun if begun is not None else session.turn + 1
        again = begun is not None
        settled = settled_calls(state, live.session_id, turn) if again else ()
        text = write_prompt(step, state, again=again, settled=settled)
        spec = TurnSpec(
            live=live,
            step=directive.step,
            attempt=directive.attempt,
            turn=turn,
            text=text,
            again=again,
            settled=settled,
            timeout_seconds=step.timeout_seconds,
        )
        result = await Turn(self._core, self._desk, spec).run()
        await self._turn_done(directive, spec, result, step)

    async def _turn_done(
        self,
        directive: do.RunTurn,
        spec: TurnSpec,
        result: TurnResult,
        step: AgentStep | ReviewStep,
    ) -> None:
        if result.done.status == "completed":
            await self._produced(directive, spec, result, step)
            return
        failure = result.done.failure or Failure(
            kind=FailureKind.INTERRUPTED, message=f"step {directive.step}: the turn was interrupted"
        )
        live = spec.live
        live.transcript.say(ChunkKind.ERROR, failure.message)
        key = (directive.step, directive.attempt)
        if failure.kind is FailureKind.BROKEN_PIPE:
            again = self._resumes.get(key, 0) < _RESUMES
            self._resumes[key] = self._resumes.get(key, 0) + 1
            if again:
                await self._commit(*result.events)
            else:
                await self._attempt_failed(directive, failure, *result.events)
            await self._keeper.lose(live, "the agent's process is gone")
            return
        await self._attempt_failed(directive, failure, *result.events)

    async def _produced(
        self,
        directive: do.RunTurn,
        spec: TurnSpec,
        result: TurnResult,
        step: AgentStep | ReviewStep,
    ) -> None:
        commit = None
        if isinstance(step, AgentStep):
            session = self._core.state(self._run_id).sessions[spec.live.session_id]
            message = f"{directive.step}, attempt {directive.attempt}\n\nRun {self._run_id}"
            commit = await self._core.workspaces.snapshot(Path(session.workspace), message)
        output = self._desk.clean(result.done.text)[:_OUTPUT_LIMIT]
        produced = ev.OutputProduced(
            step=directive.step, attempt=directive.attempt, output=output, commit=commit
        )
        await self._commit(*result.events, produced)

    async def _attempt_failed(
        self, directive: do.RunTurn, failure: Failure, *before: ev.Payload
    ) -> None:
        wait = self._retry_in(directive, failure)
        failed = ev.AttemptFailed(
            step=directive.step, attempt=directive.attempt, failure=failure, retry_in=wait
        )
        if wait is not None:
            await self._commit(*before, failed)
            return
        interrupted = failure.kind is FailureKind.INTERRUPTED
        blocked = Blocked(
            kind="interrupted" if interrupted else "agent_failure",
            message=failure.message,
            step=directive.step,
        )
        stopped = ev.RunStateChanged(
            state=TaskState.BLOCKED, reason=failure.message, by=ENGINE, blocked=blocked
        )
        await self._commit(*before, failed, stopped)

    def _retry_in(self, directive: do.RunTurn, failure: Failure) -> float | None:
        """Seconds until the step tries again by itself; None when a person has to look."""
        state = self._core.state(self._run_id)
        attempt = state.latest(directive.step)
        retry = self._core.recipe(self._run_id).workflow.step(directive.step).retry
        if attempt is None or not failure.kind.retryable or attempt.tries >= retry.max_retries:
            return None
        return retry.wait(attempt.tries + 1, f"{self._run_id}/{directive.step}")

    async def _gate(self, directive: do.RunGate, state: RunState) -> None:
        attempt = state.latest(directive.step)
        session = state.session_of(directive.step)
        if attempt is None or session is None:
            raise LongwatchError(f"step {directive.step}: there is no session to check")
        result = await run_gate(
            directive.gate,
            workspace=session.workspace,
            run=state.run,
            step=directive.step,
            output=attempt.output or "",
            registry=self._core.processes,
            clock=self._core.clock,
        )
        result = result.model_copy(update={"log": self._desk.clean(result.log)})
        if attempt.commit is not None:
            # A gate checks: what it leaves in the worktree is nobody's work.
            await self._core.workspaces.restore(Path(session.workspace), attempt.commit)
        await self._commit(
            ev.GateFinished(step=directive.step, attempt=directive.attempt, result=result)
        )

    async def _open_review(self, directive: do.OpenReview, state: RunState) -> None:
        step = self._core.recipe(self._run_id).workflow.step(directive.step)
        review = Review(
            review_id=ReviewId(self._core.ids.new("rv")),
            run_id=self._run_id,
            step=directive.step,
            round=directive.round,
            of=directive.of,
            of_attempt=directive.of_attempt,
            by=step.by if isinstance(step, ReviewStep) else (),
            opened_at=self._core.clock.now(),
        )
        await self._commit(ev.ReviewOpened(review=review))

    async def _judge(self, review: Review, attempt: Attempt, agent: str) -> None:
        parsed = parse_verdict(attempt.output or "")
        verdict = Verdict(
            by=Actor(kind=ActorKind.AGENT, name=agent),
            decision=parsed.decision,
            reasons=parsed.reasons,
            at=self._core.clock.now(),
        )
        await self._commit(
            ev.VerdictGiven(review_id=review.review_id, verdict=verdict, attempt=attempt.attempt)
        )

    async def _close_review(self, directive: do.CloseReview) -> None:
        review = directive.review
        closed = ev.ReviewClosed(
            review_id=review.review_id, approved=directive.approved, reasons=directive.reasons
        )
        if directive.approved:
            follow: ev.Payload = ev.StepFinished(step=review.step, attempt=0)
        else:
            follow = ev.Returned(
                from_step=review.step,
                to_step=directive.return_to,
                cause="rejected",
                reasons=directive.reasons,
            )
        await self._commit(closed, follow)

    async def _escalate(self, review: Review, why: str, block: bool) -> None:
        escalated = ev.ReviewEscalated(review_id=review.review_id, why=why)
        if not block:
            await self._commit(escalated)
            return
        message = f"step {review.step}: {why}"
        blocked = Blocked(kind="review_limit", message=message, step=review.step)
        stopped = ev.RunStateChanged(
            state=TaskState.BLOCKED, reason=message, by=ENGINE, blocked=blocked
        )
        await self._commit(escalated, stopped)
