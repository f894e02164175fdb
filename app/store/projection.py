"""The projection: what each event does to the states in memory and to the read-model rows.

The same code runs live and in `verify`, which replays the journal and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from app.domain import events as ev
from app.domain.approval import StoredRule
from app.domain.base import ProcessId, RuleId, RunId
from app.domain.events import Event
from app.domain.reducer import reduce
from app.domain.run import RunState
from app.domain.session import Process
from app.domain.workflow import Recipe

TABLES = (
    "runs",
    "attempts",
    "sessions",
    "approvals",
    "reviews",
    "questions",
    "recipes",
    "rules",
    "processes",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a read model; `doc` None deletes it. The JSON is made by the writer thread."""

    table: str
    id: str
    run_id: str
    state: str
    doc: BaseModel | None


@dataclass(slots=True)
class Projection:
    """States of runs and of the store as a whole, moved on by events."""

    states: dict[RunId, RunState] = field(default_factory=dict)
    recipes: dict[str, Recipe] = field(default_factory=dict)
    rules: dict[RuleId, StoredRule] = field(default_factory=dict)
    processes: dict[ProcessId, Process] = field(default_factory=dict)
    epoch: int = 0
    # How many finished runs stay in memory; the others are read from the store when asked for.
    # None keeps all: a replay needs every state until its last event.
    keep_finished: int | None = None
    # Whether somebody still works on a run that is over: it stays until nobody does.
    in_use: Callable[[RunId], bool] = lambda run_id: False

    def apply(self, events: Sequence[Event]) -> list[Row]:
        """Move on by all of `events` or, when one is refused, by none; the rows to write.

        Raises Refused or KeyError for events that do not fit the state.
        """
        moved: dict[RunId, RunState] = {}
        rows: list[Row] = []
        for event in events:
            if not event.run_id:
                continue
            before = moved.get(event.run_id, self.states.get(event.run_id))
            after = reduce(before, event)
            if after is not None:
                rows.extend(_run_rows(before, after))
                moved[event.run_id] = after
        self.states.update(moved)
        if self.keep_finished is not None and any(s.run.state.terminal for s in moved.values()):
            self._trim(self.keep_finished)
        for event in events:
            rows.extend(self._store_rows(event))
        return rows

    def _trim(self, keep: int) -> None:
        finished = [s.run for s in self.states.values() if s.run.state.terminal]
        finished.sort(key=lambda run: run.ended_at or run.updated_at)
        for run in finished[: max(0, len(finished) - keep)]:
            if not self.in_use(run.run_id):
                del self.states[run.run_id]
        used = {state.run.recipe for state in self.states.values()}
        for digest in [d for d in self.recipes if d not in used]:
            del self.recipes[digest]

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
            case ev.ProcessStarted(process=process):
                self.processes[process.process_id] = process
                yield Row("processes", process.process_id, process.run_id or "", "running", process)
            case ev.ProcessEnded(process_id=process_id):
                self.processes.pop(process_id, None)
                yield Row("processes", process_id, "", "", None)


def _run_rows(before: RunState | None, after: RunState) -> Iterable[Row]:
    run = after.run
    if before is None or _moved(before, after):
        yield Row("runs", run.run_id, run.run_id, run.state, run)
    for table in ("attempts", "sessions", "approvals", "reviews", "questions"):
        old: Mapping[str, BaseModel] = getattr(before, table) if before else {}
        new: Mapping[str, BaseModel] = getattr(after, table)
        if new is old:
            continue
        for key, doc in new.items():
            if old.get(key) is not doc:
                # An attempt's key is only unique within its run; the other ids are so anyway.
                row_id = f"{run.run_id}/{key}" if table == "attempts" else key
                yield Row(table, row_id, run.run_id, str(getattr(doc, "state", "")), doc)


def _moved(before: RunState, after: RunState) -> bool:
    """Whether the run's head says more than where and when it is: most events need no new row."""
    if before.run is after.run:
        return False
    volatile = {"updated_at": after.run.updated_at, "current_step": after.run.current_step}
    return before.run.model_copy(update=volatile) != after.run
