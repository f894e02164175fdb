"""An agent's turn for one unit: session, slot, prompt, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.agents.protocol import AttachedFile
from app.domain import directives as do
from app.domain import events as ev
from app.domain.approval import ApprovalState
from app.domain.base import RunId
from app.domain.errors import LongwatchError, StoreError
from app.domain.flow import owner
from app.domain.overtaken import Overtaken
from app.domain.run import Failure, FailureKind, RunState, Unit
from app.domain.session import ChunkKind, Session
from app.domain.step import AgentStep, FanOutStep, OnError, Retry, ReviewStep
from app.domain.verdict import VERDICT_SCHEMA
from app.domain.workflow import Recipe
from app.engine.approvals import ApprovalDesk
from app.engine.attaching import with_files
from app.engine.core import Core
from app.engine.failing import attempt_failed, opening_failed
from app.engine.fates import lost_call, settled_calls
from app.engine.merging import Merging
from app.engine.prompting import write_prompt
from app.engine.sessions import RESTARTED, LiveSession, SessionKeeper
from app.engine.slots import Slot, Slots
from app.engine.turns import Turn, TurnResult, TurnSpec

_OUTPUT_LIMIT = 1024 * 1024  # characters of an artefact that are kept in the journal
_RESUMES = 2  # how often a turn is taken up again by itself when its agent dies


class AgentWork:
    """Runs the turns of one run's agents."""

    def __init__(
        self,
        core: Core,
        keeper: SessionKeeper,
        desk: ApprovalDesk,
        slots: Slots,
        merging: Merging,
        run_id: RunId,
    ) -> None:
        self._core = core
        self._keeper = keeper
        self._desk = desk
        self._slots = slots
        self._merging = merging
        self._run_id = run_id
        self._resumes: dict[tuple[Unit, int], int] = {}

    @property
    def _recipe(self) -> Recipe:
        return self._core.recipe(self._run_id)

    def _state(self) -> RunState:
        return self._core.state(self._run_id)

    async def turn(self, directive: do.RunTurn) -> None:
        """Prompt the unit's agent and record the end of it."""
        recipe, agent = self._recipe, self._recipe.agent(directive.agent)
        limits = {
            f"workflow {recipe.workflow.name}": recipe.workflow.max_parallel,
            f"agent {agent.name} of {self._state().run.project}": agent.max_parallel,
        }
        async with self._slots.slot(self._run_id, limits) as slot:
            while await self._begun_anew(directive, slot):
                pass

    async def _begun_anew(self, directive: do.RunTurn, slot: Slot) -> bool:
        """Carry it out; True when its agent was ended meanwhile, to be prompted anew at once."""
        agent = self._recipe.agent(directive.agent)
        try:
            base = await self._base(directive.unit)
            live = await self._keeper.ensure(self._run_id, directive.unit, agent, base)
            files = await self._files(directive.unit, live)
        except StoreError:
            raise
        except LongwatchError as error:
            await self._failed(directive, opening_failed(error))
            return False
        live.slot = slot
        try:
            async with live.unless_restarted():
                await self._prompt(directive, live, base, files)
        finally:
            live.slot = None
            restarted = live.restarting
            if restarted and self._keeper.find(self._run_id, live.session_id) is live:
                await self._keeper.lose(live, RESTARTED)
        return restarted and directive in self._core.next_steps(self._run_id)

    async def _base(self, unit: Unit) -> str | None:
        """What the unit's work starts from; a judge looks at what it judges."""
        if owner(unit.step) != unit.step:
            judged = self._state().newest(unit._replace(step=owner(unit.step)))
            if judged is not None and judged.commit is not None:
                return judged.commit
        return await self._merging.base_of(unit.step)

    async def _files(self, unit: Unit, live: LiveSession) -> Sequence[AttachedFile]:
        """What came with the request: given to each session with its first turn."""
        state = self._state()
        wanted, attempt = state.run.request.attachments, state.newest(unit)
        begun = attempt.turn if attempt is not None else None
        if not wanted or (begun or state.sessions[live.session_id].turn + 1) != 1:
            return ()
        return await self._core.attaching.lay_down(self._run_id, live.session_id, wanted)

    async def _prompt(
        self,
        directive: do.RunTurn,
        live: LiveSession,
        base: str | None,
        files: Sequence[AttachedFile],
    ) -> None:
        state = self._state()
        session, attempt = state.sessions[live.session_id], state.newest(directive.unit)
        begun = attempt.turn if attempt is not None else None
        if begun is None and session.turn > 0:
            newer = (state.run.head_commit if _linear(state) else None) or base
            if newer not in (None, _left_at(state, session)):
                await self._core.settle()
                await self._keeper.bring_forward(session, newer or "")
        turn = begun if begun is not None else session.turn + 1
        again = begun is not None
        settled = settled_calls(state, live.session_id, turn) if again else ()
        diff = await self._judged_diff(directive.unit, state)
        text = write_prompt(
            self._recipe, state, directive.unit, again=again, settled=settled, diff=diff
        )
        seconds, limit = self._allowance(directive.unit)
        agent = self._recipe.agent(directive.agent)
        spec = TurnSpec(
            live=live,
            unit=directive.unit,
            attempt=directive.attempt,
            turn=turn,
            text=with_files(text, files),
            files=tuple(files),
            again=again,
            settled=settled,
            timeout_seconds=seconds,
            limit=limit,
            quiet_seconds=agent.quiet_seconds,
            repeat_limit=agent.repeat_limit,
            prompt_seconds=agent.prompt_seconds,
            output_schema=VERDICT_SCHEMA if _gives_verdict(self._recipe, directive.unit) else None,
        )
        result = await Turn(self._core, self._desk, spec).run()
        await self._turn_done(directive, spec, result)

    async def _judged_diff(self, unit: Unit, state: RunState) -> str:
        """For a gate's judge: what the attempt that it judges has changed."""
        if owner(unit.step) == unit.step:
            return ""
        judged = state.newest(unit._replace(step=owner(unit.step)))
        session = state.sessions.get(judged.session_id) if judged and judged.session_id else None
        if judged is None or judged.commit is None or session is None:
            return ""
        base = session.base_commit or state.run.base_commit or ""
        return await self._core.workspaces.diff(Path(state.run.project), base, judged.commit)

    def _allowance(self, unit: Unit) -> tuple[float, str]:
        """How long the turn may take, in seconds, and the key that says so."""
        state, recipe = self._state(), self._recipe
        seconds, step_seconds = _timeouts(recipe, unit)
        found = [(seconds, "timeout_seconds")]
        if step_seconds is not None:
            spent = sum(a.worked_seconds for a in state.attempts.values() if a.unit == unit)
            found.append((max(0.0, step_seconds - spent), "step_timeout_seconds"))
        whole = recipe.workflow.timeout_seconds
        if whole is not None:
            left = max(0.0, whole - state.worked_seconds)
            found.append((left, f"timeout_seconds of {recipe.workflow.name}"))
        return min(found, key=lambda pair: pair[0])

    async def _turn_done(self, directive: do.RunTurn, spec: TurnSpec, result: TurnResult) -> None:
        if result.done.status == "completed":
            await self._produced(directive, spec, result)
            return
        unit, live = directive.unit, spec.live
        failure = result.done.failure or Failure(
            kind=FailureKind.INTERRUPTED, message=f"step {unit}: the turn was interrupted"
        )
        live.transcript.say(ChunkKind.ERROR, failure.message)
        if failure.kind is not FailureKind.BROKEN_PIPE:
            await self._failed(directive, failure, result)
            return
        key = (unit, directive.attempt)
        again = self._resumes.get(key, 0) < _RESUMES
        self._resumes[key] = self._resumes.get(key, 0) + 1
        if again:
            await self._commit(*result.events, result.ended)
        else:
            await self._failed(directive, failure, result)
        await self._keeper.lose(live, "the agent's process is gone")

    async def _commit(self, *payloads: ev.Payload) -> None:
        await self._core.commit(self._run_id, *payloads)

    async def _produced(self, directive: do.RunTurn, spec: TurnSpec, result: TurnResult) -> None:
        unit, commit, passed = directive.unit, None, False
        if (step := _worked_on(self._recipe, unit)) is not None:
            passed = not step.gates
            session = self._state().sessions[spec.live.session_id]
            message = f"{unit}, attempt {directive.attempt}\n\nRun {self._run_id}"
            commit = await self._core.workspaces.snapshot(Path(session.workspace), message)
        output = self._desk.clean(result.done.text)[:_OUTPUT_LIMIT]
        produced = ev.OutputProduced(
            **unit._asdict(),
            attempt=directive.attempt,
            output=output,
            commit=commit,
            worked_seconds=result.worked_seconds,
            session_id=spec.live.session_id,
            passed=passed,
        )
        await self._commit_result(result, produced)

    async def _failed(
        self, directive: do.RunTurn, failure: Failure, result: TurnResult | None = None
    ) -> None:
        attempt = self._state().newest(directive.unit)
        failed = attempt_failed(
            directive.unit,
            directive.attempt,
            failure,
            tries=attempt.tries if attempt is not None else None,
            retry=_retry(self._recipe, directive.unit),
            on_error=_on_error(self._recipe, directive.unit),
            salt=f"{self._run_id}/{directive.unit}",
            worked_seconds=result.worked_seconds if result else 0,
        )
        await self._commit_result(result, *([result.ended] if result else ()), failed)

    async def _commit_result(self, result: TurnResult | None, *outcome: ev.Payload) -> None:
        """The end of the turn and what came of it; when nobody wants that any more, its end."""
        before = result.events if result else ()
        try:
            self._core.note(self._run_id, *before, *outcome)
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
    own = (a for a in reversed(state.attempts.values()) if a.session_id == session.session_id)
    newest = next((a for a in own if a.turn is not None), None)
    return newest.commit if newest is not None else None


