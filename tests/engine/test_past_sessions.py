"""Past sessions of a project: listed, searched in parts, read in pages, pinned by their hash."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from app.domain.errors import NotFound, Refused
from app.domain.past import PastCursor, PastHit
from app.domain.past_ref import PastId, PastRef
from app.engine import past_reading
from app.engine.past_sessions import PastSessions
from tests.support.past import CHAT, as_lines, said, text, write_session

SECRET = "sk-plantedsecretvalue"


async def _root(folder: Path) -> Path:
    return folder


@pytest.fixture
def past() -> PastSessions:
    return PastSessions(_root, lambda text: text.replace(SECRET, "[secret]"))


async def every(past: PastSessions, root: Path, words: str, limit: int = 50) -> list[PastHit]:
    hits: list[PastHit] = []
    after: PastCursor | None = None
    while True:
        part = await past.search(str(root), words, after, limit)
        hits += part.hits
        after = part.next
        if after is None:
            assert part.searched == part.total
            return hits


async def test_a_list_has_the_newest_first_and_says_where_they_were_held(
    past: PastSessions, tmp_path: Path
) -> None:
    old = write_session(tmp_path, "main", "old", *CHAT)
    write_session(tmp_path, "ops", "new", said("user", f"later {SECRET}", 30))
    write_session(tmp_path, "main", "aside", said("user", "a", 2), name="aside.jsonl.reset.2026")
    (old.parent / "sessions.json").write_text('{"agent:main:wa:+49": {"sessionId": "old"}, "x": 1}')
    (old.parent / "notes.txt").write_text("no session")
    found = await past.newest(str(tmp_path), 2)
    assert [s.past_id for s in found.sessions] == ["ops/new", "main/old"]
    assert found.total == 3
    new, held = found.sessions
    assert new.title == "later [secret]"
    assert (held.origin, held.messages, held.estimated) == ("agent:main:wa:+49", 4, False)
    assert held.title == "How do I retry the uploader?"
    assert (held.started, held.last) != (None, None)
    assert (await past.newest(str(tmp_path), 9, "ops")).total == 1
    # A changed file is looked at again.
    old.write_bytes(as_lines(said("user", "quite new", 50)))
    assert (await past.newest(str(tmp_path), 1)).sessions[0].title == "quite new"


async def test_a_large_session_is_reckoned_from_its_ends(
    past: PastSessions, tmp_path: Path
) -> None:
    write_session(tmp_path, "main", "big", *(said("user", "w" * 900, n % 60) for n in range(300)))
    (one,) = (await past.newest(str(tmp_path), 9)).sessions
    assert one.estimated
    assert 250 <= one.messages <= 350
    assert one.last is not None
    assert one.last.second == 59


async def test_links_and_strangers_are_not_followed(past: PastSessions, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write_session(outside, "main", "theirs", *CHAT)
    root = tmp_path / "project"
    mine = write_session(root, "main", "mine", *CHAT)
    (mine.parent / "link.jsonl").symlink_to(
        outside / ".longwatch/imported/main/sessions/theirs.jsonl"
    )
    (root / ".longwatch/imported/evil").symlink_to(outside / ".longwatch/imported/main")
    os.mkfifo(mine.parent / "pipe.jsonl")
    assert [s.past_id for s in (await past.newest(str(root), 9)).sessions] == ["main/mine"]
    for wanted in ("../../outside", "main/link", "evil/theirs", "", "/etc/passwd"):
        with pytest.raises(NotFound):
            await past.page(str(root), PastId(wanted), 1, 10)
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / ".longwatch").mkdir()
    (linked / ".longwatch/imported").symlink_to(outside / ".longwatch/imported")
    listed = await past.newest(str(linked), 9)
    assert listed.sessions == ()
    assert "is a link" in listed.problems[0]


async def test_a_project_without_any_has_an_empty_list(past: PastSessions, tmp_path: Path) -> None:
    listed = await past.newest(str(tmp_path), 9)
    assert (listed.sessions, listed.total, listed.problems) == ((), 0, ())
    assert await every(past, tmp_path, "word") == []


async def test_pages_follow_each_other_without_gap_or_repeat(
    past: PastSessions, tmp_path: Path
) -> None:
    write_session(tmp_path, "main", "s", *(said("user", f"n{n}", n) for n in range(20)), "{torn")
    found, at, bad = list[str](), 1, 0
    while True:
        page = await past.page(str(tmp_path), PastId("main/s"), at, 7)
        found += [entry.text for entry in page.entries]
        bad += page.bad
        if page.next is None:
            break
        at = page.next
    assert found[:20] == [f"n{n}" for n in range(20)]
    assert bad == 1
    middle = await PastSessions(_root, str).page(str(tmp_path), PastId("s"), 12, 2)
    assert [entry.text for entry in middle.entries] == ["n10", "n11"]


async def test_a_search_finds_entries_with_all_words_newest_session_first(
    past: PastSessions, tmp_path: Path
) -> None:
    write_session(tmp_path, "main", "old", *CHAT)
    write_session(tmp_path, "ops", "new", said("assistant", [text("UPLOADER, then RETRY")], 40))
    hits = await every(past, tmp_path, "retry uploader")
    assert [(h.past_id, h.entry.line) for h in hits] == [("ops/new", 2), ("main/old", 2)]
    assert await every(past, tmp_path, "retry uploader", limit=1) == hits
    assert await every(past, tmp_path, "retry elephant") == []
    with pytest.raises(Refused, match="some words"):
        await past.search(str(tmp_path), "  ")


@pytest.mark.parametrize("ascii_only", [True, False])
async def test_words_are_found_however_the_file_writes_them(
    past: PastSessions, tmp_path: Path, ascii_only: bool
) -> None:
    entry = said("user", 'Größe "x\\y" is re\x1b[1mtry')
    plain = said("user", "Die Straße nach Köln")
    write_session(
        tmp_path, "a", "s", *(json.dumps(e, ensure_ascii=ascii_only) for e in (entry, plain))
    )
    for words in ("größe", '"x\\y"', "retry", "GRÖSSE RETRY", "strasse", "köln die", "Straße"):
        assert len(await every(past, tmp_path, words)) == 1, words
    assert await every(past, tmp_path, "köln retry") == []


async def test_a_secret_is_neither_shown_nor_found(past: PastSessions, tmp_path: Path) -> None:
    write_session(tmp_path, "a", "s", said("user", f"the key is {SECRET}"))
    assert await every(past, tmp_path, SECRET) == []
    (hit,) = await every(past, tmp_path, "key")
    assert SECRET not in hit.entry.text
    page = await past.page(str(tmp_path), PastId("a/s"), 1, 9)
    assert SECRET not in page.model_dump_json()
    ref, _ = await past.pin(tmp_path, PastId("a/s"))
    assert SECRET not in (await past.history(tmp_path, ref)).model_dump_json()


async def test_a_search_goes_on_where_it_stopped_and_stops_when_nobody_waits(
    past: PastSessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        write_session(tmp_path, "main", name, *(said("user", "word", n) for n in range(3)))
    monkeypatch.setattr(past_reading, "SLICE", 1)
    part = await past.search(str(tmp_path), "word")
    assert (part.searched, part.total, part.next is not None) == (0, 3, True)
    assert len(await every(past, tmp_path, "word")) == 9
    part = await past.search(str(tmp_path), "word")
    (tmp_path / ".longwatch/imported/main/sessions/c.jsonl").unlink()
    rest = await past.search(str(tmp_path), "word", part.next)
    assert rest.total == 3, "it goes on in the list that it began with"
    gone = PastCursor(past_id=PastId("main/x"), line=1, offset=9)
    with pytest.raises(Refused, match="search again"):
        await past.search(str(tmp_path), "word", gone)
    monkeypatch.setattr(past_reading, "SLICE", 1 << 40)
    task = asyncio.create_task(past.search(str(tmp_path), "absent"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_history_is_the_branch_that_was_pinned(past: PastSessions, tmp_path: Path) -> None:
    path = write_session(
        tmp_path,
        "main",
        "s",
        said("user", "before", id="a", parentId=None),
        {"type": "compaction", "id": "k", "parentId": "a", "summary": "in short"},
        said("assistant", [{"type": "thinking", "thinking": "hm"}], id="t", parentId="k"),
        said("user", [text("now"), {"type": "image", "data": "A"}], id="b", parentId="t"),
    )
    ref, session = await past.pin(tmp_path, PastId("s"))
    assert (ref.past_id, session.title) == ("main/s", "before")
    history = await past.history(tmp_path, ref)
    assert [(e.kind, e.text) for e in history.entries] == [("summary", "in short"), ("user", "now")]
    assert (history.images, history.left_out) == (1, 0)
    path.write_bytes(path.read_bytes() + as_lines(said("user", "more")))
    with pytest.raises(Refused, match="has changed since the run was started"):
        await past.history(tmp_path, ref)
    path.unlink()
    with pytest.raises(NotFound, match="no past session main/s"):
        await past.history(tmp_path, ref)


async def test_of_a_long_history_the_latest_part_is_taken(
    past: PastSessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past_reading, "_HISTORY_TEXT", 50)
    write_session(tmp_path, "main", "s", *(said("user", "x" * 20, n) for n in range(5)))
    ref, _ = await past.pin(tmp_path, PastId("main/s"))
    history = await past.history(tmp_path, ref)
    assert [e.line for e in history.entries] == [5, 6]
    assert history.left_out == 3


async def test_nothing_to_take_up_is_said(past: PastSessions, tmp_path: Path) -> None:
    write_session(tmp_path, "main", "empty")
    with pytest.raises(Refused, match="says nothing"):
        await past.pin(tmp_path, PastId("main/empty"))
    write_session(tmp_path, "main", "empty-too")
    with pytest.raises(Refused, match="several past sessions: main/empty"):
        await past.pin(tmp_path, PastId("empt"))
    assert (await past.page(str(tmp_path), PastId("empty"), 1, 5)).entries == ()
    assert PastRef(past_id=PastId("x")).sha256 == ""
