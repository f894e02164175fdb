"""Read models that do not follow from the journal are made anew; a damaged journal is let be."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.domain import events as ev
from app.domain.base import RunId, SessionId
from app.domain.errors import StoreDamaged, StoreError
from app.domain.rebuild_report import RebuildReport
from app.domain.session import Chunk, ChunkKind
from app.store.head import Head, HeadFile
from app.store.journal import Draft, Journal
from app.store.lock import StoreLock
from app.store.mending import mend
from app.store.paths import StorePaths
from app.store.projection import TABLES
from app.store.reader import Reader
from app.store.verify import verify
from tests.support.every_table import fill_every_table, spoil, spoil_page, tables
from tests.support.story import START, FixedClock, a_session

DAMAGES = {
    "missing": "DELETE FROM {table} WHERE rowid=(SELECT min(rowid) FROM {table})",
    "changed": "UPDATE {table} SET state='nowhere'",
    "garbage": "UPDATE {table} SET doc='{{'",
    "no text": "UPDATE {table} SET doc=CAST(x'ff41' AS TEXT)",
    "unfounded": "INSERT INTO {table} VALUES ('x' || char(10), 'r-1', 'done', '{{}}')",
    "emptied": "DELETE FROM {table}",
}
GARBAGE, NO_ROWS = b"\xff", b"\x0a\x00\x00\x00\x00\x10\x00\x00"  # of an index, as SQLite has it


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store; tests work on copies."""
    root = tmp_path_factory.mktemp("whole")
    asyncio.run(fill_every_table(root))
    assert all(tables(root).values())
    return root


@pytest.fixture
def store(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "store"))


def rebuilt(root: Path, *, dry_run: bool = False) -> RebuildReport:
    return mend(StorePaths(root), dry_run=dry_run, tell=lambda done, total: None)


def content(root: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in root.iterdir() if p.suffix in (".db", ".head")}


async def goes_on(root: Path) -> None:
    """It is whole, and a supervisor can take it up and write to it."""
    report = await verify(StorePaths(root))
    assert report.ok, report.problems
    journal = await Journal.open(StorePaths(root), FixedClock())
    assert set(journal.projection.states) == {"r-1", "r-2"}
    await journal.append([Draft(ev.SupervisorStopped(epoch=1))])
    await journal.close()
    assert (await verify(StorePaths(root))).ok


@pytest.mark.parametrize("table", TABLES)
async def test_a_damaged_table_is_made_anew_in_its_order(store: Path, table: str) -> None:
    before = tables(store)
    for name, sql in DAMAGES.items():
        spoil(store, sql.format(table=table))
        found = await verify(StorePaths(store))
        assert found.mendable and not any("\n" in problem for problem in found.problems)
        if name in ("missing", "emptied") and table == "runs":
            with pytest.raises(
                StoreDamaged, match=r"rows of runs \(the journal has 2\); `longwatch v"
            ):
                await Journal.open(StorePaths(store), FixedClock())
        report = rebuilt(store)
        assert [d.table for d in report.differences] == [table], name
        assert tables(store) == before
    assert not rebuilt(store).differs
    await goes_on(store)


async def test_all_at_once(store: Path) -> None:
    before = tables(store)
    for table in TABLES:
        spoil(store, DAMAGES["emptied"].format(table=table))
    report = rebuilt(store)
    assert [str(d) for d in report.differences][:2] == ["runs (2 missing)", "approvals (2 missing)"]
    assert tables(store) == before
    await goes_on(store)


