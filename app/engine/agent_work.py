"""An agent's turn for one unit: session, slot, prompt, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from app.agents.protocol import AttachedFile
from app.domain import directives as do
from app.domain import events as ev
from app.domain.approval import ApprovalState
from app.domain.base import RunId, trusted
from app.domain.errors import LongwatchError, StoreError
from app.domain.overtaken import Overtaken
from app.domain.remembered import remembered
from app.domain.run import Attempt, Failure, FailureKind, RunState, StepBrief, Unit, new_attempt
from app.domain.session import ChunkKind, Session
from app.engine.approvals import Approvals
from app.engine.assignment import Assignment, assignment
from app.engine.attaching import with_files
from app.engine.core import Core
from app.engine.failing import attempt_failed, opening_failed, out_of_time
from app.engine.merging import Merging
from app.engine.prompting import write_prompt
from app.engine.sessions import RESTARTED, LiveSession, SessionKeeper
from app.engine.slots import Slot, Slots
from app.engine.turn_end import lost_call, settled_calls
from app.engine.turns import Turn, TurnResult, TurnSpec

_OUTPUT_LIMIT = 1024 * 1024  # characters of an artefact that are kept in the journal
_RESUMES = 2  # how often a turn is taken up again by itself when its agent dies


class AgentWork:
    """Runs the turns of one run's agents."""

    def __init__(
        self,
        core: Core,
        keeper: SessionKeeper,
        approvals: Approvals,
        slots: Slots,
        merging: Merging,
        run_id: RunId,
    ) -> None:
        self._core = core
        self._keeper = keeper
        self._approvals = approvals
        self._slots = slots
        self._merging = merging
        self._run_id = run_id
        self._recipe = core.recipe(run_id)
        self._assignments: dict[tuple[str, str], Assignment] = {}  # by step and agent
        self._resumes: dict[tuple[Unit, int], int] = {}

    def _state(self) -> RunState:
        return self._core.state(self._run_id)

    def _assignment(self, unit: Unit, agent: str) -> Assignment:
        found = self._assignments.get((unit.step, agent))
        if found is None:
            project = self._state().run.project
            found = assignment(self._recipe, unit.step, agent, project)
            self._assignments[unit.step, agent] = found
        return found

    async def turn(self, directive: do.RunTurn) -> None:
        """Prompt the unit's agent and record the end of it."""
        work = self._assignment(directive.unit, directive.agent)
        slot = self._slots.slot(self._run_id, work.limits)
        if not slot.taken_at_once():
            self._show_attempt(directive.unit)
        async with slot:
            while await self._begun_anew(directive, work, slot):
                pass

    def _show_attempt(self, unit: Unit) -> Attempt:
        """The unit's newest attempt. The first one, which is to begin with its turn, is recorded
        now, for it takes a while until then, or will have none. Raises Overtaken."""
        attempt = self._state().newest(unit)
        if attempt is None:
            attempt = new_attempt(unit, 1, self._core.clock.now())
            self._core.note(self._run_id, trusted(ev.AttemptStarted, attempt=attempt))
        return attempt

    async def _begun_anew(self, directive: do.RunTurn, work: Assignment, slot: Slot) -> bool:
        """Carry it out; True when its agent was ended meanwhile, to be prompted anew at once."""
        unit = directive.unit
        try:
            state = self._state()
            live = self._keeper.ready(state, unit, work.agent)
            if live is None:
                self._show_attempt(unit)
                base = await self._base(unit, work)
                live = await self._keeper.ensure(self._run_id, unit, work.agent, base)
            files = await self._files(unit, live) if state.run.request.attachments else ()
        except (StoreError, Overtaken):
            raise
        except LongwatchError as error:
            await self._failed(directive, work, opening_failed(error))
            return False
        live.slot = slot
        live.turn = task = asyncio.current_task()
        try:
            if not live.restarting:
                await self._prompt(directive, work, live, files)
        except asyncio.CancelledError:
            if not live.restarting or task is None or task.uncancel():
                raise  # it is not, or not only, that its agent is to start anew
        finally:
            live.slot = live.turn = None
            restarted = live.restarting
            if restarted and self._keeper.find(self._run_id, live.session_id) is live:
                await self._keeper.lose(live, RESTARTED)
        return restarted and directive in self._core.next_steps(self._run_id)

    async def _base(self, unit: Unit, work: Assignment) -> str | None:
        """What the unit's work starts from; a judge looks at what it judges."""
        if work.judges:
            judged = self._state().newest(unit._replace(step=work.judges))
            if judged is not None and judged.commit is not None:
                return judged.commit
        return await self._merging.base_of(unit.step)

    async def _files(self, unit: Unit, live: LiveSession) -> Sequence[AttachedFile]:
        """What came with the request: given to each session with its first turn."""
        state = self._state()
        attempt = state.newest(unit)
        begun = attempt.turn if attempt is not None else None
        if (begun or state.sessions[live.session_id].turn + 1) != 1:
            return ()
        self._show_attempt(unit)
        wanted = state.run.request.attachments
        return await self._core.attaching.lay_down(self._run_id, live.session_id, wanted)

    async def _prompt(
        self,
        directive: do.RunTurn,
        work: Assignment,
        live: LiveSession,
        files: Sequence[AttachedFile],
    ) -> None:
        unit, state = directive.unit, self._state()
        session, attempt = state.sessions[live.session_id], state.newest(unit)
        begun = attempt.turn if attempt is not None else None
        if begun is None and session.turn > 0:
            await self._bring_forward(unit, work, state, session)
        turn = begun if begun is not None else session.turn + 1
        again = begun is not None
        settled = settled_calls(state, live.session_id, turn) if again else ()
        diff = await self._judged_diff(unit, work, state) if work.judges else ""
        text = write_prompt(self._recipe, state, unit, again=again, settled=settled, diff=diff)
        seconds, limit = work.allowance(state, unit)
        if seconds <= 0:  # the agent is not asked for what it has no time for
            await self._failed(directive, work, out_of_time(seconds, limit))
            return
        spec = TurnSpec(
            live=live,
            unit=unit,
            attempt=directive.attempt,
            turn=turn,
            text=with_files(text, files) if files else text,
            files=tuple(files),
            again=again,
            begins=attempt is None,
            settled=settled,
            timeout_seconds=seconds,
            limit=limit,
            quiet_seconds=work.agent.quiet_seconds,
            repeat_limit=work.agent.repeat_limit,
            prompt_seconds=work.agent.prompt_seconds,
            output_schema=work.output_schema,
        )
        result = await Turn(self._core, self._approvals, spec).run()
        await self._turn_done(directive, work, spec, result)

    async def _bring_forward(
        self, unit: Unit, work: Assignment, state: RunState, session: Session
    ) -> None:
        """Let a session that is prompted again see the work that was accepted since."""
        newer = (state.run.head_commit if _linear(state.run.steps) else None) or await self._base(
            unit, work
        )
        if newer not in (None, _left_at(state, session)):
            await self._core.settle()
            await self._keeper.bring_forward(session, newer or "")

    async def _judged_diff(self, unit: Unit, work: Assignment, state: RunState) -> str:
        """For a gate's judge: what the attempt that it judges has changed."""
        judged = state.newest(unit._replace(step=work.judges))
        session = state.sessions.get(judged.session_id) if judged and judged.session_id else None
        if judged is None or judged.commit is None or session is None:
            return ""
        base = session.base_commit or state.run.base_commit or ""
        return await self._core.workspaces.diff(Path(state.run.project), base, judged.commit)

    async def _turn_done(
        self, directive: do.RunTurn, work: Assignment, spec: TurnSpec, result: TurnResult
    ) -> None:
        if result.done.status == "completed":
            await self._produced(directive, work, spec, result)
            return
        unit, live = directive.unit, spec.live
        failure = result.done.failure or Failure(
            kind=FailureKind.INTERRUPTED, message=f"step {unit}: the turn was interrupted"
        )
        live.transcript.say(ChunkKind.ERROR, failure.message)
        if failure.kind is not FailureKind.BROKEN_PIPE:
            await self._failed(directive, work, failure, result)
            return
        key = (unit, directive.attempt)
        again = self._resumes.get(key, 0) < _RESUMES
        self._resumes[key] = self._resumes.get(key, 0) + 1
        if again:
            await self._commit(*result.events, result.ended)
        else:
            await self._failed(directive, work, failure, result)
        await self._keeper.lose(live, "the agent's process is gone")

    async def _commit(self, *payloads: ev.Payload) -> None:
        await self._core.commit(self._run_id, *payloads)

    async def _produced(
        self, directive: do.RunTurn, work: Assignment, spec: TurnSpec, result: TurnResult
    ) -> None:
        unit, commit = directive.unit, None
        if work.produces:
            message = f"{unit}, attempt {directive.attempt}\n\nRun {self._run_id}"
            commit = await self._core.workspaces.snapshot(spec.live.workspace, message)
        output = self._approvals.clean(result.done.text)[:_OUTPUT_LIMIT]
        produced = trusted(
            ev.OutputProduced,
            step=unit.step,
            branch=unit.branch,
            iteration=unit.iteration,
            attempt=directive.attempt,
            output=output,
            commit=commit,
            worked_seconds=result.worked_seconds,
            session_id=spec.live.session_id,
            passed=work.produces and not work.gated,
        )
        await self._commit_result(self._core.conclude, result, produced)

    async def _failed(
        self,
        directive: do.RunTurn,
        work: Assignment,
        failure: Failure,
        result: TurnResult | None = None,
    ) -> None:
        attempt = self._show_attempt(directive.unit)
        failed = attempt_failed(
            directive.unit,
            directive.attempt,
            failure,
            tries=attempt.tries,
            retry=work.retry,
            on_error=work.on_error,
            salt=f"{self._run_id}/{directive.unit}",
            worked_seconds=result.worked_seconds if result else 0,
        )
        ended = [result.ended] if result else []
        await self._commit_result(self._core.note, result, *ended, failed)

    async def _commit_result(
        self, note: Callable[..., None], result: TurnResult | None, *outcome: ev.Payload
    ) -> None:
        """The end of the turn and what came of it; when nobody wants that any more, its end."""
        before = result.events if result else ()
        try:
            note(self._run_id, *before, *outcome)
        except Overtaken:
            await self._commit(*before, *([result.ended] if result else ()))

    async def abandon(self, unit: Unit) -> None:
        """A turn was cut off because nobody needs it: stop its agent, withdraw what it asked."""
        state = self._state()
        for session in state.sessions.values():
            if (session.step, session.branch) != (unit.step, unit.branch):
                continue
            payloads = _withdrawn(state, session)
            if session.turn_open:
                payloads.append(
                    ev.TurnEnded(
                        session_id=session.session_id, turn=session.turn, status="interrupted"
                    )
                )
            if payloads:
                await self._commit(*payloads)
            live = self._keeper.find(self._run_id, session.session_id)
            if live is not None:
                await self._keeper.lose(live, "its result is not needed any more")


def _left_at(state: RunState, session: Session) -> str | None:
    """The commit on which the session's workspace has stood since its latest result."""
    for attempt in state.attempts.newest_first():
        if attempt.session_id == session.session_id and attempt.turn is not None:
            return attempt.commit
    return None


@remembered
def _linear(steps: tuple[StepBrief, ...]) -> bool:
    """Whether each step follows the one before it, so that all work is one line."""
    before: tuple[str, ...] = ()
    for step in steps:
        if step.needs not in (None, before):
            return False
        before = (step.name,)
    return True


def _withdrawn(state: RunState, session: Session) -> list[ev.Payload]:
    found: list[ev.Payload] = []
    for approval in state.approvals.values():
        if approval.session_id != session.session_id:
            continue
        if approval.state is ApprovalState.PERMITTED:
            found.extend(lost_call(approval, "its turn was cut off"))
        elif approval.state in (ApprovalState.PENDING, ApprovalState.APPROVED):
            why = "the result it was for is not needed any more"
            found.append(ev.ApprovalWithdrawn(approval_id=approval.approval_id, why=why))
    return found
