"""Small rows: every event and text comes out as it went in, also those of older stores."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.base import RunId, SessionId
from app.domain.errors import StoreDamaged, StoreError
from app.domain.events import Event, from_json, to_json
from app.domain.session import Chunk, ChunkKind
from app.store import names, small_rows
from app.store.journal import Draft, Journal
from app.store.names import Names
from app.store.packing import Packer, unpack
from app.store.paths import StorePaths
from app.store.rows import body_of, fields_of, microseconds, moment
from app.store.schema import is_outdated, open_for_reading, open_for_writing
from app.store.verify import verify
from tests.support.old_store import write_old_store
from tests.support.story import START, FixedClock, story, two_runs

SAMPLES = "f7c9c6cd957ffe4b05da7b7d480998e3c8b0eb1367014dbe5c6e80c683128e54"
TEXTS = st.one_of(st.text(max_size=300), st.text(st.sampled_from('{"step":}e ü\n'), max_size=3000))
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))


def events(step: timedelta = timedelta(microseconds=1_500_000)) -> list[Event]:
    """Two runs' events, of whole seconds and of parts of them; a trace of the store's own."""
    return [
        Event(
            seq=seq,
            at=START + step * seq,
            run_id=RunId(run) if run else "",
            trace_id=f"tr-{run}",
            payload=payload,
        )
        for seq, (run, payload) in enumerate(two_runs(), start=1)
    ]


def chunks() -> list[Chunk]:
    return [
        Chunk(
            session_id=SessionId(f"s-{number % 3}"),
            ordinal=number // 3 + 1,
            kind=ChunkKind.MESSAGE if number % 2 else ChunkKind.TOOL,
            item_id=f"i-{number}",
            text="said and said again " * number,
            end=number % 4 == 0,
            at=START + timedelta(milliseconds=number * 250),
        )
        for number in range(30)
    ]


@given(TEXTS)
def test_a_text_is_the_same_after_packing_and_never_longer(text: str) -> None:
    packed = Packer().pack(text)
    assert unpack(packed) == text
    assert packed == text or len(packed) < len(text.encode())


def test_one_packer_makes_many_texts_small() -> None:
    packer = Packer()
    bodies = [to_json(payload) for _, payload in two_runs()]
    packed = [packer.pack(body) for body in bodies]
    assert [unpack(body) for body in packed] == bodies
    assert sum(map(len, packed)) < sum(map(len, bodies)) / 2


def test_what_was_not_packed_here_is_refused() -> None:
    packed = Packer().pack("made small, " * 10)
    assert isinstance(packed, bytes)
    for stored in (b"", b"\x02" + packed[1:], packed[: len(packed) // 2], None, 7):
        with pytest.raises(ValueError):
            unpack(stored)


def test_a_flipped_bit_gives_an_error_or_another_text_and_nothing_else() -> None:
    packed = Packer().pack(to_json(two_runs()[1][1]))
    assert isinstance(packed, bytes)
    for place in range(8 * len(packed)):
        damaged = bytearray(packed)
        damaged[place // 8] ^= 1 << place % 8
        with contextlib.suppress(ValueError):
            assert isinstance(unpack(bytes(damaged)), str)


def test_what_was_packed_once_can_be_read_for_ever() -> None:
    """Bytes of the first version that packed. The samples are part of every store's format."""
    samples = (resources.files("app.store") / "samples-1.jsonl").read_bytes()
    assert hashlib.sha256(samples).hexdigest() == SAMPLES
    packed = bytes.fromhex("0120338d000010313204007f65c2cd8afbc3c6fa666105")
    assert unpack(packed) == '{"session_id":"s-1","turn":12,"status":"completed"}'


@given(TIMES)
def test_a_moment_is_the_same_to_the_letter(at: datetime) -> None:
    assert moment(microseconds(at)).isoformat() == at.isoformat()


def test_a_number_that_is_no_moment_is_refused() -> None:
    with pytest.raises(ValueError):
        moment(2**62)


@given(st.one_of(TEXTS, TEXTS.map(lambda text: '{"type":"kind"' + text)))
def test_a_body_is_the_same_to_the_letter_whoever_wrote_it(body: str) -> None:
    assert body_of("kind", fields_of("kind", body)) == body


def test_what_a_row_has_is_json_without_the_type() -> None:
    for _, payload in two_runs():
        body = to_json(payload)
        fields = fields_of(payload.type, body)
        assert {"type": payload.type, **json.loads(fields)} == json.loads(body)
        assert from_json(body_of(payload.type, fields)) == payload


