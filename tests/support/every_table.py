"""A store with a row in every read model, and what damages one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from app.domain import events as ev
from app.domain import rollout_events
from app.domain.approval import Action, ApprovalRule, RuleMatch, StoredRule
from app.domain.base import ApprovalId, ProcessId, QuestionId, RolloutId, RuleId, RunId
from app.domain.compare import Comparison
from app.domain.review import Question
from app.domain.rollout import PathKind, PinnedPath, Rollout, ShadowResult
from app.domain.session import Process
from app.store.journal import Draft, Journal
from app.store.paths import StorePaths
from app.store.projection import TABLES
from tests.support.story import ADA, RECIPE, START, FixedClock, two_runs

Table = list[tuple[object, ...]]


def events_of_every_table() -> list[tuple[str, ev.Payload]]:
    """As `two_runs`; every table has a row in the end, and some had another before."""
    return [
        *two_runs(),
        *(("", ev.RuleAdded(rule=_rule(number))) for number in (1, 2, 3)),
        ("", ev.RuleRemoved(rule_id=RuleId("ru-1"), by=ADA)),
        *(("", ev.ProcessStarted(process=_process(number))) for number in (1, 2)),
        ("", ev.ProcessEnded(process_id=ProcessId("p-1"), returncode=0, how="exited")),
        ("r-1", ev.QuestionAsked(question=_question(1))),
        ("r-1", ev.QuestionAsked(question=_question(2))),
        ("", rollout_events.RolloutOpened(rollout=_rollout())),
        *(("", _compared(number)) for number in (1, 2)),
    ]


async def fill_every_table(root: Path) -> None:
    """A store as its supervisor has left it."""
    journal = await Journal.open(StorePaths(root), FixedClock())
    for run, payload in events_of_every_table():
        await journal.append([Draft(payload, run_id=RunId(run) if run else None)])
    await journal.close()


def tables(root: Path) -> dict[str, Table]:
    """All rows of all read models, in their order."""
    with closing(sqlite3.connect(StorePaths(root).database)) as connection:
        return {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall()
            for table in TABLES
        }


def spoil(root: Path, sql: str) -> None:
    """Change a store behind Longwatch's back."""
    with closing(sqlite3.connect(StorePaths(root).database)) as connection, connection:
        connection.execute(sql)


def spoil_page(root: Path, name: str, content: bytes) -> None:
    """Put something else on the first page of a table or an index."""
    database = StorePaths(root).database
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        sql = "SELECT rootpage FROM sqlite_schema WHERE name=?"
        (page,) = connection.execute(sql, (name,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data = bytearray(database.read_bytes())
    data[(page - 1) * size : page * size] = content.ljust(size, content[-1:])
    database.write_bytes(bytes(data))


def _rule(number: int) -> StoredRule:
    return StoredRule(
        rule_id=RuleId(f"ru-{number}"),
        project="/repo",
        rule=ApprovalRule(name="status", match=RuleMatch(tool="shell"), action=Action.ALLOW),
        by=ADA,
        at=START,
        from_approval=ApprovalId("ap-r-1-1"),
    )


def _process(number: int) -> Process:
    return Process(
        process_id=ProcessId(f"p-{number}"), pid=10**9, started=1.0, purpose="gate", epoch=1
    )


def _question(number: int) -> Question:
    return Question(
        question_id=QuestionId(f"q-{number}"),
        run_id=RunId("r-1"),
        step="plan",
        attempt=1,
        text="which?",
        asked_at=START,
    )


def _rollout() -> Rollout:
    return Rollout(
        rollout_id=RolloutId("ro-1"),
        name="change",
        project="/repo",
        stable=PinnedPath(kind=PathKind.WORKFLOW, title="a", recipe=RECIPE.digest),
        author=ADA,
        since=START,
        opened_at=START,
        updated_at=START,
    )


def _compared(number: int) -> rollout_events.ComparisonRecorded:
    same = Comparison(matches=True, normalized_matches=True, agrees=True, by="exact")
    result = ShadowResult(
        shadow=RunId(f"r-shadow-{number}"),
        at=START,
        comparison=same,
        stable_text="a",
        stable_sha256="0",
        stable_size=1,
        candidate_text="a",
        candidate_sha256="0",
        candidate_size=1,
    )
    return rollout_events.ComparisonRecorded(rollout_id=RolloutId("ro-1"), result=result)
