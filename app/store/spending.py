"""What sessions have used, day by day: summed up in SQL, history is not loaded for it."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import date

from app.domain.errors import StoreError
from app.domain.session import Usage
from app.domain.usage import UsageOfDay
from app.store.paths import StorePaths
from app.store.schema import open_for_reading

# Each report tells all that its session has used so far: a day's use is what it grew by. An agent
# that was started anew may begin again from nothing; then what it tells first is all new.
_DAYS = """
WITH told AS (
    SELECT seq, date(at, 'localtime') AS day, run_id,
           json_extract(body, '$.session_id') AS session,
           coalesce(json_extract(body, '$.usage.total_tokens'), 0) AS total,
           coalesce(json_extract(body, '$.usage.input_tokens'), 0) AS input,
           coalesce(json_extract(body, '$.usage.output_tokens'), 0) AS output,
           coalesce(json_extract(body, '$.usage.cached_tokens'), 0) AS cached,
           json_extract(body, '$.usage.cost_usd') AS cost,
           coalesce(json_extract(body, '$.usage.cost_usd'), 0) AS spent
    FROM journal WHERE type = 'usage_updated'
), grown AS (
    SELECT day, run_id, session,
           total - iif(total < lag(total, 1, 0) OVER s, 0, lag(total, 1, 0) OVER s) AS total,
           input - iif(input < lag(input, 1, 0) OVER s, 0, lag(input, 1, 0) OVER s) AS input,
           output - iif(output < lag(output, 1, 0) OVER s, 0, lag(output, 1, 0) OVER s) AS output,
           cached - iif(cached < lag(cached, 1, 0) OVER s, 0, lag(cached, 1, 0) OVER s) AS cached,
           cost - iif(cost < lag(spent, 1, 0) OVER s, 0, lag(spent, 1, 0) OVER s) AS cost
    FROM told WINDOW s AS (PARTITION BY session ORDER BY seq)
), agents AS (
    SELECT json_extract(body, '$.session.session_id') AS session,
           json_extract(body, '$.session.agent') AS agent
    FROM journal WHERE type = 'session_opened'
)
SELECT day, coalesce(agent, ''), count(DISTINCT run_id), sum(total), sum(input), sum(output),
       sum(cached), sum(cost)
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
    return [_of_day(*row) for row in rows]


def _of_day(
    day: str,
    agent: str,
    runs: int,
    total: int,
    given: int,
    produced: int,
    cached: int,
    cost: float | None,
) -> UsageOfDay:
    used = Usage(
        total_tokens=total,
        input_tokens=given,
        output_tokens=produced,
        cached_tokens=cached,
        cost_usd=cost,
    )
    return UsageOfDay(day=date.fromisoformat(day), agent=agent, runs=runs, usage=used)
