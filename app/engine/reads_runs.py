"""What a supervisor reads of its runs and rollouts: nothing that a crash would take back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from app.domain.approval import Approval, StoredRule
from app.domain.attention import waits_for_operator
from app.domain.base import RolloutId, RunId, SessionId
from app.domain.errors import NotFound, OwnershipError, Refused
from app.domain.events import Event
from app.domain.rollout import Rollout, ShadowResult
from app.domain.run import Question, QuestionState, Review, ReviewState, Run, RunState
from app.domain.session import Chunk
from app.domain.workflow import Recipe
from app.store.journal import Journal
from app.store.projection import Projection
from app.store.traces import runs_of_trace

_FINISHED_SHOWN = 50  # runs that are over, when they have to be read from the disk


class OnDisk(NamedTuple):
    """What can be shown, as of event `seq`: nothing that a crash would take back."""

    seq: int
    states: Sequence[RunState]
    rules: Sequence[StoredRule]
    rollouts: Sequence[Rollout]

    @classmethod
    def of(cls, seq: int, found: Projection) -> OnDisk:
        """A copy: the projection goes on changing."""
        states, rules, rollouts = found.states, found.rules, found.rollouts
        return cls(seq, list(states.values()), list(rules.values()), list(rollouts.values()))


class ReadsRuns:
    """Mixed into the supervisor. Runs that are not over are read from memory, all others from the
    store."""

    _journal: Journal

    async def _on_disk(self) -> OnDisk:
        """While the disk cannot be written: what was on it before."""
        journal = self._journal
        found = OnDisk.of(journal.seq, journal.projection)
        if await journal.on_disk():
            return found
        while True:
            seq = journal.committed_seq
            projection = await journal.reader.projection(_FINISHED_SHOWN)
            if journal.committed_seq == seq:
                return OnDisk.of(seq, projection)

    async def runs(self, limit: int = 200, trace: str = "") -> Sequence[Run]:
        """Newest first; with `trace`, those whose trace id is or begins with it."""
        if trace:
            return await runs_of_trace(self._journal.reader, trace, limit)
        found = await self._journal.reader.runs(limit)
        live = {state.run.run_id: state.run for state in await self._states()}
        return [live.get(run.run_id, run) for run in found]

    async def run(self, run_id: RunId) -> RunState:
        """Raises NotFound. An unambiguous prefix of the id is enough."""
        state = self._journal.state(run_id)
        if state is not None and await self._journal.on_disk():
            return state
        return await self._journal.reader.run(await self._full_id(run_id))

    async def _full_id(self, run_id: RunId) -> RunId:
        found = await self._journal.reader.run_ids(run_id)
        if len(found) > 1:
            raise Refused(f"{run_id} fits several runs: {', '.join(found[:5])}")
        if not found:
            raise NotFound(f"there is no run {run_id}; `longwatch runs` lists them")
        return found[0]

    async def recipe(self, run_id: RunId) -> Recipe:
        state = await self.run(run_id)
        known = self._journal.projection.recipes.get(state.run.recipe)
        return known or await self._journal.reader.recipe(state.run.recipe)

    async def events(
        self, run_id: RunId | None = None, after: int = 0, limit: int = 1000
    ) -> Sequence[Event]:
        """In order of sequence, from `after` exclusive."""
        full = (await self.run(run_id)).run.run_id if run_id else None
        return await self._journal.reader.events(full, after, limit)

    async def _states(self) -> Sequence[RunState]:
        return (await self._on_disk()).states

    async def _awaited(self) -> Sequence[RunState]:
        """Runs that a person may be asked something by: nobody waits for a shadow's answer."""
        return [state for state in await self._states() if not state.run.shadow]

    async def approvals(self, open_only: bool = True) -> Sequence[Approval]:
        """Newest first. Open ones are those of unfinished runs that wait for a person."""
        if not open_only:
            return await self._journal.reader.approvals()
        return [
            approval
            for state in await self._awaited()
            for approval in state.approvals.values()
            if approval.state.needs_person and not state.run.state.terminal
        ]

    async def reviews(self, open_only: bool = True) -> Sequence[Review]:
        """Newest first. Open ones are those that wait for the operator."""
        if not open_only:
            return await self._journal.reader.reviews()
        return [
            review
            for state in await self._awaited()
            for review in state.reviews.values()
            if review.state is ReviewState.OPEN and waits_for_operator(state, review.review_id)
        ]

    async def questions(self, open_only: bool = True) -> Sequence[Question]:
        """Newest first. Open ones are those of unfinished runs that wait for an answer."""
        if not open_only:
            return await self._journal.reader.questions()
        return [
            question
            for state in await self._awaited()
            for question in state.questions.values()
            if question.state is QuestionState.OPEN and not state.run.state.terminal
        ]

    async def rules(self) -> Sequence[StoredRule]:
        return list(self._journal.projection.rules.values())

    async def rollouts(self) -> Sequence[Rollout]:
        """All of the store, in the order in which they were opened."""
        return (await self._on_disk()).rollouts

    async def comparisons(
        self, rollout_id: RolloutId, limit: int = 100, *, mismatches: bool = False
    ) -> Sequence[ShadowResult]:
        """Of one rollout, newest first; with `mismatches`, those that do not agree."""
        return await self._journal.reader.comparisons(rollout_id, limit, mismatches=mismatches)

    async def transcript(
        self, run_id: RunId, session_id: SessionId, before: int | None = None, limit: int = 500
    ) -> Sequence[Chunk]:
        """A page of transcript, oldest first. Raises OwnershipError."""
        state = await self.run(run_id)
        if session_id not in state.sessions:
            raise OwnershipError(f"session {session_id} does not belong to run {run_id}")
        return await self._journal.reader.chunks(session_id, before, limit)
