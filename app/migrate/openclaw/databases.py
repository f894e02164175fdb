"""OpenClaw's databases: opened so that nothing in them or beside them can change."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.source import Source

_MAX_TRANSCRIPTS = 64 * 1024 * 1024  # characters that a plan holds
_MAX_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Transcript:
    """A session out of a database: one JSON object a line, as in a session's file."""

    session: str
    text: str


class Database:
    """One SQLite file, read only. What cannot be read in it is told."""

    def __init__(self, source: Source, ledger: Ledger, path: Path) -> None:
        self._ledger = ledger
        self.name = source.relative(path)
        self._path = path
        wal = path.with_name(path.name + "-wal")
        if wal.is_file() and wal.stat().st_size:
            ledger.warn(
                self.name,
                "has changes that are not written into it yet, which were not read: stop OpenClaw",
            )

    def rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, one by one; none where there is no such table."""
        place = f"{self._path.as_uri()}?mode=ro&immutable=1"
        try:
            with closing(sqlite3.connect(place, uri=True)) as connection:
                connection.text_factory = lambda data: data.decode("utf-8", "replace")
                yield from connection.execute(query)
        except sqlite3.Error as error:
            if "no such table" not in str(error) and "no such column" not in str(error):
                self._ledger.warn(self.name, "is no database that can be read")

    def transcripts(self) -> Iterator[Transcript]:
        """The sessions in it, as far as a plan can hold them. Only one is in memory at a time."""
        total, skipped, lines, current = 0, 0, list[str](), ""
        query = "SELECT session_id, event_json FROM transcript_events ORDER BY session_id, seq"
        for session, event in self.rows(query):
            if str(session) != current:
                if lines:
                    yield Transcript(current, "".join(lines))
                current, lines = str(session), []
            line = _one_line(event)
            if line is None or total + len(line) > _MAX_TRANSCRIPTS:
                skipped += 1
            else:
                lines.append(line)
                total += len(line)
        if lines:
            yield Transcript(current, "".join(lines))
        if skipped:
            self._ledger.warn(
                self.name, f"{skipped:,} entries of its sessions are compressed or too many"
            )

    def sessions(self) -> list[tuple[str, str]]:
        """Keys of conversations, and the session that each has now."""
        query = f"SELECT session_key, current_session_id FROM session_nodes LIMIT {_MAX_ROWS}"
        return [(str(key), str(session)) for key, session in self.rows(query)]

    def jobs(self) -> list[Any]:
        """The cron jobs in it."""
        found = list[Any]()
        query = f"SELECT job_json, name, enabled, agent_id FROM cron_jobs LIMIT {_MAX_ROWS}"
        for text, name, enabled, agent in self.rows(query):
            try:
                job = json.loads(text)
            except (TypeError, ValueError, RecursionError):
                job = {"name": name, "enabled": bool(enabled), "agentId": agent}
            found.append(job)
        return found


def _one_line(event: Any) -> str | None:
    if not isinstance(event, str):
        return None
    if "\n" not in event and "\r" not in event:
        return event + "\n"
    try:
        return json.dumps(json.loads(event), ensure_ascii=False) + "\n"
    except (ValueError, RecursionError):
        return None
