"""The writer: one thread, one connection, group commit.

Whatever has gathered while the last commit was on its way to the disk goes into the next one,
so that one fsync serves many runs and a lone event waits for no timer. A batch that cannot be
written (disk full, database locked) is kept and tried again: nothing is acknowledged, so no
effect follows, and everything goes on by itself once the disk is well.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec import Struct
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from app.domain.base import whole_json
from app.domain.events import Event, chain_hash, to_fields, with_type
from app.domain.session import Chunk
from app.store.head import Head, HeadFile
from app.store.names import Names
from app.store.packing import Packer
from app.store.projection import TABLES, Row
from app.store.rows import Entry, insert_chunks, insert_entries, microseconds

_log = logging.getLogger(__name__)
RETRY_SECONDS = 1.0
# Not INSERT OR REPLACE: that would give the row a new rowid, which is the order of creation.
_UPSERT = (
    "INSERT INTO {table} VALUES (?,?,?,?) ON CONFLICT(id) DO UPDATE SET "
    "run_id=excluded.run_id, state=excluded.state, doc=excluded.doc"
)
_MAX_BATCH = 2000  # appends in one transaction: bounds the time to the first acknowledgement


class Write(Struct, frozen=True):
    """One append: all of it is in one transaction. `token` names it to the caller."""

    events: Sequence[Event]
    rows: Sequence[Row]
    chunks: Sequence[Chunk]
    token: int


class Writer:
    """Owns the writing connection. `done(tokens)` and `problem(text)` are called in the thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        head_file: HeadFile,
        head: Head,
        done: Callable[[Sequence[int]], None],
        problem: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._names = Names(connection)
        self._packer = Packer()
        self._head_file = head_file
        self._head = head
        self._done = done
        self._problem = problem
        self._queue: queue.SimpleQueue[Write | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, write: Write) -> None:
        self._queue.put(write)

    def close(self) -> None:
        """Write what is queued, then end. A batch that keeps failing is given up (it was never
        acknowledged). Blocks: call it off the loop."""
        self._queue.put(None)
        self._stop.set()
        self._thread.join()
        self._connection.close()
        self._head_file.close()

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            batch, last = self._gather(first)
            if self._write_until_done(batch):
                self._done([write.token for write in batch])
            if last:
                return

    def _gather(self, first: Write) -> tuple[list[Write], bool]:
        batch = [first]
        while len(batch) < _MAX_BATCH:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                break
            if more is None:
                return batch, True
            batch.append(more)
        return batch, False

    def _write_until_done(self, batch: Sequence[Write]) -> bool:
        again = False
        while not self._attempt(batch, again):
            again = True
            if self._stop.wait(RETRY_SECONDS):
                return False
        return True

    def _attempt(self, batch: Sequence[Write], again: bool) -> bool:
        """Try once to commit a batch; `again`: it has been tried before, and failed."""
        try:
            entries, head = self._chain(batch)
            if not (again and entries and self._is_there(head)):
                self._commit(batch, entries)
        # Whatever it is: were the thread to end by it, all who wait would wait for ever.
        except Exception as error:
            if not isinstance(error, sqlite3.Error) and not again:
                _log.exception("a defect of Longwatch: events cannot be written")
            self._problem(f"the store cannot be written: {error}; runs are paused")
            self._rollback()
            self._names.forget()
            return False
        self._remember(head)
        if again:
            self._problem("")
        return True

    def _is_there(self, head: Head) -> bool:
        """Whether a commit that reported an error has reached the database after all."""
        row = self._connection.execute("SELECT hash FROM journal WHERE seq=?", (head.seq,))
        found = row.fetchone()
        return found is not None and found[0].hex() == head.hash

    def _remember(self, head: Head) -> None:
        if head == self._head:
            return
        self._head = head
        try:
            self._head_file.write(head)
        except OSError as error:  # the events are safe; only the second witness is behind
            self._problem(f"the journal's head file cannot be written: {error}")

    def _commit(self, batch: Sequence[Write], entries: Sequence[Entry]) -> None:
        execute = self._connection.execute
        executemany = self._connection.executemany
        execute("BEGIN IMMEDIATE")
        if entries:
            insert_entries(self._connection, self._names, entries)
        chunks = [chunk for write in batch for chunk in write.chunks]
        if chunks:
            insert_chunks(self._connection, self._names, self._packer, chunks)
        for table, rows in _newest_rows(batch).items():
            gone = [(row.id,) for row in rows if row.doc is None]
            if gone:
                executemany(f"DELETE FROM {table} WHERE id=?", gone)
            kept = [
                (row.id, row.run_id, row.state, _json(row.doc))
                for row in rows
                if row.doc is not None
            ]
            if kept:
                executemany(_UPSERT.format(table=table), kept)
        execute("COMMIT")

    def _chain(self, batch: Sequence[Write]) -> tuple[list[Entry], Head]:
        entries: list[Entry] = []
        pack = self._packer.pack
        seq, digest = self._head.seq, self._head.hash
        at: datetime | None = None
        for event in (event for write in batch for event in write.events):
            if event.at is not at:  # events of one append share it
                at = event.at
                text, us = at.isoformat(), microseconds(at)
            seq, run_id, trace_id = event.seq, event.run_id, event.trace_id
            kind, fields = event.payload.type, to_fields(event.payload)
            digest = chain_hash(digest, seq, text, run_id, trace_id, with_type(kind, fields))
            entries.append((seq, us, run_id, trace_id, kind, bytes.fromhex(digest), pack(fields)))
        return entries, Head(seq, digest)

    def _rollback(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                self._problem(f"the store cannot be written: {error}; runs are paused")


def _json(doc: BaseModel) -> str:
    try:
        return doc.model_dump_json()
    except PydanticSerializationError:
        return whole_json(doc)


def _newest_rows(batch: Sequence[Write]) -> dict[str, list[Row]]:
    """Per table, the last version of each row: a batch writes no row twice."""
    newest: dict[tuple[str, str], Row] = {}
    for write in batch:
        for row in write.rows:
            newest[(row.table, row.id)] = row
    tables: dict[str, list[Row]] = {}
    for row in newest.values():
        tables.setdefault(row.table, []).append(row)
    return {table: tables[table] for table in TABLES if table in tables}
