"""The projection: what each event does to the states in memory and to the read-model rows.

The same code runs live and in `verify`, which replays the journal and compares.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from operator import attrgetter

from msgspec import Struct
from pydantic import BaseModel

from app.domain import events as ev
from app.domain import rollout_events
from app.domain.approval import StoredRule
from app.domain.base import ProcessId, RolloutId, RuleId, RunId
from app.domain.events import Event
from app.domain.persistent import PersistentMap
from app.domain.reduce_rollout import rollout_after
from app.domain.reducer import reduce
from app.domain.rollout import Rollout
from app.domain.run import Run, RunState
from app.domain.session import Process
from app.domain.workflow import Recipe

TABLES = (
    "runs",
    "approvals",
    "reviews",
    "questions",
    "recipes",
    "rules",
    "processes",
    "rollouts",
    "comparisons",
)


# What a run has in tables of its own: the table, and where the run's state has it.
_ENTITIES = tuple((name, attrgetter(name)) for name in ("approvals", "reviews", "questions"))
# Events that change a table of the store as a whole.
_OF_THE_STORE = {
    ev.SupervisorStarted,
    ev.RecipeRecorded,
    ev.RuleAdded,
    ev.RuleRemoved,
    rollout_events.ComparisonRecorded,
    ev.ProcessStarted,
    ev.ProcessEnded,
}


# Runs that end at the same time are all in use until their loops have ended: looking for one that
# is not must not cost a walk through them for each.
_LOOKED_AT_AGAIN = 16  # after so many more have ended


class Row(Struct, frozen=True):
    """One row of a read model; `doc` None deletes it. The JSON is made by the writer thread."""

    table: str
    id: str
    run_id: str
    state: str
    doc: BaseModel | None


class Projection(Struct):
    """States of runs and of the store as a whole, moved on by events."""

    states: dict[RunId, RunState] = {}
    recipes: dict[str, Recipe] = {}
    rules: dict[RuleId, StoredRule] = {}
    processes: dict[ProcessId, Process] = {}
    rollouts: dict[RolloutId, Rollout] = {}
    epoch: int = 0
    # How many finished runs stay in memory; the others are read from the store when asked for.
    # None keeps all: a replay needs every state until its last event.
    keep_finished: int | None = None
    # Whether somebody still works on a run that is over: it stays until nobody does.
    in_use: Callable[[RunId], bool] = lambda run_id: False
    _finished: dict[RunId, None] = {}  # in the order of their ends
    _enough: int = 0  # as many of them are not looked through

    def apply(self, events: Sequence[Event]) -> list[Row]:
        """Move on by all of `events` or, when one is refused, by none; the rows to write.

        Raises Refused or KeyError for events that do not fit the state.
        """
        before = self._alone(events)
        if before is None:
            return self._together(events)
        after = reduce(before, events[0])
        if after is None:
            return []
        rows = list(_run_rows(before, after)) if _tells_more(before, after) else []
        self.adopt(after)
        return rows

    def _alone(self, events: Sequence[Event]) -> RunState | None:
        """The state of the run that the only event is about, if nothing else can follow from it:
        so it is most often."""
        if len(events) != 1 or not events[0].run_id or type(events[0].payload) in _OF_THE_STORE:
            return None
        state = self.states.get(events[0].run_id)
        return None if state is None or state.run.rollout else state

    def _together(self, events: Sequence[Event]) -> list[Row]:
        moved: dict[RunId, RunState] = {}
        rows: list[Row] = []
        rollouts: dict[RolloutId, Rollout] = {}
        known = ChainMap(rollouts, self.rollouts)
        for event in events:
            before = after = None
            if event.run_id:
                before = moved.get(event.run_id, self.states.get(event.run_id))
                after = reduce(before, event)
                if after is None:
                    continue
                if before is None or _tells_more(before, after):
                    rows.extend(_run_rows(before, after))
                moved[event.run_id] = after
            if after is None or after.run.rollout:
                rollout = rollout_after(known, event, before, after)
                if rollout is not None:
                    rollouts[rollout.rollout_id] = rollout
        for state in moved.values():
            self.adopt(state)
        for rollout in rollouts.values():
            self.rollouts[rollout.rollout_id] = rollout
            rows.append(Row("rollouts", rollout.rollout_id, "", rollout.phase, rollout))
        for event in events:
            if type(event.payload) in _OF_THE_STORE:
                rows.extend(self._store_rows(event))
        return rows

    def adopt(self, state: RunState) -> None:
        """Keep a run's newest state; of those that are over, not more than `keep_finished`."""
        run = state.run
        self.states[run.run_id] = state
        if run.state.terminal:
            self._finished.setdefault(run.run_id)
            keep = self.keep_finished
            if keep is not None and len(self._finished) > max(keep, self._enough):
                self._trim(len(self._finished) - keep)
                left = len(self._finished)
                self._enough = left + _LOOKED_AT_AGAIN if left > keep else keep

    def _trim(self, excess: int) -> None:
        """Those that have ended first go first, and the recipes that none is left of."""
        idle = (run_id for run_id in self._finished if not self.in_use(run_id))
        gone = [self.states.pop(run_id) for run_id in list(islice(idle, excess))]
        for state in gone:
            del self._finished[state.run.run_id]
        pinned = {digest for r in self.rollouts.values() for digest in r.recipes}
        for digest in {state.run.recipe for state in gone} - pinned:
            if not any(state.run.recipe == digest for state in self.states.values()):
                self.recipes.pop(digest, None)

    def _store_rows(self, event: Event) -> Iterable[Row]:
        match event.payload:
            case ev.SupervisorStarted(epoch=epoch):
                self.epoch = epoch
            case ev.RecipeRecorded(digest=digest, recipe=recipe):
                self.recipes[digest] = recipe
                yield Row("recipes", digest, "", recipe.workflow.name, recipe)
            case ev.RuleAdded(rule=rule):
                self.rules[rule.rule_id] = rule
                yield Row("rules", rule.rule_id, "", rule.rule.action, rule)
            case ev.RuleRemoved(rule_id=rule_id):
                self.rules.pop(rule_id, None)
                yield Row("rules", rule_id, "", "", None)
            case rollout_events.ComparisonRecorded(rollout_id=rollout_id, result=result):
                told = {True: "agreed", False: "disagreed", None: "unknown"}
                state = told[result.comparison.agrees]
                yield Row("comparisons", result.shadow, rollout_id, state, result)
            case ev.ProcessStarted(process=process):
                self.processes[process.process_id] = process
                yield Row("processes", process.process_id, process.run_id or "", "running", process)
            case ev.ProcessEnded(process_id=process_id):
                self.processes.pop(process_id, None)
                yield Row("processes", process_id, "", "", None)


def _run_rows(before: RunState | None, after: RunState) -> Iterable[Row]:
    run = after.run
    if before is None or _moved(before.run, run):
        yield Row("runs", run.run_id, run.run_id, run.state, run)
    for table, entities in _ENTITIES:
        new: PersistentMap[str, BaseModel] = entities(after)
        for key, doc in new.changed_since(entities(before) if before else {}):
            yield Row(table, key, run.run_id, str(getattr(doc, "state", "")), doc)


def _tells_more(before: RunState, after: RunState) -> bool:
    """Whether any row follows from a change: most events are in no table but the journal."""
    return (
        before.approvals is not after.approvals
        or before.reviews is not after.reviews
        or before.questions is not after.questions
        or (before.run is not after.run and _moved(before.run, after.run))
    )


def _moved(before: Run, after: Run) -> bool:
    """Whether the run's head says more than where and when it is: most events need no new row."""
    volatile = {"updated_at": after.updated_at, "current_step": after.current_step}
    return {**before.__dict__, **volatile} != after.__dict__
