"""Damaged and full disks: acknowledged events that vanished are noticed, nothing is overwritten."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from app.domain import events as ev
from app.domain.base import RunId, SessionId
from app.domain.errors import StoreDamaged, StoreError
from app.domain.session import Chunk, ChunkKind
from app.store.journal import Draft, Journal
from app.store.lock import StoreLock
from app.store.paths import StorePaths
from app.store.schema import is_outdated, migrations, open_for_writing
from app.store.verify import verify
from tests.support.story import START, FixedClock, story, two_runs
from tests.support.waiting import PATIENCE


async def fill(journal: Journal) -> None:
    for run, payload in two_runs():
        await journal.append([Draft(payload, run_id=RunId(run) if run else None)])


async def as_power_was_lost(folder: Path) -> Path:
    """A copy of a store taken while its newest events are in the WAL only."""
    journal = await Journal.open(StorePaths(folder / "live"), FixedClock())
    await fill(journal)
    await asyncio.to_thread(shutil.copytree, folder / "live", folder / "copy")
    await journal.close()
    return folder / "copy"


def flip_a_bit(wal: Path) -> None:
    data = bytearray(wal.read_bytes())
    data[len(data) // 2] ^= 1
    wal.write_bytes(bytes(data))


def cut_in_half(wal: Path) -> None:
    wal.write_bytes(wal.read_bytes()[: wal.stat().st_size // 2])


def remove(wal: Path) -> None:
    wal.unlink()


@pytest.mark.parametrize("damage", [flip_a_bit, cut_in_half, remove])
async def test_a_damaged_wal_is_noticed_at_start_and_by_verify(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    copy = await as_power_was_lost(tmp_path)
    paths = StorePaths(copy)
    damage(copy / "longwatch.db-wal")
    with pytest.raises(StoreError):
        await Journal.open(paths, FixedClock())
    report = await verify(paths)
    assert not report.ok and report.problems


async def test_an_undamaged_copy_goes_on(tmp_path: Path) -> None:
    copy = await as_power_was_lost(tmp_path)
    journal = await Journal.open(StorePaths(copy), FixedClock())
    assert journal.seq == len(two_runs())
    await journal.close()
    assert (await verify(StorePaths(copy))).ok


async def test_an_unreadable_page_is_reported_and_kept(tmp_path: Path) -> None:
    journal = await Journal.open(StorePaths(tmp_path), FixedClock())
    await fill(journal)
    await journal.close()
    database = StorePaths(tmp_path).database
    data = bytearray(database.read_bytes())
    data[4096 * 3 : 4096 * 4] = b"\xff" * 4096
    database.write_bytes(bytes(data))
    assert not (await verify(StorePaths(tmp_path))).ok
    assert database.read_bytes() == bytes(data)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE runs SET doc='{}'", "a row of runs cannot be read (run_id: Field required)"),
        ("UPDATE approvals SET doc='[]'", "a row of approvals cannot be read (Input should be"),
        ("UPDATE reviews SET doc='{'", "a row of reviews cannot be read (Invalid JSON: "),
        ("DELETE FROM recipes", "cannot be read (it is gone)"),
        ("UPDATE recipes SET doc='x'", "a row of recipes cannot be read (Invalid JSON: "),
        ("INSERT INTO rules VALUES ('ru-1', '', '', '{')", "a row of rules cannot be read ("),
        ("DELETE FROM names WHERE name='r-1'", "run r-1 cannot be read (it has no events)"),
        ("DELETE FROM journal WHERE kind=1", "does not follow from those before it in run r-"),
        ("UPDATE journal SET body='x' WHERE seq=9", "event 9 cannot be read ("),
    ],
)
async def test_damaged_rows_are_told_in_one_sentence(
    tmp_path: Path, damage: str, says: str
) -> None:
    journal = await Journal.open(StorePaths(tmp_path), FixedClock())
    await fill(journal)
    await journal.close()
    database = StorePaths(tmp_path).database
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(damage)
    with pytest.raises(StoreDamaged) as raised:
        await read_all(StorePaths(tmp_path))
    (line,) = str(raised.value).splitlines()
    assert line.startswith(f"{database}: ")
    assert says in line and "`longwatch verify` says more" in line
    report = await verify(StorePaths(tmp_path))
    assert report.problems
    assert not [problem for problem in report.problems if "\n" in problem]


async def read_all(paths: StorePaths) -> None:
    journal = await Journal.open(paths, FixedClock())
    try:
        await journal.reader.runs()
        await journal.reader.approvals()
        await journal.reader.reviews()
    finally:
        await journal.close()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE chunks SET text='Hellp'", "session s-1: the text that event 1 is about was ch"),
        ("DELETE FROM chunks", "session s-1: the text that event 1 is about was changed, or is g"),
        ("UPDATE chunks SET text=x'01ff'", "a text of session s-1 cannot be read: a compressed "),
    ],
)
async def test_a_damaged_transcript_is_found(tmp_path: Path, damage: str, says: str) -> None:
    journal = await Journal.open(StorePaths(tmp_path), FixedClock())
    texts = ("Hel", "lo", "cut o", "Hello")  # the agent was cut off, and its ids begin again
    chunks = [
        Chunk(
            session_id=SessionId("s-1"),
            ordinal=ordinal,
            kind=ChunkKind.MESSAGE,
            item_id="m1",
            text=text,
            end=False,
            at=START,
        )
        for ordinal, text in enumerate(texts)
    ]
    finished = ev.ItemFinished(
        session_id=SessionId("s-1"),
        item_id="m1",
        kind="message",
        sha256=hashlib.sha256(b"Hello").hexdigest(),
        size=5,
    )
    await journal.append([Draft(finished), Draft(finished)], chunks)
    await journal.close()
    assert (await verify(StorePaths(tmp_path))).ok
    with closing(sqlite3.connect(StorePaths(tmp_path).database)) as connection, connection:
        connection.execute(damage)
    report = await verify(StorePaths(tmp_path))
    assert report.problems[0].startswith(says)


async def test_a_full_disk_pauses_and_goes_on_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = await Journal.open(StorePaths(tmp_path), FixedClock())
    problems: list[str] = []
    journal.on_problem(problems.append)
    assert journal._writer is not None
    # SQLite's own limit gives the same error as a disk without room: SQLITE_FULL.
    limit = journal._writer._connection.execute
    limit("VACUUM")  # no page is free
    pages = limit("PRAGMA page_count").fetchone()[0]
    limit(f"PRAGMA max_page_count={pages}")
    stories = [(f"r-{number}", payload) for number in range(20) for payload in story(f"r-{number}")]
    futures = [journal.append([Draft(payload, run_id=RunId(run))]) for run, payload in stories]
    async with asyncio.timeout(PATIENCE):
        while not problems:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert "full" in problems[0] and "paused" in problems[0]
    assert not futures[-1].done()
    monkeypatch.setattr("app.store.journal._PATIENCE_SECONDS", 0.0)
    with pytest.raises(StoreError, match=r"database or disk is full; runs are .*; and so on$"):
        await journal.written(futures[-1], "and so on")
    limit("PRAGMA max_page_count=1073741823")
    await asyncio.wait_for(asyncio.gather(*futures), PATIENCE)
    assert problems[-1] == ""
    await journal.close()
    report = await verify(StorePaths(tmp_path))
    assert report.ok and report.events == len(stories)


async def test_an_emptied_database_does_not_become_a_new_store(tmp_path: Path) -> None:
    journal = await Journal.open(StorePaths(tmp_path), FixedClock())
    await fill(journal)
    await journal.close()
    database = StorePaths(tmp_path).database
    database.write_bytes(b"")
    with pytest.raises(StoreError, match="gone or empty, but 33 events were acknowledged"):
        await Journal.open(StorePaths(tmp_path), FixedClock())
    assert database.read_bytes() == b""


@pytest.mark.parametrize("how", ["folder", "pipe", "nowhere"])
async def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path, how: str) -> None:
    journal = await Journal.open(StorePaths(tmp_path), FixedClock())
    await fill(journal)
    await journal.close()
    paths = StorePaths(tmp_path)
    put_in_place(paths.lock, how)
    with pytest.raises(StoreError, match=f"{paths.lock}: the supervisor's lock is a file, and "):
        StoreLock(paths.lock).acquire()
    put_in_place(paths.database, how)
    with pytest.raises(StoreError, match=f"{paths.database}: the database is a file, and this is "):
        await Journal.open(paths, FixedClock())
    assert not is_outdated(paths.database)
    put_in_place(paths.head, how)
    with pytest.raises(StoreError, match=f"{paths.head}: the journal's head is a file, and "):
        await Journal.open(paths, FixedClock())


def put_in_place(path: Path, how: str) -> None:
    path.unlink(missing_ok=True)
    if how == "folder":
        path.mkdir()
    elif how == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path.parent / "no" / "where")


def test_whose_a_database_is_that_cannot_be_opened(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("nobody else can be made its owner")
    database = StorePaths(tmp_path).database
    database.mkdir()
    os.chown(database, 12345, 12345)
    with pytest.raises(StoreError, match=r"opened for writing \(unable .*: it belongs to user 1"):
        open_for_writing(database)


async def test_whatever_is_left_of_a_wal_a_beginning_of_history_is_whole(tmp_path: Path) -> None:
    """Cut anywhere: what was acknowledged and is gone is noticed, and what is left can be had."""
    copy = await as_power_was_lost(tmp_path)
    wal = (copy / "longwatch.db-wal").read_bytes()
    ends = []
    for size in range(0, len(wal), len(wal) // 24):
        root = tmp_path / str(size)
        shutil.copytree(copy, root)
        (root / "longwatch.db-wal").write_bytes(wal[:size])
        with pytest.raises(StoreError, match="event 33 was acknowledged, and the journal ends at"):
            await Journal.open(StorePaths(root), FixedClock())
        StorePaths(root).head.unlink()
        journal = await Journal.open(StorePaths(root), FixedClock())
        events = await journal.reader.events()
        await journal.close()
        assert [(e.run_id, e.payload) for e in events] == two_runs()[: len(events)]
        assert (await verify(StorePaths(root))).ok
        ends.append(len(events))
    assert ends == sorted(ends) and ends[-1] > 24


async def test_what_is_written_while_a_store_is_verified_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = await Journal.open(StorePaths(tmp_path), FixedClock())
    await fill(journal)
    loop = asyncio.get_running_loop()

    async def one_more() -> None:
        await journal.append([Draft(ev.SupervisorStopped(epoch=1))])

    def with_one_more() -> Sequence[str]:  # asked for after the snapshot has begun
        asyncio.run_coroutine_threadsafe(one_more(), loop).result(10)
        return migrations()

    monkeypatch.setattr("app.store.verify.migrations", with_one_more)
    try:
        report = await verify(StorePaths(tmp_path))
        assert journal.committed_seq == len(two_runs()) + 1
    finally:
        await journal.close()
    assert (report.ok, report.events) == (True, len(two_runs())), report.problems
