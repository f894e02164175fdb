"""Past sessions on screen: the list, a search in parts, paging, taking one up, pictures."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.commands import StartRun
from app.domain.errors import Refused
from app.domain.past import (
    PastCursor,
    PastEntry,
    PastFound,
    PastHit,
    PastKind,
    PastList,
    PastPage,
    PastSession,
)
from app.ui import past_rows
from app.ui.app import ControlRoom
from app.ui.past_rows import PastReading, reading_rows
from app.ui.screens.past import PastScreen
from app.ui.typed import split_options
from app.ui.widgets.page import Page
from tests.ui import canned
from tests.ui.answering import press
from tests.ui.conftest import room_over
from tests.ui.driving import rest, screen_text, settle
from tests.ui.fakes import FakeClient
from tests.ui.parts import NOW
from tests.ui.pictures import SIZES, Compare, in_run, utc

__all__ = ["utc"]
pytestmark = pytest.mark.usefixtures("utc")
FOLDER = "/home/mara/uploader/.longwatch/imported"
K = PastKind


def session(name: str, title: str, hours: int, **more: object) -> PastSession:
    agent = name.partition("/")[0]
    given = {"past_id": name, "agent": agent, "session": name.partition("/")[2], "title": title}
    last = {"last": NOW - timedelta(hours=hours), "size": 4000, "messages": 4}
    return PastSession.model_validate(given | last | more)


UPLOAD = session("main/0191", "How do I retry the uploader?", 3, origin="whatsapp:+49 151")
OPS = session("ops/77", "[/lo] rotate the keys", 50, messages=12_400, estimated=True)
OLD = session("coder/a-very-long-name", "Grüße: tidy up 日本語 the tests", 900, messages=1)


def entries(*found: tuple[PastKind, str]) -> tuple[PastEntry, ...]:
    return tuple(
        PastEntry(line=n, kind=kind, text=text, at=NOW - timedelta(hours=3, minutes=40 - n))
        for n, (kind, text) in enumerate(found, 2)
    )


TALK = (
    *entries(
        (K.USER, "How do I retry the uploader?\nIt fails when the network is away."),
        (K.THOUGHT, "It wants a loop."),
        (K.ASSISTANT, "Let me look."),
    ),
    PastEntry(line=4, kind=K.TOOL_CALL, tool="exec", text="cat uploader.py"),
    PastEntry(
        line=5, kind=K.TOOL_RESULT, tool="exec", text="\n".join(f"line {n}" for n in range(30))
    ),
    PastEntry(line=6, kind=K.TOOL_RESULT, tool="exec", text="exit 1", failed=True, images=1),
    PastEntry(line=7, kind=K.NOTE, text="no JSON: Expecting value at character 1", failed=True),
    PastEntry(line=8, kind=K.SUMMARY, text="The uploader gets a retry."),
    PastEntry(line=9, kind=K.ASSISTANT, text="Wrap it in a loop of [b]three[/b]."),
)


def client(*sessions: PastSession, total: int | None = None) -> FakeClient:
    found = FakeClient(canned.running_run())
    found.past = PastList(folder=FOLDER, sessions=sessions, total=total or len(sessions))
    found.past_pages = [PastPage(session=one, first=1, entries=TALK) for one in sessions]
    hit = PastEntry(line=8, kind=K.SUMMARY, text="… the uploader gets a retry", at=NOW)
    found.past_pages.append(PastPage(session=UPLOAD, first=2, entries=TALK[2:]))
    one = PastHit(past_id=UPLOAD.past_id, title=UPLOAD.title, entry=hit)
    after = PastCursor(past_id=UPLOAD.past_id, line=8, offset=100)
    found.found = [
        PastFound(hits=(), next=after, searched=1, total=3),
        PastFound(hits=(one, one.model_copy(update={"past_id": OPS.past_id})), total=3, searched=3),
    ]
    return found


def full() -> FakeClient:
    return client(UPLOAD, OPS, OLD)


def reading(room: ControlRoom) -> str:
    return "\n".join(row.text for row in room.screen.query_one("#text", Page).rows)


async def test_the_list_is_read_and_walked_and_reached_from_the_watch() -> None:
    room = room_over(full())
    async with room.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "p")
        await rest(pilot)
        assert isinstance(room.screen, PastScreen)
        assert "How do I retry the uploader?" in reading(room)
        assert "… 10 more lines: `longwatch past show` has them" in reading(room)
        assert "three" in reading(room)
        await press(pilot, "j")
        assert "12,400 messages" in screen_text(room) or "rotate the keys" in screen_text(room)
        await press(pilot, "escape")
        assert not isinstance(room.screen, PastScreen)


async def test_a_search_goes_on_until_it_is_through_and_esc_ends_it() -> None:
    over = full()
    room = room_over(over, screen="past")
    async with room.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "slash", *"retry", "enter")
        await rest(pilot)
        assert [text for text, _ in over.searches] == ["retry", "retry"]
        assert "“retry”: 2 places in all 3 sessions" in screen_text(room)
        assert "from line 2; Home reads from the first" in reading(room)
        assert "◀ found" in reading(room)
        await press(pilot, "home")
        assert "◀ found" not in reading(room)
        assert "It fails when the network is away." in reading(room)
        await press(pilot, "escape")
        assert "3 past sessions" in screen_text(room)
        await press(pilot, "slash", *"zebra", "enter")
        await rest(pilot)
        assert "nothing has all of these words" in reading(room)


async def test_more_is_searched_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ui.screens.past.HITS", 1)
    over = full()
    after = PastCursor(past_id=OPS.past_id, line=1, offset=1)
    over.found = [part.model_copy(update={"next": after}) for part in over.found[1:]] * 2
    room = room_over(over, screen="past")
    async with room.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "slash", *"retry", "enter")
        await rest(pilot)
        assert "m searches on" in screen_text(room)
        await press(pilot, "m")
        await rest(pilot)
        assert "4 places" in screen_text(room)


async def test_at_the_end_of_a_page_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    over = full()
    many = entries(*[(K.USER, f"words {n}") for n in range(60)])
    over.past_pages = [
        PastPage(session=UPLOAD, first=1, entries=many, next=62),
        PastPage(session=UPLOAD, first=62, entries=TALK[-1:], bad=1),
    ]
    room = room_over(over, screen="past")
    async with room.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await rest(pilot)
        assert "there is more below" in reading(room)
        await press(pilot, "end")
        await rest(pilot)
        assert "Wrap it in a loop" in reading(room)
        assert "words 0" in reading(room)
    one = PastReading(UPLOAD.past_id, 1)
    monkeypatch.setattr(past_rows, "MOST", 70)
    for page in (*over.past_pages, over.past_pages[0].model_copy(update={"first": 63})):
        one.take(page)
    assert len(one.entries) == 60, "not the whole of a long session"
    assert "from line 63" in reading_rows(one)[0].text


async def test_a_session_is_taken_up_by_a_workflow_that_can_be_named() -> None:
    over = full()
    room = room_over(over, screen="past")
    async with room.run_test(size=(120, 40), notifications=True) as pilot:
        await settle(pilot)
        await rest(pilot)
        await press(pilot, "c", *"now", "ctrl+j", *"workflow: ops", "enter")
        await rest(pilot)
        await press(pilot, "c", "enter")
        await rest(pilot)
        one, other = over.commands
        assert isinstance(one, StartRun) and isinstance(other, StartRun)
        assert (one.request.text, one.workflow) == ("now", "ops")
        assert one.request.past is not None
        assert one.request.past.past_id == UPLOAD.past_id
        assert (other.request.text, other.workflow) == ("Go on where we left off.", None)


async def test_what_cannot_be_read_says_why() -> None:
    over = full()
    over.past_pages = []
    room = room_over(over, screen="past")
    async with room.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await rest(pilot)
        assert "there is no past session main/0191" in reading(room)
        over.refuse = Refused("/home/mara/uploader is not a git repository")
        await press(pilot, "r")
        await rest(pilot)
        assert "is not a git repository" in reading(room)
        await press(pilot, "c", "slash", "m", "j")
        assert isinstance(room.screen, PastScreen)


@given(text=st.text())
def test_any_text_is_split_into_itself_and_its_options(text: str) -> None:
    rest_, options = split_options(text, ("workflow", "attach"))
    assert set(options) == {"workflow", "attach"}
    assert rest_ in text.strip() or not rest_


def test_only_last_lines_are_options() -> None:
    text = "workflow: no\ndo it\nattach: a b.png\nAttach: c\n\n"
    assert split_options(text, ("attach", "workflow")) == (
        "workflow: no\ndo it",
        {"attach": ("a b.png", "c"), "workflow": ()},
    )
    assert split_options("attach:\n", ("attach",)) == ("attach:", {"attach": ()})


STATES: dict[str, tuple[str, ...]] = {
    "list": (),
    "hits": ("slash", *"retry", "enter"),
    "take-up": ("c", *"and now?"),
    "empty": (),
}


@SIZES
@pytest.mark.parametrize("name", list(STATES))
def test_past(snap_compare: Compare, name: str, size: tuple[int, int]) -> None:
    room = room_over(client() if name == "empty" else full(), screen="past")
    assert snap_compare(room, terminal_size=size, run_before=in_run(*STATES[name]))
