"""The operator's commands about rollouts: each is one commit, decided on the state it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from app.domain import rollout_events as rev
from app.domain.approval import Actor, ActorKind
from app.domain.base import RolloutId
from app.domain.errors import NotFound, Refused
from app.domain.promotion import Verdict, judge, next_share
from app.domain.rollout import Phase, Rollout, Tick
from app.domain.text import printable
from app.domain.workflow import Recipe
from app.engine.core import Core
from app.engine.rollbacks import Rollbacks
from app.engine.rollout_setup import RolloutSetup
from app.engine.runs import Runs
from app.engine.shadowing import Shadowing
from app.store.journal import Draft

if TYPE_CHECKING:
    from app.domain import commands as cmd


class Rollouts:
    """Carries out what an operator, or the watch, wants of a rollout."""

    def __init__(
        self, core: Core, runs: Runs, shadowing: Shadowing, learn: Callable[[Recipe], None]
    ) -> None:
        self._core = core
        self._shadowing = shadowing
        self.setup = RolloutSetup(core, learn)
        self._back = Rollbacks(core, runs)

    async def execute(self, command: cmd.Command) -> cmd.Done:
        """Raises Refused, NotFound or ConfigError with one sentence; then nothing has changed."""
        from app.domain import commands as cmd  # loaded with the first command

        match command:
            case cmd.OpenRollout():
                rollout, said = await self.setup.read_anew(command)
                return self._done(said, rollout)
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
                await self._back.finish_in_shadow(command.run_id, command.by)
                said = f"run {command.run_id} goes on in shadow: nobody is given its answer"
                return self._core.done(said, command.run_id)
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
        await self._core.journal.append(drafts)

    def _done(self, message: str, rollout: Rollout) -> cmd.Done:
        return self._core.done(message, rollout_id=rollout.rollout_id)

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

    async def roll_back(self, rollout_id: RolloutId, why: str, by: Actor) -> cmd.Done:
        """Everything back to the stable path. Raises Refused when it is there already."""
        rollout = self._get(rollout_id)
        return self._done(await self._back.roll_back(rollout, why, by), rollout)

    async def recover(self) -> None:
        """Finish what a crash cut off."""
        await self._back.recover()

    async def close(self) -> None:
        """Wait for what is being stopped."""
        await self._back.close()