async def test_a_store_of_schema_5_has_the_same_events_and_transcripts_after_it(
    tmp_path: Path,
) -> None:
    write_old_store(tmp_path, events(), chunks())
    journal = await Journal.open(StorePaths(tmp_path), FixedClock())
    assert await journal.reader.events() == events()
    assert await journal.reader.events(RunId("r-2")) == [e for e in events() if e.run_id == "r-2"]
    for session in ("s-0", "s-1", "s-2"):
        said = await journal.reader.chunks(SessionId(session))
        assert said == [chunk for chunk in chunks() if chunk.session_id == session]
    await journal.append([Draft(payload, run_id=RunId("r-9")) for payload in story("r-9")])
    await journal.close()
    report = await verify(StorePaths(tmp_path))
    assert report.ok, report.problems
    assert report.events == len(events()) + len(story("r-9"))
    with contextlib.closing(sqlite3.connect(StorePaths(tmp_path).database)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    assert not tables & {"journal_5", "chunks_5"}


async def test_a_change_in_an_old_store_is_found_after_the_upgrade(tmp_path: Path) -> None:
    write_old_store(tmp_path, events())
    with (
        contextlib.closing(sqlite3.connect(StorePaths(tmp_path).database)) as connection,
        connection,
    ):
        connection.execute("UPDATE journal SET body=replace(body, 'the plan', 'a plan')")
    journal = await Journal.open(StorePaths(tmp_path), FixedClock())
    await journal.close()
    report = await verify(StorePaths(tmp_path))
    assert any("does not match its hash" in problem for problem in report.problems)


def contents(database: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


DYING = """
import os, sys
from pathlib import Path
from app.store import schema
schema.rebuild = lambda connection: os._exit(9)
schema.open_for_writing(Path(sys.argv[1]))
"""


def test_an_upgrade_that_is_cut_off_leaves_the_old_store(tmp_path: Path) -> None:
    write_old_store(tmp_path, events(), chunks())
    database = StorePaths(tmp_path).database
    before = contents(database)
    done = subprocess.run([sys.executable, "-c", DYING, str(database)])
    assert done.returncode == 9
    assert contents(database) == before


def test_a_time_that_could_not_be_made_again_is_not_converted(tmp_path: Path) -> None:
    write_old_store(tmp_path, events())
    database = StorePaths(tmp_path).database
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE journal SET at='2026-03-01T13:00:00+01:00' WHERE seq=3")
    before = contents(database)
    with pytest.raises(StoreDamaged, match="event 3 is of 2026"):
        open_for_writing(database)
    assert contents(database) == before


def test_many_rows_are_moved_in_several_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_rows, "_AT_ONCE", 4)
    write_old_store(tmp_path, events(), chunks())
    connection = open_for_writing(StorePaths(tmp_path).database)
    (count,) = connection.execute("SELECT count(*) FROM journal").fetchone()
    (said,) = connection.execute("SELECT count(*) FROM chunks").fetchone()
    connection.close()
    assert (count, said) == (len(events()), len(chunks()))


def test_a_store_is_outdated_until_it_has_been_opened(tmp_path: Path) -> None:
    database = StorePaths(tmp_path).database
    assert not is_outdated(database)
    write_old_store(tmp_path, events())
    assert is_outdated(database)
    open_for_writing(database).close()
    assert not is_outdated(database)
    database.write_bytes(b"not a database " * 1000)
    assert not is_outdated(database)


async def test_verify_says_of_an_old_store_what_to_do(tmp_path: Path) -> None:
    write_old_store(tmp_path, events())
    report = await verify(StorePaths(tmp_path))
    assert not report.ok
    assert "brought up to date by its next start" in report.problems[0]


def test_numbers_of_names_are_those_of_the_schema(tmp_path: Path) -> None:
    connection = open_for_writing(StorePaths(tmp_path).database)
    known = dict(connection.execute("SELECT name, number FROM names WHERE number > 0"))
    connection.close()
    assert known == {name: getattr(names, name.upper()) for name in known}
    assert len(known) == 5


def test_a_name_keeps_its_number_and_one_that_was_taken_back_is_written_again(
    tmp_path: Path,
) -> None:
    connection = open_for_writing(StorePaths(tmp_path).database)
    found = Names(connection)
    first = found.numbers(["r-1", "r-2"])["r-1"]
    connection.execute("BEGIN")
    found.numbers(["r-3"])
    connection.execute("ROLLBACK")
    found.forget()
    assert found.numbers(["r-1", "r-3"])["r-1"] == first
    stored = dict(connection.execute("SELECT name, number FROM names"))
    assert {name: stored[name] for name in ("r-1", "r-3")} == dict(found.numbers(()))
    connection.close()


def test_a_damaged_text_that_is_counted_is_an_error_of_sqlite(tmp_path: Path) -> None:
    open_for_writing(StorePaths(tmp_path).database).close()
    connection = open_for_reading(StorePaths(tmp_path).database)
    with pytest.raises(sqlite3.OperationalError):
        connection.execute("SELECT unpacked(x'0100')").fetchall()
    connection.close()


async def test_a_damaged_event_is_one_clear_sentence(tmp_path: Path) -> None:
    journal = await Journal.open(StorePaths(tmp_path), FixedClock())
    for run, payload in two_runs():
        await journal.append([Draft(payload, run_id=RunId(run) if run else None)])
    await journal.close()
    with (
        contextlib.closing(sqlite3.connect(StorePaths(tmp_path).database)) as connection,
        connection,
    ):
        connection.execute("UPDATE journal SET body=x'0100' WHERE seq=2")
    with pytest.raises(StoreError, match="event 2"):
        await Journal.open(StorePaths(tmp_path), FixedClock())
