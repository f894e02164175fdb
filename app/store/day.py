"""What was used and granted since a moment: read from the journal's end, history is not touched."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from app.domain.day_budget import growth
from app.domain.errors import StoreError
from app.domain.events import BudgetGranted, UsageUpdated
from app.domain.session import Usage
from app.domain.usage import total
from app.store.damage import damaged
from app.store.names import NUMBER, NUMBER_OF
from app.store.paths import StorePaths
from app.store.rows import EVENT, event_of, microseconds
from app.store.schema import open_for_reading

_TOLD = f"""
{EVENT} WHERE seq >= ? AND seq <= ? AND kind = {NUMBER_OF.format("usage_updated")} ORDER BY seq
"""
_GRANTED = f"""
{EVENT} WHERE seq >= ? AND seq <= ? AND kind = {NUMBER_OF.format("budget_granted")} ORDER BY seq
"""
_BEFORE = f"""
{EVENT} WHERE run = {NUMBER} AND seq < ? AND kind = {NUMBER_OF.format("usage_updated")}
  AND json_extract(unpacked(body), '$.session_id') = ? ORDER BY seq DESC LIMIT 1
"""
_AGENT = f"""
SELECT json_extract(unpacked(body), '$.session.agent') FROM journal
WHERE run = {NUMBER} AND kind = {NUMBER_OF.format("session_opened")}
  AND json_extract(unpacked(body), '$.session.session_id') = ?
"""
_PROJECT = "SELECT json_extract(doc, '$.project') FROM runs WHERE id = ?"


_LOOK_BACK = 100_000  # events: more than a day has, and some 20 ms


class Spent(Struct, frozen=True):
    """What one session's use has grown by."""

    project: str
    agent: str
    usage: Usage


async def day_so_far(
    paths: StorePaths, since: datetime, until_seq: int
) -> tuple[list[Spent], list[BudgetGranted]]:
    """From `since` to the event `until_seq`; one snapshot, off the loop. Raises StoreError."""
    return await asyncio.to_thread(_day_so_far, paths, since, until_seq)


def _day_so_far(
    paths: StorePaths, since: datetime, until_seq: int
) -> tuple[list[Spent], list[BudgetGranted]]:
    connection = open_for_reading(paths.database)
    try:
        connection.execute("BEGIN")
        first = _first_since(connection, since)
        found = connection.execute(_GRANTED, (first, until_seq)).fetchall()
        grants = [event_of(row).payload for row in found]
        spent = list(_spent(connection, first, until_seq))
    except sqlite3.Error as error:
        raise StoreError(f"{paths.database}: today's use cannot be read ({error})") from error
    except ValueError as error:
        raise damaged(paths.database, "today's use cannot be read", error) from error
    finally:
        connection.close()
    return spent, [grant for grant in grants if isinstance(grant, BudgetGranted)]


def _first_since(connection: sqlite3.Connection, since: datetime) -> int:
    """The first event at or after a moment, found without an index: events are in the order of
    their times, but where a clock was set. So what comes before is looked through, for a while."""
    wanted = microseconds(since)
    low, high = 1, (connection.execute("SELECT max(seq) FROM journal").fetchone()[0] or 0) + 1
    while low < high:
        middle = (low + high) // 2
        row = connection.execute("SELECT at FROM journal WHERE seq = ?", (middle,)).fetchone()
        if row is not None and row[0] < wanted:
            low = middle + 1
        else:
            high = middle
    earlier = "SELECT min(seq) FROM journal WHERE seq >= ? AND seq < ? AND at >= ?"
    (seq,) = connection.execute(earlier, (low - _LOOK_BACK, low, wanted)).fetchone()
    return low if seq is None else int(seq)


def _spent(connection: sqlite3.Connection, first: int, until_seq: int) -> Iterator[Spent]:
    newest: dict[tuple[str, str], Usage] = {}
    grown: dict[tuple[str, str], Usage] = {}
    for event in map(event_of, connection.execute(_TOLD, (first, until_seq))):
        told = event.payload
        assert isinstance(told, UsageUpdated)
        key = (str(event.run_id), str(told.session_id))
        before = newest[key] if key in newest else _before(connection, key, first)
        grown[key] = total([grown.get(key, Usage()), growth(before, told.usage)])
        newest[key] = told.usage
    for key, usage in grown.items():
        project = connection.execute(_PROJECT, key[:1]).fetchone()
        agent = connection.execute(_AGENT, key).fetchone()
        yield Spent(project[0] if project else "", agent[0] if agent else "", usage)


def _before(connection: sqlite3.Connection, key: tuple[str, str], first: int) -> Usage:
    """What a session had used before the event `first`."""
    run_id, session_id = key
    row = connection.execute(_BEFORE, (run_id, first, session_id)).fetchone()
    told = event_of(row).payload if row is not None else None
    return told.usage if isinstance(told, UsageUpdated) else Usage()
