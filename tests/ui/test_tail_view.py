from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from app.domain.base import SessionId
from app.domain.session import Chunk, ChunkKind
from app.ui.tail import Tail
from app.ui.widgets.tail import TailView
from tests.ui.parts import NOW


def numbered(first: int, last: int) -> list[Chunk]:
    return [
        Chunk(
            session_id=SessionId("s-1"),
            ordinal=n,
            kind=ChunkKind.OUTPUT,
            item_id=f"i{n}",
            text=f"line {n}",
            end=True,
            at=NOW,
        )
        for n in range(first, last + 1)
    ]


class TailApp(App[None]):
    """One tail and a store to page from."""

    def __init__(self, shown: Sequence[Chunk], stored: Sequence[Chunk] = ()) -> None:
        super().__init__()
        self.tail = Tail()
        for chunk in shown:
            self.tail.push(chunk)
        self.stored = stored
        self.asked: list[int] = []
        self.layouts = 0

    def compose(self) -> ComposeResult:
        yield TailView(empty="nothing said yet")

    def on_mount(self) -> None:
        view = self.query_one(TailView)
        view.show(self.tail, self.page, empty="nothing said yet")
        view.focus()

    async def page(self, before: int) -> Sequence[Chunk]:
        self.asked.append(before)
        await asyncio.sleep(0)
        return [chunk for chunk in self.stored if chunk.ordinal < before][-20:]

    def add(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            self.tail.push(chunk)
        self.query_one(TailView).moved()


def rows(app: TailApp) -> list[str]:
    view = app.query_one(TailView)
    return [view.render_line(y).text.rstrip() for y in range(view.size.height)]


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def test_it_follows_the_end() -> None:
    app = TailApp(numbered(1, 50))
    async with app.run_test(size=(40, 10)) as pilot:
        assert rows(app) == [f"│ line {n}" for n in range(41, 51)]
        app.add(numbered(51, 52))
        await pilot.pause()
        assert rows(app)[-1] == "│ line 52"


async def test_new_lines_never_lay_the_screen_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    app = TailApp(numbered(1, 50))
    async with app.run_test(size=(40, 10)) as pilot:
        view = app.query_one(TailView)
        await pilot.pause(0.1)
        size, virtual = view.size, view.virtual_size
        laid_out = list[object]()
        monkeypatch.setattr(
            type(app.screen), "_refresh_layout", lambda *a, **k: laid_out.append(a), raising=True
        )
        for number in range(51, 81):
            app.add(numbered(number, number))
            await pilot.pause()
        assert laid_out == []
        assert (view.size, view.virtual_size) == (size, virtual)


async def test_scrolled_up_it_holds_still_and_says_so() -> None:
    app = TailApp(numbered(1, 50))
    async with app.run_test(size=(40, 10)) as pilot:
        await press(pilot, "up")
        held = rows(app)
        assert held[:9] == [f"│ line {n}" for n in range(41, 50)]
        assert held[-1] == " ‖ paused · End to follow · ↓ 1 line"
        app.add(numbered(51, 53))
        await pilot.pause()
        assert rows(app)[:9] == held[:9]
        assert "paused · End to follow · ↓ 4 lines" in rows(app)[-1]
        await press(pilot, "end")
        assert rows(app)[-1] == "│ line 53"


async def test_scrolling_down_to_the_end_follows_again() -> None:
    app = TailApp(numbered(1, 50))
    async with app.run_test(size=(40, 10)) as pilot:
        await press(pilot, "pageup", "pageup")
        assert not app.query_one(TailView).following
        await press(pilot, "pagedown", "pagedown")
        assert app.query_one(TailView).following
        assert rows(app)[-1] == "│ line 50"


async def test_the_wheel_scrolls() -> None:
    app = TailApp(numbered(1, 50))
    async with app.run_test(size=(40, 10)) as pilot:
        view = app.query_one(TailView)
        view.action_rows(-3)
        await pilot.pause()
        assert rows(app)[0] == "│ line 39"


async def test_older_text_is_paged_in_from_the_store() -> None:
    stored = numbered(1, 60)
    app = TailApp(stored[-20:], stored)
    async with app.run_test(size=(40, 10)) as pilot:
        await press(pilot, "pageup", "pageup", "pageup")
        assert app.asked == [42], "the chunk of the oldest line at hand, and what is before it"
        assert rows(app)[0] == "│ line 33"


async def test_home_leads_to_the_oldest_line_that_there_is() -> None:
    stored = numbered(1, 60)
    app = TailApp(stored[-20:], stored)
    async with app.run_test(size=(60, 10)) as pilot:
        await press(pilot, "home")
        assert app.asked == [42, 23, 4, 2], "page after page, until nothing is older"
        assert rows(app)[0] == "│ line 1"
        assert rows(app)[-1] == " ‖ paused · End to follow · ↓ 51 lines"
        await press(pilot, "pagedown")
        assert rows(app)[0] == "│ line 9"
        await press(pilot, "home", "home")
        assert len(app.asked) == 4, "the beginning is asked for once"


async def test_it_says_whether_there_is_older_text_above() -> None:
    app = TailApp(numbered(1, 8), numbered(1, 60))
    async with app.run_test(size=(40, 10)) as pilot:
        assert not app.query_one(TailView).above, "all of it is in sight"
        app.add(numbered(9, 12))
        await pilot.pause()
        assert app.query_one(TailView).above
        await press(pilot, "home")
        assert not app.query_one(TailView).above
    app = TailApp(numbered(53, 60), numbered(1, 60))
    async with app.run_test(size=(40, 10)) as pilot:
        assert app.query_one(TailView).above, "the store has more"
        await press(pilot, "up")
        assert app.query_one(TailView).above


async def test_a_short_text_does_not_pause() -> None:
    app = TailApp(numbered(1, 3))
    async with app.run_test(size=(40, 10)) as pilot:
        await press(pilot, "up", "pageup")
        assert app.query_one(TailView).following


async def test_long_lines_are_wrapped_and_narrower_windows_wrap_again() -> None:
    chunk = replace(numbered(1, 1)[0], text="word " * 20, kind=ChunkKind.MESSAGE)
    app = TailApp([chunk])
    async with app.run_test(size=(40, 10)) as pilot:
        assert rows(app)[:2] == ["● " + "word " * 6 + "word", "  " + "word " * 6 + "word"]
        await pilot.resize_terminal(22, 10)
        await pilot.pause()
        assert rows(app)[0] == "● " + "word " * 3 + "word"


async def test_an_empty_tail_says_so() -> None:
    app = TailApp([])
    async with app.run_test(size=(40, 4)) as pilot:
        await press(pilot, "up")
        assert rows(app)[0] == "  nothing said yet"


async def test_every_kind_has_its_own_glyph() -> None:
    chunks = [replace(numbered(n, n)[0], kind=kind) for n, kind in enumerate(ChunkKind, start=1)]
    app = TailApp(chunks)
    async with app.run_test(size=(40, 10)):
        glyphs = [row[0] for row in rows(app) if row]
        assert len(set(glyphs)) == len(ChunkKind)


async def test_what_is_hostile_is_drawn_as_pictures() -> None:
    text = "\x1b]52;c;ZXZpbA==\x07[/foo][bold]x\u202eevil"
    app = TailApp([replace(numbered(1, 1)[0], text=text)])
    async with app.run_test(size=(60, 4)):
        assert rows(app)[0] == "│ ␛]52;c;ZXZpbA==␇[/foo][bold]x\ufffdevil"
