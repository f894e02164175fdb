"""What a supervisor keeps in memory, read from a store that it has opened: in one pass."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from app.domain.approval import StoredRule
from app.domain.base import RunId
from app.domain.errors import NotFound, Refused
from app.domain.events import Event, SupervisorStarted
from app.domain.reducer import reduce
from app.domain.rollout import Rollout
from app.domain.run import RunState
from app.domain.session import Process
from app.domain.workflow import Recipe
from app.store.damage import REBUILD, damaged, models
from app.store.names import NUMBER, RUN_CREATED, SUPERVISOR_STARTED
from app.store.projection import Projection
from app.store.rows import EVENT, event_of

_M = TypeVar("_M", bound=BaseModel)
_OVER = "('done', 'canceled')"
_RUNS = (
    f"SELECT id FROM (SELECT rowid r, id FROM runs WHERE state NOT IN {_OVER} "
    f"UNION SELECT r, id FROM (SELECT rowid r, id FROM runs WHERE state IN {_OVER} "
    "ORDER BY rowid DESC LIMIT ?)) ORDER BY r"
)
_OF_RUN = f"{EVENT} WHERE run={NUMBER} ORDER BY seq"
_CREATED = f"SELECT count(*) FROM journal WHERE kind={RUN_CREATED}"
_EPOCH = f"{EVENT} WHERE kind={SUPERVISOR_STARTED} ORDER BY seq DESC LIMIT 1"


def read_projection(connection: sqlite3.Connection, path: Path, finished: int) -> Projection:
    """States of all unfinished runs and the newest finished ones; rules and processes (blocking).

    Costs what the unfinished runs cost, not what history does. Raises StoreDamaged.
    """
    _check_count(connection, path)
    projection = Projection()
    for (run_id,) in connection.execute(_RUNS, (finished,)).fetchall():
        rows = connection.execute(_OF_RUN, (run_id,))
        projection.adopt(_replayed(RunId(run_id), _events(rows, path), path))
    for rule in _docs(connection, path, StoredRule, "rules"):
        projection.rules[rule.rule_id] = rule
    for process in _docs(connection, path, Process, "processes"):
        projection.processes[process.process_id] = process
    for rollout in _docs(connection, path, Rollout, "rollouts"):
        projection.rollouts[rollout.rollout_id] = rollout
    used = {state.run.recipe for state in projection.states.values()}
    used |= {digest for r in projection.rollouts.values() for digest in r.recipes}
    for digest in used:
        for recipe in _docs(connection, path, Recipe, "recipes", "WHERE id=?", digest):
            projection.recipes[digest] = recipe
        if digest not in projection.recipes:
            what = f"recipe {digest[:12]} cannot be read"
            raise damaged(path, what, NotFound("it is gone"), REBUILD)
    for event in _events(connection.execute(_EPOCH), path):
        if isinstance(event.payload, SupervisorStarted):
            projection.epoch = event.payload.epoch
    return projection


def _check_count(connection: sqlite3.Connection, path: Path) -> None:
    """A run without its row would not be taken up, and nobody would be told."""
    (created,) = connection.execute(_CREATED).fetchone()
    (known,) = connection.execute("SELECT count(*) FROM runs").fetchone()
    if created > known:  # were it less, those too many are found when they are replayed
        error = ValueError(f"the journal has {created}")
        raise damaged(path, f"there are {known} rows of runs", error, REBUILD)


def _docs(
    connection: sqlite3.Connection,
    path: Path,
    model: type[_M],
    table: str,
    where: str = "",
    *values: object,
) -> list[_M]:
    rows = connection.execute(f"SELECT doc FROM {table} {where}", values)
    return models(path, model, table, (str(doc) for (doc,) in rows))


def _events(rows: Iterable[Sequence[object]], path: Path) -> Iterator[Event]:
    for row in rows:
        try:
            yield event_of(row)
        except ValueError as error:
            raise damaged(path, f"event {row[0]} cannot be read", error) from error


def _replayed(run_id: RunId, events: Iterable[Event], path: Path) -> RunState:
    state: RunState | None = None
    for event in events:
        state = moved_on(state, event, path)
    if state is None:
        what = f"run {run_id} cannot be read"
        raise damaged(path, what, NotFound("it has no events"), REBUILD)
    return state


def moved_on(state: RunState | None, event: Event, path: Path) -> RunState | None:
    """The run's state after its next event in a journal. Raises StoreDamaged when that cannot be
    its next one."""
    try:
        return reduce(state, event)
    except (Refused, KeyError) as error:
        what = f"event {event.seq} does not follow from those before it in run {event.run_id}"
        raise damaged(path, what, error) from error
