"""Rolling back: one commit, and then the candidate's runs are stopped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from app.domain import events as ev
from app.domain import rollout_events as rev
from app.domain.approval import Actor, ActorKind, ApprovalState
from app.domain.base import RolloutId, RunId
from app.domain.errors import Refused, StoreError
from app.domain.path_name import PathName
from app.domain.rollout import Rollback, Rollout
from app.domain.rollout_policy import ROLLBACK_CHECKLIST
from app.domain.run import Blocked, RunState
from app.domain.task_state import TaskState
from app.domain.text import printable
from app.engine.core import Core
from app.engine.runs import Runs
from app.store.journal import Draft

_log = logging.getLogger(__name__)


class Rollbacks:
    """Takes requests back to the stable path, and lets frozen runs end."""

    def __init__(self, core: Core, runs: Runs) -> None:
        self._core = core
        self._runs = runs
        self._stopping: set[asyncio.Task[None]] = set()

    async def roll_back(self, rollout: Rollout, why: str, by: Actor) -> str:
        """One commit: the stable path answers, shadowing is off, the candidate is closed, its
        runs under way are frozen. Their agents are stopped after it. What to tell of it; raises
        Refused when it is rolled back already."""
        asked_at = self._core.clock.now()
        if rollout.closed:
            raise Refused(f"rollout {rollout.name} is rolled back already")
        frozen = [s for s in self._of_candidate(rollout) if not s.run.shadow]
        shadows = [s for s in self._of_candidate(rollout) if s.run.shadow]
        shadows += self._judges(rollout)
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
            rollout_id=rollout.rollout_id, version=rollout.version + 1, rollback=record
        )
        drafts = [Draft(rolled_back)]
        for state in frozen:
            drafts += _frozen(state, rollout, by)
        for state in shadows:
            drafts += _given_up(state, "shadowing was switched off by a rollback", by)
        await self._core.journal.append(drafts)
        self._stop([*frozen, *shadows], rollout.rollout_id, record.number if tops else 0)
        many = f"; {len(tops)} of its runs are frozen" if tops else ""
        stable = rollout.stable
        return f"rollout {rollout.name} is rolled back: {stable} answers every request{many}"

    def _judges(self, rollout: Rollout) -> Iterator[RunState]:
        """The runs that compare what is not compared any more."""
        for shadowed in rollout.shadows:
            judge = self._core.journal.state(shadowed.judge) if shadowed.judge else None
            if judge is not None and not judge.run.state.terminal:
                yield judge

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
        try:
            if states:
                await asyncio.gather(*(self._runs.halt(state.run.run_id) for state in states))
            if number:
                await self._core.record(rev.CandidateStopped(rollout_id=rollout_id, number=number))
        except StoreError as error:
            _log.error("the end of rollback %d is recorded at the next start: %s", number, error)

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

    async def finish_in_shadow(self, run_id: RunId, by: Actor) -> None:
        """Let a frozen run go on. Raises Refused for one that is none."""
        state = self._core.state(run_id)
        if not state.frozen:
            raise Refused(f"run {run_id} is not frozen by a rollback")
        family = [state, *self._descendants(state)]
        drafts = list[Draft]()
        for each in family:
            drafts.append(Draft(rev.ShadowBegun(by=by), run=each))
            again = ev.RunStateChanged(
                state=TaskState.IN_PROGRESS, reason="finishes in shadow", by=by
            )
            drafts.append(Draft(again, run=each))
        await self._core.journal.append(drafts)
        for each in family:
            self._runs.wake(each.run.run_id)

    def _descendants(self, state: RunState) -> Iterator[RunState]:
        for child in self._runs.children.of(state):
            if child.frozen:
                yield child
                yield from self._descendants(child)


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