async def test_a_dry_run_writes_nothing_even_beside_a_supervisor(store: Path) -> None:
    spoil(store, "UPDATE runs SET state='done' WHERE id='r-1'")
    lock = StoreLock(StorePaths(store).lock)
    lock.acquire()
    before = content(store)
    report = rebuilt(store, dry_run=True)
    assert (report.dry_run, [str(d) for d in report.differences]) == (True, ["runs (1 changed)"])
    with pytest.raises(StoreError, match=r"process \d+ works on this store; end it \(`longwatch d"):
        rebuilt(store)
    lock.release()
    assert content(store) == before


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (
            "UPDATE journal SET body='{}' WHERE seq=9",
            "event 9 does not match its hash: it was chan",
        ),
        ("DELETE FROM journal WHERE seq=4", "event 4 is missing"),
        ("DELETE FROM names WHERE name='r-1'", "event 2 does not match its hash"),
        ("DELETE FROM journal WHERE seq>40", "event 45 was acknowledged with another content, or "),
        ("UPDATE journal SET body=CAST(x'ff' AS TEXT) WHERE seq=9", "SQLite cannot read it: Could"),
        ("DROP TABLE names", "SQLite cannot read it: no such table: names"),
    ],
)
async def test_a_damaged_journal_is_refused_and_left_alone(
    store: Path, damage: str, says: str
) -> None:
    spoil(store, "DELETE FROM runs")
    spoil(store, damage)
    before = content(store)
    for dry_run in (True, False):
        with pytest.raises(StoreDamaged) as raised:
            rebuilt(store, dry_run=dry_run)
        said = str(raised.value)
        assert f"longwatch.db: the journal itself is damaged ({says}" in said
        assert "; nothing was changed. Put a copy of the store in its place" in said
        assert said.endswith(" away to accept the loss") == ("seq>40" in damage)
    assert content(store) == before
    assert not (await verify(StorePaths(store))).mendable


def test_what_is_no_store_is_not_made_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store here"):
        rebuilt(tmp_path)
    head = HeadFile(StorePaths(tmp_path).head)
    head.write(Head(3, "0"))
    head.close()
    with pytest.raises(StoreError, match="gone or empty, but 3 events were acknowledged"):
        rebuilt(tmp_path)
    assert not StorePaths(tmp_path).database.exists()


async def test_an_index_that_does_not_fit_its_table_is_made_anew(store: Path) -> None:
    spoil_page(store, "approvals_state", NO_ROWS)
    assert (await verify(StorePaths(store))).mendable
    report = rebuilt(store)
    assert (report.indexes, report.differences, report.kept) == (True, (), "")
    await goes_on(store)


@pytest.mark.parametrize("name", ["runs", "approvals", "journal_run"])
def test_a_file_with_a_page_of_garbage_is_written_anew(store: Path, name: str) -> None:
    before = tables(store)
    spoil_page(store, name, GARBAGE)
    damaged = StorePaths(store).database.read_bytes()
    (store / "longwatch.db.new").write_bytes(b"what a rebuild that was killed has left")
    assert asyncio.run(verify(StorePaths(store))).mendable
    report = rebuilt(store)
    assert report.kept == f"{StorePaths(store).database}.damaged-1"
    assert Path(report.kept).read_bytes() == damaged
    assert tables(store) == before
    assert not rebuilt(store).differs
    asyncio.run(goes_on(store))
    assert not list(store.glob("*.new*"))


async def test_a_journal_with_a_page_of_garbage_is_left_alone(store: Path) -> None:
    spoil_page(store, "journal", GARBAGE)
    before = content(store)
    with pytest.raises(StoreDamaged, match="SQLite cannot read it: database disk image is malform"):
        rebuilt(store)
    assert content(store) == before
    report = await verify(StorePaths(store))
    assert not report.ok and not report.mendable


async def test_a_text_that_is_gone_is_told_and_the_rest_is_mended(store: Path) -> None:
    journal = await Journal.open(StorePaths(store), FixedClock())
    digest = hashlib.sha256(b"Hello").hexdigest()
    finished = ev.ItemFinished(
        session_id=SessionId("s-1"), item_id="m1", kind="message", sha256=digest, size=5
    )
    await journal.append([Draft(finished)])
    await journal.close()
    spoil(store, "DELETE FROM runs")
    report = rebuilt(store)
    assert report.differs
    assert len(report.beyond) == 1 and "session s-1: the text that event 46" in report.beyond[0]
    after = await verify(StorePaths(store))
    assert (after.problems, after.mendable) == (report.beyond, False)


