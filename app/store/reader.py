"""Reading the store: through a read-only connection, so that reading never holds a write up."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import TypeVar

import aiosqlite
from pydantic import BaseModel

from app.domain.approval import Approval
from app.domain.base import RolloutId, RunId, SessionId
from app.domain.errors import NotFound, StoreDamaged, StoreError
from app.domain.events import Event
from app.domain.rollout import ShadowResult
from app.domain.run import Question, Review, Run, RunState
from app.domain.session import Chunk
from app.domain.task_state import TaskState
from app.domain.text import one_line
from app.domain.workflow import Recipe
from app.store.damage import COPY, made, models
from app.store.head import Head
from app.store.names import NUMBER
from app.store.projection import Projection
from app.store.recovering import moved_on, read_projection
from app.store.rows import CHUNK, EVENT, chunk_of, event_of, hex_of
from app.store.schema import open_for_reading

_T = TypeVar("_T")
_M = TypeVar("_M", bound=BaseModel)


class Reader:
    """Queries on a store. Errors of SQLite become StoreError with the file's name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: aiosqlite.Connection | None = None

    async def open(self) -> None:
        try:
            self._connection = await aiosqlite.connect(
                f"{self._path.absolute().as_uri()}?mode=ro", uri=True
            )
        except aiosqlite.Error as error:
            raise StoreError(f"{self._path}: cannot be read ({error})") from error

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def all(self, sql: str, *values: object) -> Iterable[tuple[object, ...]]:
        """All rows of a query."""
        if self._connection is None:
            raise StoreError(f"{self._path}: the store is closed")
        try:
            return [tuple(row) for row in await self._connection.execute_fetchall(sql, values)]
        except aiosqlite.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> StoreError:
        # A text that is none is an error of operation, as far as Python's module knows.
        passing = isinstance(error, sqlite3.OperationalError) and "decode" not in str(error)
        kind = StoreError if passing else StoreDamaged
        return kind(f"{self._path}: cannot be read ({one_line(str(error), 200)}); {COPY}")

    async def _names(self, sql: str, *values: object) -> list[str]:
        return [str(row[0]) for row in await self.all(sql, *values)]

    async def docs(self, model: type[_M], table: str, sql: str, *values: object) -> list[_M]:
        """Rows of a read model: the first column of each. Raises StoreDamaged."""
        return models(self._path, model, table, await self._names(sql, *values))

    async def head(self) -> Head | None:
        for seq, digest in await self.all(
            "SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1"
        ):
            return Head(int(str(seq)), hex_of(digest))
        return None

    async def hash_at(self, seq: int) -> str | None:
        for (digest,) in await self.all("SELECT hash FROM journal WHERE seq=?", seq):
            return hex_of(digest)
        return None

    async def events(
        self, run_id: RunId | None = None, after: int = 0, limit: int = 1000
    ) -> list[Event]:
        where = f"run={NUMBER} AND seq>?" if run_id is not None else "seq>?"
        values = (run_id, after, limit) if run_id is not None else (after, limit)
        sql = f"{EVENT} WHERE {where} ORDER BY seq LIMIT ?"
        return made(self._path, "event", event_of, await self.all(sql, *values))

    async def stream(self, after: int = 0, page: int = 2000) -> AsyncIterator[Event]:
        """Every event in order, in pages: for replay."""
        while True:
            events = await self.events(after=after, limit=page)
            for event in events:
                yield event
            if len(events) < page:
                return
            after = events[-1].seq

    async def count_of(self, state: TaskState) -> int:
        """How many runs stand so."""
        ((count,),) = await self.all("SELECT count(*) FROM runs WHERE state=?", state.value)
        return int(str(count))

    async def runs(self, limit: int = 200) -> list[Run]:
        """Newest first."""
        sql = "SELECT doc FROM runs ORDER BY rowid DESC LIMIT ?"
        found = await self.docs(Run, "runs", sql, limit)
        return sorted(found, key=lambda run: run.created_at, reverse=True)

    async def run_ids(self, prefix: str) -> list[RunId]:
        """Ids that begin with `prefix`, an exact one alone."""
        rows = await self._names(
            "SELECT id FROM runs WHERE substr(id, 1, ?)=? ORDER BY rowid DESC LIMIT 20",
            len(prefix),
            prefix,
        )
        return [RunId(prefix)] if prefix in rows else [RunId(row) for row in rows]

    async def run(self, run_id: RunId) -> RunState:
        """A run's state, replayed from its events. Raises NotFound."""
        state: RunState | None = None
        after = 0
        while True:
            events = await self.events(run_id, after, 1000)
            for event in events:
                state = moved_on(state, event, self._path)
            if len(events) < 1000:
                break
            after = events[-1].seq
        if state is None:
            raise NotFound(f"there is no run {run_id}")
        return state

    async def recipe(self, digest: str) -> Recipe:
        sql = "SELECT doc FROM recipes WHERE id=?"
        for recipe in await self.docs(Recipe, "recipes", sql, digest):
            return recipe
        raise NotFound(f"there is no recipe {digest[:12]}")

    async def approvals(self, limit: int = 500) -> list[Approval]:
        sql = "SELECT doc FROM approvals ORDER BY rowid DESC LIMIT ?"
        return await self.docs(Approval, "approvals", sql, limit)

    async def reviews(self, limit: int = 500) -> list[Review]:
        sql = "SELECT doc FROM reviews ORDER BY rowid DESC LIMIT ?"
        return await self.docs(Review, "reviews", sql, limit)

    async def questions(self, limit: int = 500) -> list[Question]:
        sql = "SELECT doc FROM questions ORDER BY rowid DESC LIMIT ?"
        return await self.docs(Question, "questions", sql, limit)

    async def answered(self, rollout_id: RolloutId, limit: int) -> list[Run]:
        """Finished runs of a rollout's stable path, newest first; those of no step."""
        return await self.docs(
            Run,
            "runs",
            "SELECT doc FROM runs WHERE state='done' AND json_extract(doc, '$.rollout')=? "
            "AND json_extract(doc, '$.path')='stable' AND json_extract(doc, '$.parent') IS NULL "
            "ORDER BY rowid DESC LIMIT ?",
            rollout_id,
            limit,
        )

    async def comparisons(
        self, rollout_id: RolloutId, limit: int = 100, *, mismatches: bool = False
    ) -> list[ShadowResult]:
        """Of one rollout, newest first; with `mismatches`, those that do not agree."""
        where = "run_id=? AND state!='agreed'" if mismatches else "run_id=?"
        return await self.docs(
            ShadowResult,
            "comparisons",
            f"SELECT doc FROM comparisons WHERE {where} ORDER BY rowid DESC LIMIT ?",
            rollout_id,
            limit,
        )

    async def chunks(
        self, session_id: SessionId, before: int | None = None, limit: int = 500
    ) -> list[Chunk]:
        """The newest chunks before an ordinal, oldest first."""
        sql = f"{CHUNK} WHERE session={NUMBER} AND ordinal<? ORDER BY ordinal DESC LIMIT ?"
        bound = before if before is not None else 2**62
        rows = await self.all(sql, session_id, bound, limit)
        return made(self._path, "a text of session", chunk_of, rows)[::-1]

    async def newest_chunks(self, session_id: SessionId, most: int, characters: int) -> list[Chunk]:
        """The newest chunks, oldest first: so many at most, and hardly more of them than it takes
        to make so much text."""
        found: list[Chunk] = []
        while len(found) < most and sum(len(chunk.text) for chunk in found) < characters:
            before = found[0].ordinal if found else None
            limit = min(max(4, len(found)), most - len(found))
            older = await self.chunks(session_id, before, limit)
            if not older:
                break
            found = [*older, *found]
        return found

    async def projection(self, finished: int) -> Projection:
        """States of all unfinished runs and the newest finished ones; rules and processes.

        Costs what the unfinished runs cost, not what history does.
        """
        return await self._apart(lambda found: read_projection(found, self._path, finished))

    async def _apart(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Much work on a connection of its own, in a thread: other readers need not wait for it."""

        def within() -> _T:
            connection = open_for_reading(self._path)
            try:
                return work(connection)
            except sqlite3.Error as error:
                raise self._failed(error) from error
            finally:
                connection.close()

        return await asyncio.to_thread(within)
