"""What every part of the engine shares: the journal, the clock, the ids, the epoch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.agents.protocol import Driver
from app.domain import events as ev
from app.domain.base import Clock, IdSource, RolloutId, RunId
from app.domain.decide import decide
from app.domain.directives import Directive
from app.domain.errors import NotFound
from app.domain.events import Payload
from app.domain.overtaken import check_current
from app.domain.run import RunState
from app.domain.workflow import Recipe
from app.engine.attaching import Attaching
from app.engine.call_http import HttpCaller
from app.engine.changed import Changed
from app.engine.environment import Variables
from app.engine.processes import ProcessRegistry
from app.engine.workspaces import Workspaces
from app.store.attachments import AttachmentStore
from app.store.journal import Draft, Journal
from app.store.paths import StorePaths

if TYPE_CHECKING:
    from app.domain.commands import Done

Directives = tuple[Directive, ...]

# What happens while a directive is carried out: it changes nothing of what is to be done next.
_IN_A_TURN: frozenset[type] = frozenset(
    [
        ev.SessionOpened,
        ev.SessionBound,
        ev.TurnStarted,
        ev.ItemFinished,
        ev.SessionStuck,
        ev.SessionMoving,
        ev.SessionAttached,
        ev.ModelSwitched,
        ev.RestartAsked,
    ]
)


def _in_a_turn(payload: Payload) -> bool:
    if isinstance(payload, ev.AttemptStarted):
        return payload.prompt is not None  # it begins with its turn
    return type(payload) in _IN_A_TURN


@dataclass(slots=True)
class Core:
    """Handles to the machine, made once by the supervisor and injected into its parts."""

    journal: Journal
    paths: StorePaths
    clock: Clock
    ids: IdSource
    epoch: int
    drivers: Mapping[str, Driver]
    processes: ProcessRegistry
    workspaces: Workspaces
    http: HttpCaller = field(default_factory=HttpCaller)
    variables: Variables = field(default_factory=Variables)
    on_usage: Callable[[RunState, ev.UsageUpdated], None] = lambda state, told: None
    limit: Callable[[RunState, Directives], Directives] = lambda state, found: found
    attaching: Attaching = field(init=False)
    _changed: dict[RunId, Changed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.attaching = Attaching(AttachmentStore(self.paths.attachments), self.state)

    def state(self, run_id: RunId) -> RunState:
        """The run's newest state. Raises NotFound."""
        state = self.journal.projection.states.get(run_id)
        if state is None:
            raise NotFound(f"there is no run {run_id} that can still change")
        return state

    async def any_state(self, run_id: RunId) -> RunState:
        """The same, also of a run that was over long ago. Raises NotFound, StoreError."""
        state = self.journal.state(run_id)
        return state if state is not None else await self.journal.reader.run(run_id)

    def recipe(self, run_id: RunId) -> Recipe:
        return self.journal.projection.recipes[self.state(run_id).run.recipe]

    def done(
        self, message: str, run_id: RunId | None = None, rollout_id: RolloutId | None = None
    ) -> Done:
        """What a command that was carried out answers: with all that is on disk by then."""
        from app.domain.commands import Done  # all commands: loaded with the first one

        seq = self.journal.committed_seq
        return Done(message=message, run_id=run_id, rollout_id=rollout_id, seq=seq)

    def next_steps(self, run_id: RunId) -> Directives:
        """What the run does next, within the budgets of the day. Raises ConfigError."""
        state = self.state(run_id)
        recipe = self.journal.projection.recipes[state.run.recipe]
        return self.limit(state, decide(recipe, state))

    def note(self, run_id: RunId, *payloads: Payload) -> None:
        """Apply facts to a run at once. No effect may follow from them but by a `commit`, with
        which they come to the disk. Raises Overtaken when the run has moved so that they are not
        the case any more.
        """
        self.journal.note(self._drafts(run_id, payloads))
        self._moved(run_id, payloads)

    def conclude(self, run_id: RunId, *payloads: Payload) -> None:
        """As `note`, for the last that comes of a directive: whose task has carried it out looks by
        itself at what is next, so the run's loop need not be woken for it."""
        self.journal.note(self._drafts(run_id, payloads))

    async def commit(self, run_id: RunId, *payloads: Payload) -> None:
        """Apply events to a run and wait until they are on disk. Raises Overtaken.

        A cancelled caller does not undo them: the write goes on.
        """
        await self.committing(run_id, *payloads)

    async def commit_to_any(self, run_id: RunId, *payloads: Payload) -> None:
        """As `commit`, also for a run that was over long ago. Raises NotFound, StoreError."""
        if self.journal.state(run_id) is None:
            await self.journal.on_disk()  # the store is read, and must have all of it
            found = await self.any_state(run_id)
            if self.journal.state(run_id) is None:  # nobody else was faster, and has moved it on
                self.journal.projection.adopt(found)
        await self.commit(run_id, *payloads)

    def committing(self, run_id: RunId, *payloads: Payload) -> asyncio.Future[None]:
        """As `commit`, for who has something else to do until it is on disk."""
        future = self.journal.append(self._drafts(run_id, payloads))
        self._moved(run_id, payloads)
        return future

    async def settle(self) -> None:
        """Wait until all that has been noted is on disk."""
        await self.journal.append(())

    def _drafts(self, run_id: RunId, payloads: tuple[Payload, ...]) -> list[Draft]:
        state = self.state(run_id)
        check_current(state, payloads)
        drafts = list[Draft]()
        for payload in payloads:
            if isinstance(payload, ev.UsageUpdated):
                self.on_usage(state, payload)
            drafts.append(Draft(payload, state))
        return drafts

    def _moved(self, run_id: RunId, payloads: tuple[Payload, ...]) -> None:
        changed = self._changed.get(run_id)
        if changed is not None and not all(map(_in_a_turn, payloads)):
            changed.set()

    async def record(self, payload: Payload) -> None:
        """Commit an event that concerns the store as a whole, such as a process."""
        await self.journal.append([Draft(payload)])

    def changed(self, run_id: RunId) -> Changed:
        """Set whenever the run's state has moved."""
        found = self._changed.get(run_id)
        if found is None:
            found = self._changed[run_id] = Changed()
        return found

    def forget(self, run_id: RunId) -> None:
        self._changed.pop(run_id, None)
