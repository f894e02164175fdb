"""The operator's commands about rollouts: each is one commit, decided on the state it changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from app.domain import commands as cmd
from app.domain import events as ev
from app.domain import rollout_events as rev
from app.domain.approval import Actor, ActorKind, ApprovalState
from app.domain.base import RolloutId
from app.domain.errors import NotFound, Refused
from app.domain.path_name import PathName
from app.domain.promotion import Verdict, judge, next_share
from app.domain.rollout import Phase, Rollback, Rollout, Tick
from app.domain.rollout_policy import ROLLBACK_CHECKLIST
from app.domain.run import Blocked, RunState
from app.domain.task_state import TaskState
from app.domain.text import printable
from app.domain.workflow import Recipe
from app.engine.core import Core
from app.engine.paths import Declared, declared
from app.engine.project import Project, load_project
from app.engine.runs import Runs
from app.engine.shadowing import Shadowing
from app.store.journal import Draft


class Rollouts:
    """Carries out what an operator, or the watch, wants of a rollout."""

    def __init__(
        self, core: Core, runs: Runs, shadowing: Shadowing, learn: Callable[[Recipe], None]
    ) -> None:
        self._core = core
        self._runs = runs
        self._shadowing = shadowing
        self._learn = learn
        self._stopping: set[asyncio.Task[None]] = set()

    async def execute(self, command: cmd.Command) -> cmd.Done:
        """Raises Refused, NotFound or ConfigError with one sentence; then nothing has changed."""
        match command:
            case cmd.OpenRollout():
                return await self._open(command)
            case cmd.SetShadow():
                return await self._shadow(command)
            case cmd.PromoteRollout():
                return await self._promote(command)
            case cmd.HoldRollout():
                return await self._hold(command)
            case cmd.TickItem():
                return await self._tick(command)
            case cmd.RollBack():
                return await self.roll_back(
                    command.rollout_id, command.why or "asked for", command.by
                )
            case cmd.ReopenCandidate():
                return await self._reopen(command)
            case cmd.AdoptCandidate():
                return await self._adopt(command)
            case cmd.FinishInShadow():
                return await self._finish_in_shadow(command)
            case cmd.ReplayShadow():
                return await self._shadowing.replay(self._get(command.rollout_id), command)
        raise Refused(f"{command.do} is no command about a rollout")

    def _get(self, rollout_id: RolloutId, version: int | None = None) -> Rollout:
        rollout = self._core.journal.projection.rollouts.get(rollout_id)
        if rollout is None:
            raise NotFound(f"there is no rollout {rollout_id}")
        if version is not None and version != rollout.version:
            raise Refused(
                f"rollout {rollout.name} has changed meanwhile (version {rollout.version}, not "
                f"{version}): look again"
            )
        return rollout

    async def _commit(self, *drafts: Draft) -> None:
        await asyncio.shield(self._core.journal.append(drafts))

    def _done(self, message: str, rollout: Rollout) -> cmd.Done:
        seq = self._core.journal.committed_seq
        return cmd.Done(message=message, seq=seq, rollout_id=rollout.rollout_id)

    # -- putting paths in place

    def known(self, project: str, name: str) -> Rollout | None:
        """The rollout of that name in a project, None if it was never opened."""
        for rollout in self._core.journal.projection.rollouts.values():
            if (rollout.project, rollout.name) == (project, name):
                return rollout
        return None

    async def _open(self, command: cmd.OpenRollout) -> cmd.Done:
        root = await self._core.workspaces.repository(Path(command.project))
        project = await asyncio.to_thread(load_project, root)
        known = self.known(str(root), command.name)
        if known is None:
            opened = await self.opened(project, command.name, command.by)
            return self._done(f"rollout {opened.name} is open: {_paths(opened)}", opened)
        stable, candidate = await self._declared(project, command.name)
        known = self._get(known.rollout_id)
        why = printable(command.replace_stable.strip())
        changed = stable.path != known.stable
        if changed and not why:
            # The stable path stays what it is pinned to; an edit of it is a candidate.
            candidate = candidate or stable
            stable = Declared(known.stable, self._recipe(known.stable.recipe))
        if candidate is not None and candidate.path.recipe == stable.path.recipe:
            candidate = None
        fresh = candidate.path if candidate else None
        if known.share and (fresh != known.candidate or stable.path != known.stable):
            raise Refused(
                f"the candidate of rollout {known.name} answers {known.share} % of the requests: "
                "roll it back or adopt it before its paths are changed"
            )
        entry = project.config.rollout_of(command.name)
        assert entry is not None
        configured = rev.RolloutConfigured(
            rollout_id=known.rollout_id,
            version=known.version + 1,
            stable=stable.path,
            candidate=fresh,
            policies=entry.policies,
            compare=entry.compare,
            why=why if changed else "",
            by=command.by,
        )
        await self._commit(*self._recorded(stable, candidate), Draft(configured))
        rollout = self._get(known.rollout_id)
        return self._done(f"rollout {rollout.name} read anew: {_paths(rollout)}", rollout)

    async def opened(self, project: Project, name: str, by: Actor) -> Rollout:
        """The rollout of that name, put in place if the store does not have it yet."""
        stable, candidate = await self._declared(project, name)
        known = self.known(str(project.root), name)
        if known is not None:
            return known
        entry = project.config.rollout_of(name)
        assert entry is not None
        now = self._core.clock.now()
        rollout = Rollout(
            rollout_id=RolloutId(self._core.ids.new("ro")),
            name=name,
            project=str(project.root),
            stable=stable.path,
            candidate=candidate.path if candidate else None,
            policies=entry.policies,
            compare=entry.compare,
            author=by,
            since=now,
            opened_at=now,
            updated_at=now,
        )
        drafts = self._recorded(stable, candidate)
        await self._commit(*drafts, Draft(rev.RolloutOpened(rollout=rollout)))
        return rollout

    async def _declared(self, project: Project, name: str) -> tuple[Declared, Declared | None]:
        entry = project.config.rollout_of(name)
        if entry is None:
            known = ", ".join(e.name for e in project.config.rollout) or "none"
            raise NotFound(f'no rollout "{name}" in longwatch.toml of {project.root} ({known})')
        stable = await asyncio.to_thread(declared, project, entry, PathName.STABLE)
        candidate = await asyncio.to_thread(declared, project, entry, PathName.CANDIDATE)
        assert stable is not None
        for path in (stable, candidate):
            if path is not None:
                self._learn(path.recipe)
        if candidate is not None and candidate.path.recipe == stable.path.recipe:
            raise Refused(f"rollout {name}: the candidate is the stable path")
        return stable, candidate

    def _recipe(self, digest: str) -> Recipe:
        return self._core.journal.projection.recipes[digest]

    def _recorded(self, *paths: Declared | None) -> list[Draft]:
        known = self._core.journal.projection.recipes
        found = {p.path.recipe: p.recipe for p in paths if p and p.path.recipe not in known}
        return [Draft(ev.RecipeRecorded(digest=d, recipe=recipe)) for d, recipe in found.items()]

    # -- moving between them

    async def _shadow(self, command: cmd.SetShadow) -> cmd.Done:
        rollout = self._get(command.rollout_id, command.version)
        self._check_open(rollout)
        moved = self._moved(rollout, command.by, shadow=command.percent)
        await self._commit(Draft(moved))
        return self._done(
            f"rollout {rollout.name}: {command.percent} % of the requests are shadowed", rollout
        )

    async def _promote(self, command: cmd.PromoteRollout) -> cmd.Done:
        rollout = self._get(command.rollout_id, command.version)
        self._check_open(rollout)
        share = next_share(rollout)
        if share is None:
            raise Refused(
                f"the candidate of rollout {rollout.name} answers all requests already: adopt it, "
                "or roll it back"
            )
        override = printable(command.override.strip())
        missing = self._missing(rollout, command.by)
        if missing and not override:
            lines = "\n".join(f"  - {text}" for text in missing)
            raise Refused(
                f"rollout {rollout.name} is not promoted to {share} %; what is missing:\n{lines}"
            )
        moved = self._moved(
            rollout,
            command.by,
            share=share,
            step=rollout.step + 1,
            override=override if missing else "",
            missing=missing,
        )
        await self._commit(Draft(moved))
        loud = " AGAINST its promotion policy" if missing else ""
        return self._done(
            f"rollout {rollout.name}: the candidate answers {share} % of the requests{loud}",
            rollout,
        )

    def _missing(self, rollout: Rollout, by: Actor) -> tuple[str, ...]:
        now, policy = self._core.clock.now(), rollout.policies.promotion
        found = judge(rollout, now)
        missing = found.missing if found.verdict is not Verdict.MET else ()
        if policy.other_approver and by.kind is ActorKind.PERSON and by == rollout.author:
            missing += (f"somebody other than {by}, who put the candidate in place, promotes it",)
        return missing

    def _moved(self, rollout: Rollout, by: Actor, **changes: Any) -> rev.RolloutMoved:
        fields = {"share": rollout.share, "shadow": rollout.shadow, "step": rollout.step}
        return rev.RolloutMoved(
            rollout_id=rollout.rollout_id,
            version=rollout.version + 1,
            by=by,
            **{**fields, **changes},
        )

    def _check_open(self, rollout: Rollout) -> None:
        if rollout.candidate is None:
            raise Refused(
                f"rollout {rollout.name} has no candidate: declare one, or edit the workflow of "
                f"its stable path, then `longwatch rollout open {rollout.name}`"
            )
        if rollout.closed:
            raise Refused(
                f"the candidate of rollout {rollout.name} is closed since its rollback: "
                f"`longwatch rollout reopen {rollout.name}` lets it be tried again"
            )

    async def advance(self, rollout: Rollout, why: str, by: Actor) -> None:
        """The watch takes the next step. Raises Refused when it was changed meanwhile."""
        share = next_share(rollout)
        if share is None or self._missing(rollout, by):
            return
        step = rollout.step + 1
        await self._commit(Draft(self._moved(rollout, by, share=share, step=step, why=why)))

    async def hold(self, rollout: Rollout, why: str, by: Actor) -> None:
        await self._commit(Draft(rev.RolloutHeld(rollout_id=rollout.rollout_id, why=why, by=by)))

    async def _hold(self, command: cmd.HoldRollout) -> cmd.Done:
        rollout = self._get(command.rollout_id)
        why = printable(command.why.strip())
        if rollout.phase is not Phase.STEPPING:
            raise Refused(f"rollout {rollout.name} is {rollout.phase}: no step is under way")
        if not why and not rollout.held:
            raise Refused(f"rollout {rollout.name} is not held")
        await self.hold(rollout, why, command.by)
        return self._done(f"rollout {rollout.name} {'is held' if why else 'goes on'}", rollout)

    async def _tick(self, command: cmd.TickItem) -> cmd.Done:
        rollout = self._get(command.rollout_id)
        if command.by.kind is not ActorKind.PERSON:
            raise Refused("a checklist is ticked by a person")
        if command.checklist == "promotion":
            items = rollout.policies.promotion.checklist
        elif rollout.rollbacks:
            items = rollout.rollbacks[-1].checklist
        else:
            raise Refused(f"rollout {rollout.name} was never rolled back")
        item = next((i for i in items if i == command.item), None)
        item = item or next((i for i in items if i.partition(":")[0] == command.item), None)
        if item is None:
            known = "; ".join(items) or "it is empty"
            raise Refused(f'no line "{command.item}" on the {command.checklist} checklist: {known}')
        tick = Tick(
            item=item, by=command.by, at=self._core.clock.now(), note=printable(command.note)
        )
        ticked = rev.ChecklistTicked(
            rollout_id=rollout.rollout_id,
            checklist=command.checklist,
            tick=tick,
            done=command.done,
        )
        await self._commit(Draft(ticked))
        words = "ticked" if command.done else "not done after all"
        return self._done(f"{words}: {item}", rollout)

    async def _adopt(self, command: cmd.AdoptCandidate) -> cmd.Done:
        rollout = self._get(command.rollout_id, command.version)
        self._check_open(rollout)
        if rollout.share != 100:
            raise Refused(
                f"the candidate of rollout {rollout.name} answers {rollout.share} % of the "
                "requests: it becomes the stable path only when it answers all"
            )
        adopted = rev.CandidateAdopted(
            rollout_id=rollout.rollout_id, version=rollout.version + 1, by=command.by
        )
        await self._commit(Draft(adopted))
        return self._done(
            f"rollout {rollout.name}: {rollout.candidate} is the stable path now", rollout
        )

    # -- and back

    async def roll_back(self, rollout_id: RolloutId, why: str, by: Actor) -> cmd.Done:
        """One commit: the stable path answers, shadowing is off, the candidate is closed, its
        runs under way are frozen. Their agents are stopped after it."""
        asked_at = self._core.clock.now()
        rollout = self._get(rollout_id)
        if rollout.closed:
            raise Refused(f"rollout {rollout.name} is rolled back already")
        frozen = [s for s in self._of_candidate(rollout) if not s.run.shadow]
        shadows = [s for s in self._of_candidate(rollout) if s.run.shadow]
        tops = tuple(state.run.run_id for state in frozen if state.run.parent is None)
        record = Rollback(
            number=(rollout.rollbacks[-1].number if rollout.rollbacks else 0) + 1,
            from_path=str(rollout.candidate if rollout.share else rollout.stable),
            to_path=str(rollout.stable),
            why=printable(why),
            trigger="person" if by.kind is ActorKind.PERSON else "watch",
            by=by,
            share_before=rollout.share,
            shadow_before=rollout.shadow,
            asked_at=asked_at,
            at=asked_at,
            frozen=tops,
            window_seconds=rollout.policies.rollback.window_seconds,
            checklist=(*ROLLBACK_CHECKLIST, *rollout.policies.rollback.checklist),
        )
        rolled_back = rev.RolledBack(
            rollout_id=rollout_id, version=rollout.version + 1, rollback=record
        )
        drafts = [Draft(rolled_back)]
        for state in frozen:
            drafts += _frozen(state, rollout, by)
        for state in shadows:
            drafts += _given_up(state, "shadowing was switched off by a rollback", by)
        await self._commit(*drafts)
        self._stop([*frozen, *shadows], rollout_id, record.number if tops else 0)
        many = f"; {len(tops)} of its runs are frozen" if tops else ""
        return self._done(
            f"rollout {rollout.name} is rolled back: {rollout.stable} answers every request{many}",
            rollout,
        )

    def _of_candidate(self, rollout: Rollout) -> Iterator[RunState]:
        for state in self._core.journal.projection.states.values():
            run = state.run
            if run.rollout != rollout.rollout_id or run.path is not PathName.CANDIDATE:
                continue
            # One that has failed has given its answer; it is not taken up again either.
            over = run.state.terminal or run.state is TaskState.FAILED
            if not over and not state.frozen:
                yield state

    def _stop(self, states: list[RunState], rollout_id: RolloutId, number: int) -> None:
        task = asyncio.create_task(self._stopped(states, rollout_id, number), name="rollback")
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def _stopped(self, states: list[RunState], rollout_id: RolloutId, number: int) -> None:
        if states:
            await asyncio.gather(*(self._runs.halt(state.run.run_id) for state in states))
        if number:
            await self._core.record(rev.CandidateStopped(rollout_id=rollout_id, number=number))

    async def recover(self) -> None:
        """What a crash cut off: no agent of an earlier supervisor runs any more."""
        for rollout in list(self._core.journal.projection.rollouts.values()):
            for rollback in rollout.rollbacks:
                if rollback.stopped_at is None:
                    await self._core.record(
                        rev.CandidateStopped(rollout_id=rollout.rollout_id, number=rollback.number)
                    )

    async def close(self) -> None:
        """Wait for what is being stopped."""
        if self._stopping:
            await asyncio.wait(self._stopping)

    async def _reopen(self, command: cmd.ReopenCandidate) -> cmd.Done:
        rollout = self._get(command.rollout_id, command.version)
        if not rollout.closed:
            raise Refused(f"the candidate of rollout {rollout.name} is not closed")
        if rollout.rollback is not None:
            left = len(rollout.rollback.to_tick)
            raise Refused(
                f"the rollback of {rollout.name} is open: {left} lines of its checklist are to be "
                "ticked before its candidate is tried again"
            )
        reopened = rev.CandidateReopened(
            rollout_id=rollout.rollout_id, version=rollout.version + 1, by=command.by
        )
        await self._commit(Draft(reopened))
        return self._done(
            f"rollout {rollout.name}: the candidate may be tried again, from nothing", rollout
        )

    async def _finish_in_shadow(self, command: cmd.FinishInShadow) -> cmd.Done:
        state = self._core.state(command.run_id)
        if not state.frozen:
            raise Refused(f"run {command.run_id} is not frozen by a rollback")
        family = [state, *self._descendants(state)]
        drafts = list[Draft]()
        for each in family:
            drafts.append(Draft(rev.ShadowBegun(by=command.by), run=each))
            again = ev.RunStateChanged(
                state=TaskState.IN_PROGRESS, reason="finishes in shadow", by=command.by
            )
            drafts.append(Draft(again, run=each))
        await self._commit(*drafts)
        for each in family:
            self._runs.wake(each.run.run_id)
        return cmd.Done(
            message=f"run {command.run_id} goes on in shadow: nobody is given its answer",
            run_id=command.run_id,
            seq=self._core.journal.committed_seq,
        )

    def _descendants(self, state: RunState) -> Iterator[RunState]:
        for child in self._runs.children.of(state):
            if child.frozen:
                yield child
                yield from self._descendants(child)


def _paths(rollout: Rollout) -> str:
    beside = f", candidate {rollout.candidate}" if rollout.candidate else ", no candidate"
    return f"stable {rollout.stable}{beside}"


def _withdrawn(state: RunState, why: str) -> Iterator[Draft]:
    for approval in state.approvals.values():
        if approval.state in (ApprovalState.PENDING, ApprovalState.APPROVED):
            withdrawn = ev.ApprovalWithdrawn(approval_id=approval.approval_id, why=why)
            yield Draft(withdrawn, run=state)


def _frozen(state: RunState, rollout: Rollout, by: Actor) -> Iterator[Draft]:
    message = f"frozen: rollout {rollout.name} was rolled back while it was under way"
    blocked = Blocked(kind="frozen", message=message, step=state.run.current_step)
    moved = ev.RunStateChanged(state=TaskState.BLOCKED, reason=message, by=by, blocked=blocked)
    yield Draft(moved, run=state)
    yield from _withdrawn(state, message)


def _given_up(state: RunState, why: str, by: Actor) -> Iterator[Draft]:
    yield Draft(ev.RunStateChanged(state=TaskState.CANCELED, reason=why, by=by), run=state)
    yield from _withdrawn(state, why)
