"""The journal on a real SQLite file: group commit, hash chain, read models, damage."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from app.domain import events as ev
from app.domain.base import RunId, SessionId
from app.domain.errors import Refused, StoreError
from app.domain.session import Chunk, ChunkKind
from app.domain.task_state import TaskState
from app.store.head import Head, HeadFile, read_head
from app.store.journal import Draft, Journal
from app.store.lock import StoreBusy, StoreLock
from app.store.packing import Packer, unpack
from app.store.paths import StorePaths
from app.store.schema import migrations
from app.store.verify import verify
from tests.support.story import RECIPE, START, FixedClock, moved, story
from tests.support.waiting import PATIENCE, until


async def opened(root: Path) -> Journal:
    return await Journal.open(StorePaths(root), FixedClock())


def drafts(run_id: str) -> list[Draft]:
    return [Draft(payload, run_id=RunId(run_id), trace_id="tr") for payload in story(run_id)]


async def filled(root: Path, runs: int = 3) -> None:
    journal = await opened(root)
    await journal.append([Draft(ev.RecipeRecorded(digest=RECIPE.digest, recipe=RECIPE))])
    for number in range(runs):
        for draft in drafts(f"r-{number}"):
            await journal.append([draft])
    await journal.close()


async def test_what_was_acknowledged_is_there_after_a_new_start(tmp_path: Path) -> None:
    await filled(tmp_path)
    journal = await opened(tmp_path)
    state = journal.state(RunId("r-1"))
    assert state is not None and state.rejects == {"plan-review": 1}
    assert journal.projection.recipes[RECIPE.digest] == RECIPE
    events = await journal.reader.events(RunId("r-1"))
    assert [e.payload for e in events] == story("r-1")
    await journal.close()


async def test_many_appends_at_once_share_commits_and_keep_their_order(tmp_path: Path) -> None:
    journal = await opened(tmp_path)
    seen: list[int] = []
    journal.listen(lambda events, chunks: seen.extend(e.seq for e in events))
    futures = [journal.append([d]) for n in range(20) for d in drafts(f"r-{n}")]
    await asyncio.gather(*futures)
    assert seen == list(range(1, len(futures) + 1))
    await journal.close()
    report = await verify(StorePaths(tmp_path))
    assert report.ok and report.events == len(futures) and report.runs == 20


async def test_an_append_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    journal = await opened(tmp_path)
    for draft in drafts("r-1"):
        await journal.append([draft])
    before = journal.state(RunId("r-1"))
    wrong = [moved(TaskState.CANCELED), moved(TaskState.IN_PROGRESS)]
    with pytest.raises(Refused):
        journal.append([Draft(p, run_id=RunId("r-1")) for p in wrong])
    assert journal.state(RunId("r-1")) is before
    await journal.close()
    assert (await verify(StorePaths(tmp_path))).ok


def changed(body: object) -> str | bytes:
    """Another word in what was packed, well packed again."""
    return Packer().pack(unpack(body).replace("the plan", "a plan"))


async def test_verify_finds_a_changed_event_a_missing_one_and_a_changed_row(tmp_path: Path) -> None:
    await filled(tmp_path, 1)
    database = StorePaths(tmp_path).database
    for damage, sign in (
        ("UPDATE runs SET doc=replace(doc, 'ada', 'eve')", "differs from the replay"),
        ("DELETE FROM reviews", "is missing"),
        ("UPDATE journal SET body=changed(body)", "event 12 does not match its hash"),
        ("UPDATE journal SET at=at+1 WHERE seq=7", "event 7 does not match its hash"),
        ("UPDATE journal SET body=x'01' WHERE seq=8", "event 8 cannot be replayed"),
        ("DELETE FROM journal WHERE seq=5", "event 5 is missing"),
    ):
        with sqlite3.connect(database) as connection:
            connection.create_function("changed", 1, changed)
            connection.execute(damage)
        connection.close()
        report = await verify(StorePaths(tmp_path))
        assert not report.ok
        assert any(sign in problem for problem in report.problems), report.problems


async def test_what_is_written_during_a_verification_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = await opened(tmp_path)
    loop, first, *rest = asyncio.get_running_loop(), *drafts("r-1")
    await journal.append([first])

    async def write() -> None:
        await journal.append(rest)

    def after_the_snapshot() -> list[str]:
        asyncio.run_coroutine_threadsafe(write(), loop).result(10)
        return migrations()

    monkeypatch.setattr("app.store.verify.migrations", after_the_snapshot)
    report = await verify(StorePaths(tmp_path))
    await journal.close()
    assert journal.committed_seq > report.events == 1
    assert report.ok, report.problems


async def test_a_journal_that_lost_acknowledged_events_is_not_written_to(tmp_path: Path) -> None:
    await filled(tmp_path, 1)
    database = StorePaths(tmp_path).database
    with sqlite3.connect(database) as connection:
        connection.execute("DELETE FROM journal WHERE seq > 10")
    connection.close()
    before = database.read_bytes()
    with pytest.raises(StoreError, match="event 17 was acknowledged, and the journal ends at 10"):
        await opened(tmp_path)
    assert database.read_bytes() == before
    assert not (await verify(StorePaths(tmp_path))).ok


async def test_a_store_of_a_newer_version_or_another_program_is_refused(tmp_path: Path) -> None:
    await filled(tmp_path, 1)
    database = StorePaths(tmp_path).database
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA user_version=999")
    connection.close()
    with pytest.raises(StoreError, match="newer Longwatch"):
        await opened(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    with sqlite3.connect(StorePaths(other).database) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(StoreError, match="another program"):
        await opened(other)


async def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    StorePaths(tmp_path).database.write_bytes(b"not a database " * 1000)
    with pytest.raises(StoreError, match="cannot be used as a store"):
        await opened(tmp_path)
    assert StorePaths(tmp_path).database.read_bytes().startswith(b"not a database")


async def test_a_locked_database_delays_and_loses_nothing(tmp_path: Path) -> None:
    journal = await opened(tmp_path)
    problems: list[str] = []
    journal.on_problem(problems.append)
    assert journal._writer is not None
    journal._writer._connection.execute("PRAGMA busy_timeout=50")
    other = sqlite3.connect(StorePaths(tmp_path).database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    future = journal.append(drafts("r-1")[:1])
    await until(lambda: problems)
    assert not future.done()
    assert "locked" in problems[0]
    other.execute("ROLLBACK")
    other.close()
    await asyncio.wait_for(future, PATIENCE)
    assert problems[-1] == ""
    await journal.close()
    assert (await verify(StorePaths(tmp_path))).ok


async def test_half_a_surrogate_pair_is_written_as_a_replacement(tmp_path: Path) -> None:
    """Each way into the journal has it replaced already; were one forgotten, nothing may stand."""
    journal = await opened(tmp_path)
    await journal.append([Draft(ev.RecipeRecorded(digest=RECIPE.digest, recipe=RECIPE))])
    await journal.append(drafts("r-1")[:1])
    odd = moved(TaskState.IN_PROGRESS).model_copy(update={"reason": "ü\ud800"})
    await asyncio.wait_for(
        journal.append([Draft(odd, run_id=RunId("r-1"), trace_id="tr")]), PATIENCE
    )
    await journal.close()
    assert (await verify(StorePaths(tmp_path))).ok
    journal = await opened(tmp_path)
    state = journal.state(RunId("r-1"))
    assert state is not None and state.run.reason == "ü\ufffd"
    await journal.close()


async def test_what_cannot_be_written_is_told_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    journal = await opened(tmp_path)
    problems: list[str] = []
    journal.on_problem(problems.append)
    chunk = Chunk(
        session_id=SessionId("s"), ordinal=1, kind=ChunkKind.MESSAGE, text="\ud800", at=START
    )
    future = journal.append(drafts("r-1")[:1], [chunk])
    assert not await asyncio.wait_for(journal.on_disk(), PATIENCE)
    assert "cannot be written" in problems[0] and "runs are paused" in problems[0]
    await asyncio.wait_for(journal.close(), PATIENCE)
    with pytest.raises(StoreError, match="cannot be written"):
        await future
    assert (await verify(StorePaths(tmp_path))).ok


async def test_who_reads_sees_what_is_on_disk(tmp_path: Path) -> None:
    journal = await opened(tmp_path)
    journal.note(drafts("r-1")[:1])
    assert journal.state(RunId("r-1")) is not None and journal.committed_seq == 0
    assert await journal.on_disk()
    assert journal.committed_seq == 1
    await journal.close()


async def test_who_reads_does_not_wait_for_a_disk_that_is_not_well(tmp_path: Path) -> None:
    journal = await opened(tmp_path)
    assert journal._writer is not None
    journal._writer._connection.execute("PRAGMA busy_timeout=50")
    other = sqlite3.connect(StorePaths(tmp_path).database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    journal.note(drafts("r-1")[:1])
    assert not await asyncio.wait_for(journal.on_disk(), PATIENCE)
    assert journal.problem and journal.committed_seq == 0
    other.execute("ROLLBACK")
    other.close()
    await journal.close()


async def test_of_long_texts_the_newest_are_few_and_of_short_ones_many(tmp_path: Path) -> None:
    journal = await opened(tmp_path)
    long, short = SessionId("s-1"), SessionId("s-2")
    chunks = [
        Chunk(session_id=session, ordinal=n, kind=ChunkKind.OUTPUT, text=text, at=START)
        for session, text in ((long, "x" * 1_000), (short, "y"))
        for n in range(1, 41)
    ]
    await journal.append((), chunks)
    newest = await journal.reader.newest_chunks(long, 30, 6_000)
    assert [c.ordinal for c in newest] == list(range(33, 41))
    assert len(await journal.reader.newest_chunks(short, 30, 6_000)) == 30
    assert len(await journal.reader.newest_chunks(short, 50, 6_000)) == 40
    assert await journal.reader.newest_chunks(SessionId("s-3"), 30, 6_000) == []
    await journal.close()


async def test_chunks_are_paged_oldest_first(tmp_path: Path) -> None:
    journal = await opened(tmp_path)
    session = SessionId("s-1")
    chunks = [
        Chunk(session_id=session, ordinal=n, kind=ChunkKind.MESSAGE, text=str(n), at=START)
        for n in range(1, 11)
    ]
    await journal.append((), chunks)
    page = await journal.reader.chunks(session, before=8, limit=3)
    assert [c.text for c in page] == ["5", "6", "7"]
    assert await journal.reader.chunks(SessionId("s-2")) == []
    await journal.close()


def test_the_lock_is_exclusive_and_names_its_owner(tmp_path: Path) -> None:
    first, second = StoreLock(tmp_path / "lock"), StoreLock(tmp_path / "lock")
    first.acquire()
    with pytest.raises(StoreBusy, match="held by process"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_a_folder_that_cannot_be_made_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        StoreLock(tmp_path / "file" / "store" / "lock").acquire()


def test_a_torn_head_leaves_the_one_before_it(tmp_path: Path) -> None:
    path = tmp_path / "head"
    head = HeadFile(path)
    head.write(Head(1, "a" * 64))
    head.write(Head(2, "b" * 64))
    head.close()
    assert read_head(path) == Head(2, "b" * 64)
    data = bytearray(path.read_bytes())
    data[130:140] = b"garbage...."[:10]
    path.write_bytes(bytes(data))
    assert read_head(path) == Head(1, "a" * 64)
    assert read_head(tmp_path / "none") is None
