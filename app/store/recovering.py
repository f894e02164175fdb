"""What a supervisor keeps in memory, read from a store that it has opened: in one pass."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from app.domain.approval import StoredRule
from app.domain.errors import NotFound, StoreDamaged
from app.domain.events import Event, SupervisorStarted
from app.domain.reducer import reduce
from app.domain.rollout import Rollout
from app.domain.run import RunState
from app.domain.session import Process
from app.domain.workflow import Recipe
from app.store.names import NUMBER, SUPERVISOR_STARTED
from app.store.projection import Projection
from app.store.rows import EVENT, event_of

_OVER = "('done', 'canceled')"
_RUNS = (
    f"SELECT id FROM (SELECT rowid r, id FROM runs WHERE state NOT IN {_OVER} "
    f"UNION SELECT r, id FROM (SELECT rowid r, id FROM runs WHERE state IN {_OVER} "
    "ORDER BY rowid DESC LIMIT ?)) ORDER BY r"
)
_OF_RUN = f"{EVENT} WHERE run={NUMBER} ORDER BY seq"
_EPOCH = f"{EVENT} WHERE kind={SUPERVISOR_STARTED} ORDER BY seq DESC LIMIT 1"


def read_projection(connection: sqlite3.Connection, path: Path, finished: int) -> Projection:
    """States of all unfinished runs and the newest finished ones; rules and processes (blocking).

    Costs what the unfinished runs cost, not what history does. Raises StoreDamaged.
    """
    projection = Projection()
    for (run_id,) in connection.execute(_RUNS, (finished,)).fetchall():
        state = _replayed(_events(connection.execute(_OF_RUN, (run_id,)), path))
        if state is None:
            raise NotFound(f"there is no run {run_id}")
        projection.adopt(state)
    for doc in _docs(connection, "SELECT doc FROM rules"):
        rule = StoredRule.model_validate_json(doc)
        projection.rules[rule.rule_id] = rule
    for doc in _docs(connection, "SELECT doc FROM processes"):
        process = Process.model_validate_json(doc)
        projection.processes[process.process_id] = process
    for doc in _docs(connection, "SELECT doc FROM rollouts"):
        rollout = Rollout.model_validate_json(doc)
        projection.rollouts[rollout.rollout_id] = rollout
    used = {state.run.recipe for state in projection.states.values()}
    used |= {digest for r in projection.rollouts.values() for digest in r.recipes}
    for digest in used:
        projection.recipes[digest] = _recipe(connection, digest)
    for event in _events(connection.execute(_EPOCH), path):
        if isinstance(event.payload, SupervisorStarted):
            projection.epoch = event.payload.epoch
    return projection


def _docs(connection: sqlite3.Connection, sql: str, *values: object) -> list[str]:
    return [str(doc) for (doc,) in connection.execute(sql, values)]


def _recipe(connection: sqlite3.Connection, digest: str) -> Recipe:
    for doc in _docs(connection, "SELECT doc FROM recipes WHERE id=?", digest):
        return Recipe.model_validate_json(doc)
    raise NotFound(f"there is no recipe {digest[:12]}")


def _events(rows: Iterable[Sequence[object]], path: Path) -> Iterator[Event]:
    for row in rows:
        try:
            yield event_of(row)
        except ValueError as error:
            raise StoreDamaged(
                f"{path}: event {row[0]} cannot be read ({error}); `longwatch verify` says more"
            ) from error


def _replayed(events: Iterable[Event]) -> RunState | None:
    state: RunState | None = None
    for event in events:
        state = reduce(state, event)
    return state
