"""Writing a reason in the editor: awaited, and never at the cost of the text."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from textual.app import App

from app.ui.editor import EditorError, edit, editor_command
from app.ui.screens.dialogs import PromptArea
from tests.support.waiting import PATIENCE
from tests.ui import canned
from tests.ui.answering import Ticker, awake, press
from tests.ui.conftest import room_over
from tests.ui.driving import rest, screen_text
from tests.ui.fakes import FakeClient


class Terminal(App[None]):
    """An app that can be suspended although it has no terminal."""

    suspended = 0

    @contextmanager
    def suspend(self) -> Iterator[None]:
        self.suspended += 1
        yield


def editor(tmp_path: Path, body: str) -> str:
    """An editor that is a small program; `path` is the file."""
    script = tmp_path / "my editor.py"
    script.write_text(f"import sys, time, pathlib\npath = pathlib.Path(sys.argv[1])\n{body}\n")
    return f'{sys.executable} "{script}"'


async def test_the_text_comes_back_as_it_was_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "path.write_text(path.read_text() + ' and more\\x1b[2J\\n\\n')"
    monkeypatch.setenv("VISUAL", editor(tmp_path, body))
    app = Terminal()
    handler = signal.getsignal(signal.SIGINT)
    assert await edit(app, "typed") == "typed and more␛[2J"
    assert app.suspended == 1
    assert signal.getsignal(signal.SIGINT) is handler


async def test_everything_else_goes_on_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = tmp_path / "over"
    waits = f"while not pathlib.Path({str(over)!r}).exists(): time.sleep(0.01)"
    monkeypatch.setenv("VISUAL", editor(tmp_path, waits))
    writing = asyncio.create_task(edit(Terminal(), "x"))
    for _ in range(10):
        await asyncio.sleep(0.02)
    assert not writing.done()
    over.touch()
    assert await writing == "x"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("/nowhere/ed", "cannot start /nowhere/ed: No such file or directory; set $EDITOR"),
        ('vi "', 'is not a command line (No closing quotation): vi "'),
        ("false", "false ended with code 1: the text is as it was"),
    ],
)
async def test_an_editor_that_fails_is_one_sentence(
    command: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", command)
    with pytest.raises(EditorError) as caught:
        await edit(Terminal(), "x")
    assert sentence in str(caught.value)


async def test_an_endless_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", editor(tmp_path, "path.write_text('x' * 1_000_001)"))
    with pytest.raises(EditorError, match="longer than 1,000,000 bytes"):
        await edit(Terminal(), "")


def test_the_editor_is_visual_then_editor_then_vi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "code --wait")
    assert editor_command() == ["code", "--wait"]
    monkeypatch.setenv("VISUAL", "emacs -nw")
    assert editor_command() == ["emacs", "-nw"]
    monkeypatch.setenv("VISUAL", " ")
    assert editor_command() == ["vi"]
    monkeypatch.delenv("VISUAL")
    monkeypatch.delenv("EDITOR")
    assert editor_command() == ["vi"]


async def test_an_editor_is_ended_with_the_dialog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = tmp_path / "done"
    body = f"time.sleep(30)\npathlib.Path({str(done)!r}).touch()"
    monkeypatch.setenv("VISUAL", editor(tmp_path, body))
    writing = asyncio.create_task(edit(Terminal(), "x"))
    await asyncio.sleep(0.3)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(writing, PATIENCE)
    assert not done.exists()


async def test_ctrl_e_without_a_real_terminal_says_so_and_keeps_the_text() -> None:
    client, ticker = FakeClient(canned.waiting_run()), Ticker()
    async with room_over(client).run_test(notifications=True) as pilot:
        screen = await awake(pilot, "approvals", ticker)
        await press(pilot, "d", *"no", "ctrl+e")
        await rest(pilot)
        dialog = screen.app.screen
        assert dialog.query_one(PromptArea).text == "no"
        assert "cannot be handed to an" in screen_text(screen.room)


async def test_ctrl_e_takes_the_editors_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", editor(tmp_path, "path.write_text('because\\nof this')"))
    client, ticker = FakeClient(canned.waiting_run()), Ticker()
    room = room_over(client)
    monkeypatch.setattr(type(room), "suspend", Terminal.suspend)
    monkeypatch.setattr(type(room), "suspended", 0, raising=False)
    async with room.run_test() as pilot:
        await awake(pilot, "approvals", ticker)
        await press(pilot, "d", "ctrl+e")
        area = room.screen.query_one(PromptArea)
        async with asyncio.timeout(PATIENCE):
            while not area.text:
                await pilot.pause(0.05)
        await press(pilot, "enter")
        await rest(pilot)
        assert [getattr(c, "reason", "") for c in client.commands] == ["because\nof this"]
        assert room.drafts == {}
