"""What sessions have used, day by day: summed up in SQL, history is not loaded for it."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import date

from app.domain.errors import StoreError
from app.domain.session import Usage
from app.domain.usage import UsageOfDay
from app.store.names import NUMBER_OF
from app.store.paths import StorePaths
from app.store.schema import open_for_reading

_TOKENS = ("total_tokens", "input_tokens", "output_tokens", "cached_tokens")
_TOLD = ", ".join(
    f"coalesce(json_extract(unpacked(body), '$.usage.{name}'), 0) AS {name}" for name in _TOKENS
)


def _grown(column: str, known: str) -> str:
    """What a column has grown by since its session's last report. An agent that was started anew
    may begin again from nothing; then what it tells first is all new."""
    before = f"lag({known}, 1, 0) OVER s"
    return f"{column} - iif({column} < {before}, 0, {before}) AS {column}"


# Each report tells all that its session has used so far: a day's use is what it grew by.
_DAYS = f"""
WITH told AS (
    SELECT seq, date(at / 1000000, 'unixepoch', 'localtime') AS day, run,
           json_extract(unpacked(body), '$.session_id') AS session, {_TOLD},
           json_extract(unpacked(body), '$.usage.cost_usd') AS cost,
           coalesce(json_extract(unpacked(body), '$.usage.cost_usd'), 0) AS spent
    FROM journal WHERE kind = {NUMBER_OF.format("usage_updated")}
), grown AS (
    SELECT day, run, session, {", ".join(_grown(name, name) for name in _TOKENS)},
           {_grown("cost", "spent")}
    FROM told WINDOW s AS (PARTITION BY session ORDER BY seq)
), agents AS (
    SELECT json_extract(unpacked(body), '$.session.session_id') AS session,
           json_extract(unpacked(body), '$.session.agent') AS agent
    FROM journal WHERE kind = {NUMBER_OF.format("session_opened")}
)
SELECT day, coalesce(agent, ''), count(DISTINCT run), sum(cost),
       {", ".join(f"sum({name})" for name in _TOKENS)}
FROM grown LEFT JOIN agents USING (session)
WHERE day >= date('now', 'localtime', ?)
GROUP BY day, agent ORDER BY day, agent
"""


async def spending(paths: StorePaths, days: int) -> list[UsageOfDay]:
    """Use of the last `days` days, oldest first, by agent; one snapshot, off the loop.
    Raises StoreError."""
    return await asyncio.to_thread(_spending, paths, days)


def _spending(paths: StorePaths, days: int) -> list[UsageOfDay]:
    connection = open_for_reading(paths.database)
    try:
        rows = connection.execute(_DAYS, (f"-{days - 1} days",)).fetchall()
    except sqlite3.Error as error:
        raise StoreError(f"{paths.database}: use cannot be summed up ({error})") from error
    finally:
        connection.close()
    return [
        UsageOfDay(
            day=date.fromisoformat(day),
            agent=agent,
            runs=runs,
            usage=Usage(cost_usd=cost, **dict(zip(_TOKENS, tokens, strict=True))),
        )
        for day, agent, runs, cost, *tokens in rows
    ]