@pytest.mark.parametrize(
    ("damage", "shown", "lost"),
    [
        ("UPDATE chunks SET text='the plane' WHERE ordinal=3", "well|the plan|so|the end", 0),
        ("DELETE FROM chunks WHERE ordinal=2", "well|the plan|so|the end", 0),
        ("DELETE FROM chunks WHERE ordinal IN (2, 3)", "well|the plan|so|the end", 0),
        ("DELETE FROM chunks WHERE ordinal IN (2, 3, 5)", "well|the plan|so|the end", 0),
        ("DELETE FROM chunks WHERE ordinal IN (1, 2, 3)", "the plan|so|the end", 1),
        ("DELETE FROM chunks", "the plan|the end", 2),
    ],
)
async def test_a_text_that_became_a_result_is_had_again(
    store: Path, damage: str, shown: str, lost: int
) -> None:
    journal = await Journal.open(StorePaths(store), FixedClock())
    session = a_session("r-1").session_id
    texts = [("m1", "well"), ("m2", "the "), ("m2", "plan"), ("m3", "so"), ("m4", "the end")]
    chunks = [
        Chunk(
            session_id=session,
            ordinal=ordinal,
            kind=ChunkKind.MESSAGE,
            item_id=name,
            text=text,
            end=False,
            at=START,
        )
        for ordinal, (name, text) in enumerate(texts, 1)
    ]
    result = ev.OutputProduced(step="plan", attempt=1, output="the end")
    await journal.append([Draft(result, run_id=RunId("r-1"))], chunks)
    for name, text in (("m1", "well"), ("m2", "the plan"), ("m3", "so"), ("m4", "the end")):
        digest = hashlib.sha256(text.encode()).hexdigest()
        finished = ev.ItemFinished(
            session_id=session, item_id=name, kind="message", sha256=digest, size=len(text)
        )
        await journal.append([Draft(finished, run_id=RunId("r-1"))])
    await journal.close()
    assert (await verify(StorePaths(store))).ok
    spoil(store, damage)
    report = rebuilt(store)
    assert report.texts and not report.differences
    assert len(report.beyond) == lost
    assert not rebuilt(store).differs
    reader = Reader(StorePaths(store).database)
    await reader.open()
    assert [chunk.text for chunk in await reader.chunks(session)] == shown.split("|")
    await reader.close()
    if not lost:
        await goes_on(store)


@pytest.mark.crash
@pytest.mark.parametrize("name", ["runs", "nothing"])
async def test_a_rebuild_that_is_killed_loses_nothing(
    store: Path, tmp_path: Path, name: str
) -> None:
    """In place, and with the file written anew."""
    before = tables(store)
    spoil(store, "DELETE FROM approvals")
    if name == "runs":
        spoil_page(store, "runs", GARBAGE)

    def die(copy: Path, boundary: int, when: str) -> subprocess.CompletedProcess[str]:
        shutil.copytree(store, copy)
        program = [sys.executable, "-m", "tests.support.dying_rebuild", str(copy)]
        return subprocess.run([*program, str(boundary), when], capture_output=True, text=True)

    lived = die(tmp_path / "lived", 0, "before")
    count = int(lived.stdout.split()[-1])
    every = os.environ.get("LONGWATCH_BOUNDARIES") == "all"
    for boundary in range(count, 0, -1 if every else -max(1, count // 2)):
        copy = tmp_path / str(boundary)
        assert die(copy, boundary, "after" if boundary % 2 else "before").returncode == -9
        rebuilt(copy)
        assert tables(copy) == before
        await goes_on(copy)