def _linear(state: RunState) -> bool:
    """Whether each step follows the one before it, so that all work is one line."""
    names = [step.name for step in state.run.steps]
    before = [(), *((name,) for name in names)]
    pairs = zip(state.run.needs().values(), before, strict=False)
    return all(needs == last for needs, last in pairs)


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


def _timeouts(recipe: Recipe, unit: Unit) -> tuple[float, float | None]:
    """Seconds for an attempt, and for all of a unit's attempts together."""
    step = recipe.workflow.step(owner(unit.step))
    if owner(unit.step) != unit.step:
        gates = {gate.name: gate for gate in getattr(step, "gates", ())}
        return gates[unit.step.partition(".")[2]].timeout_seconds, None
    if isinstance(step, AgentStep | FanOutStep | ReviewStep):
        return step.timeout_seconds, step.step_timeout_seconds
    raise AssertionError(f"step {step.name} has no agent")


def _worked_on(recipe: Recipe, unit: Unit) -> AgentStep | FanOutStep | None:
    """The step that a turn's result is of; None for a verdict, of a reviewer or a gate's judge."""
    step = recipe.workflow.step(owner(unit.step))
    if owner(unit.step) == unit.step and isinstance(step, AgentStep | FanOutStep):
        return step
    return None


def _gives_verdict(recipe: Recipe, unit: Unit) -> bool:
    """Whether the turn's answer is to be a structured verdict."""
    step = recipe.workflow.step(owner(unit.step))
    judge = owner(unit.step) != unit.step
    return judge or (isinstance(step, ReviewStep) and not step.reject_if_contains)


def _retry(recipe: Recipe, unit: Unit) -> Retry:
    step = recipe.workflow.step(owner(unit.step))
    return step.retry if isinstance(step, AgentStep | FanOutStep | ReviewStep) else Retry()


def _on_error(recipe: Recipe, unit: Unit) -> OnError:
    step = recipe.workflow.step(owner(unit.step))
    judge = owner(unit.step) != unit.step
    return step.on_error if isinstance(step, AgentStep | FanOutStep) and not judge else "block"
