"""Counting over the whole journal, in SQL: history is not loaded to be summed up."""

from __future__ import annotations

import asyncio
import sqlite3

from app.domain.errors import StoreError
from app.domain.metrics import Counts
from app.store.names import ATTEMPT_STARTED, RUN_CREATED, RUN_STATE_CHANGED, VERDICT_GIVEN
from app.store.paths import StorePaths
from app.store.schema import open_for_reading

_RUNS = f"SELECT count(*) FROM journal WHERE kind = {RUN_CREATED}"
# Each change beside the one before it in the same run; the one without a next is the present.
# A clock that was set back between the two must not make up for other resumes: that one is 0.
_CHANGES = f"""
WITH changes AS (
    SELECT run, seq, json_extract(unpacked(body), '$.state') AS state, at
    FROM journal WHERE kind = {RUN_STATE_CHANGED}
), pairs AS (
    SELECT state, at, lag(state) OVER own AS was, lag(at) OVER own AS since,
           lead(seq) OVER own IS NULL AS present
    FROM changes WINDOW own AS (PARTITION BY run ORDER BY seq)
)
SELECT total(present AND state = 'done'),
       total(present AND state = 'failed'),
       total(present AND state = 'canceled'),
       count(*) FILTER (WHERE state = 'in_progress' AND was IN ('failed', 'blocked')),
       sum(max(at - since, 0)) FILTER (WHERE state = 'in_progress' AND was IN ('failed', 'blocked'))
FROM pairs
"""
_ATTEMPTS = f"""
SELECT count(*), total(json_extract(unpacked(body), '$.attempt.cause') = 'retry')
FROM journal WHERE kind = {ATTEMPT_STARTED}
"""
_VERDICTS = f"""
SELECT total(decision = 'approve'), total(decision = 'reject')
FROM (SELECT json_extract(unpacked(body), '$.verdict.decision') AS decision
      FROM journal WHERE kind = {VERDICT_GIVEN})
"""


async def count(paths: StorePaths) -> Counts:
    """Count what is committed, in one snapshot and off the loop. Raises StoreError."""
    return await asyncio.to_thread(_count, paths)


def _count(paths: StorePaths) -> Counts:
    # A connection of its own: pages of transcript that a screen asks for need not wait for it.
    connection = open_for_reading(paths.database)
    try:
        connection.execute("BEGIN")  # one consistent snapshot, also beside a live supervisor
        (runs,) = _row(connection, _RUNS)
        done, failed, canceled, resumes, microseconds = _row(connection, _CHANGES)
        attempts, retries = _row(connection, _ATTEMPTS)
        approves, rejects = _row(connection, _VERDICTS)
    except sqlite3.Error as error:
        raise StoreError(f"{paths.database}: cannot be counted ({error})") from error
    finally:
        connection.close()
    return Counts(
        runs=runs,
        done=done,
        failed=failed,
        canceled=canceled,
        attempts=attempts,
        retries=retries,
        approves=approves,
        rejects=rejects,
        resumes=resumes,
        resume_microseconds=microseconds,
    )


def _row(connection: sqlite3.Connection, sql: str) -> list[int]:
    """The numbers of a query's only row; a sum over nothing is 0."""
    return [int(value or 0) for value in connection.execute(sql).fetchone()]
